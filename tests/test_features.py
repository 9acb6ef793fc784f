import itertools
import logging
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import python_speech_features as psf
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.features import (
    FeatureConfig,
    FeatureError,
    FeatureExtractor,
    dct,
    delta,
    feature_warps,
    group_by_length,
    levels_db,
    relative_to_speech,
    stack,
    warp,
)

# python_speech_features warns of windows longer than its FFT, on the root logger, which must keep its level for others.
logging.getLogger().addFilter(lambda record: "FFT" not in record.getMessage())
RATES = (8000, 11025, 16000, 22050, 44100, 48000)
PLAIN = {"mean": "none", "variance": "none"}


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).standard_normal(num_samples) * 0.1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [0.0001, 0.01, 0.025, 0.0251, 0.035, 1.003, 3.21])
def test_equals_python_speech_features(rate, seconds):
    waveform = noise(max(1, int(rate * seconds)))
    extractor = FeatureExtractor(FeatureConfig(sample_rate=rate, **PLAIN))
    expected = psf.mfcc(waveform, rate)
    assert extractor(waveform).shape == expected.shape
    assert np.abs(extractor(waveform) - expected).max() < 1e-9
    single = extractor(waveform.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - psf.mfcc(waveform.astype(np.float32).astype(float), rate)).max() < 1e-3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"num_filters": 40, "low_hz": 130.0, "high_hz": 6800.0}, {"nfilt": 40, "lowfreq": 130, "highfreq": 6800}),
        ({"num_cepstra": 20, "lifter": 0, "preemphasis": 0.0}, {"numcep": 20, "ceplifter": 0, "preemph": 0}),
        ({"window_function": "hamming"}, {"winfunc": np.hamming}),
        ({"energy": "c0"}, {"appendEnergy": False}),
        (
            {"window_function": "hamming", "energy": "c0", "window_ms": 40.0, "lifter": 0},
            {"winfunc": np.hamming, "appendEnergy": False, "winlen": 0.04, "ceplifter": 0},
        ),
        ({"fft_size": 1024, "window_ms": 32.0, "hop_ms": 8.0}, {"nfft": 1024, "winlen": 0.032, "winstep": 0.008}),
    ],
)
def test_every_setting_equals_python_speech_features(ours, theirs):
    waveform = noise(20000)
    extractor = FeatureExtractor(FeatureConfig(**PLAIN, **ours))
    assert np.abs(extractor(waveform) - psf.mfcc(waveform, 16000, **theirs)).max() < 1e-9


def test_silence_and_nothing_are_finite():
    extractor = FeatureExtractor(FeatureConfig(**PLAIN))
    for waveform in (np.zeros(4000), np.zeros(4000, np.float32), np.zeros(1, np.int16)):
        assert np.isfinite(extractor(waveform)).all()
    assert np.abs(extractor(np.zeros(4000)) - psf.mfcc(np.zeros(4000))).max() < 1e-9


def test_work_space_does_not_grow_with_length():
    extractor, waveform = FeatureExtractor(FeatureConfig(**PLAIN)), np.ones(16000 * 300, np.float32)
    extractor.cepstra(waveform[:16000])
    tracemalloc.start()
    cepstra = extractor.cepstra(waveform)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < cepstra.nbytes + 1_000_000


def test_threads_do_not_share_their_work_space():
    extractor = FeatureExtractor(FeatureConfig(**PLAIN))
    waveforms = [noise(3000 + 700 * seed, seed) for seed in range(40)]
    expected = [extractor.cepstra(waveform) for waveform in waveforms]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(extractor.cepstra, waveforms * 5))
    assert all(np.array_equal(one, other) for one, other in zip(made, expected * 5, strict=True))


def test_int16_and_float_give_the_same_frames():
    whole = (noise(16000) * 32768).astype(np.int16)
    extractor = FeatureExtractor(FeatureConfig())
    cepstra = extractor.cepstra
    assert np.array_equal(cepstra(whole), cepstra((whole / 32768).astype(np.float32)))


@given(num_samples=st.integers(1, 5000), rate=st.sampled_from(RATES))
def test_number_of_frames(num_samples, rate):
    config = FeatureConfig(sample_rate=rate, **PLAIN)
    assert len(FeatureExtractor(config)(np.ones(num_samples))) == config.num_frames(num_samples)


@settings(max_examples=25)
@given(num_frames=st.integers(1, 40), window=st.integers(1, 4), seed=st.integers(0, 99))
def test_delta_equals_python_speech_features(num_frames, window, seed):
    frames = np.random.default_rng(seed).standard_normal((num_frames, 5))
    assert np.abs(delta(frames, window) - psf.delta(frames, window)).max() < 1e-12


def test_deltas_stand_beside_the_cepstra():
    waveform = noise(16000)
    cepstra = FeatureExtractor(FeatureConfig(**PLAIN))(waveform)
    both = FeatureExtractor(FeatureConfig(**PLAIN, deltas=2))(waveform)
    first = psf.delta(cepstra, 2)
    assert both.shape[1] == FeatureConfig(deltas=2).num_features == 39
    assert np.allclose(both, np.hstack([cepstra, first, psf.delta(first, 2)]))


@pytest.mark.parametrize("deltas", [0, 1])
def test_corpus_normalisation_gives_mean_0_and_variance_1(deltas):
    config = FeatureConfig(mean="corpus", variance="corpus", deltas=deltas)
    corpus = [FeatureExtractor(config).cepstra(noise(8000, seed) * seed) for seed in range(1, 6)]
    extractor = FeatureExtractor(config, FeatureExtractor(config).measure(corpus))
    frames = np.concatenate([extractor.features(cepstra) for cepstra in corpus])
    assert np.abs(frames.mean(axis=0)).max() < 1e-5
    assert np.abs(frames.std(axis=0) - 1).max() < 1e-4


def test_utterance_normalisation_forgets_gain():
    config = FeatureConfig(mean="utterance", variance="utterance")
    waveform = noise(16000)
    quiet, loud = FeatureExtractor(config)(waveform * 0.01), FeatureExtractor(config)(waveform)
    assert np.abs(quiet - loud).max() < 1e-6


@pytest.mark.parametrize("mean", ["none", "utterance", "corpus", "speech"])
@pytest.mark.parametrize("variance", ["none", "corpus"])
@pytest.mark.parametrize(("deltas", "count"), [(0, 1), (1, 2), (2, 3)])
def test_a_warp_of_features_is_that_of_the_cepstra(mean, variance, deltas, count):
    config = FeatureConfig(mean=mean, variance=variance, deltas=deltas, stack=count)
    cepstra = [FeatureExtractor(config).cepstra(noise(8000, seed) * seed) for seed in range(1, 4)]
    extractor = FeatureExtractor(config, FeatureExtractor(config).measure(cepstra))
    factors = (0.9, 1.0, 1.2)
    batch = np.stack([extractor.features(one) for one in cepstra])
    shares = np.array([extractor.prior_share(one) for one in cepstra], np.float32)
    for factor, warp_features in zip(factors, feature_warps(factors, config, extractor.statistics), strict=True):
        expected = np.stack([extractor.features(with_weights_of(one, factor, extractor)) for one in cepstra])
        assert np.abs(warp_features(batch, shares) - expected).max() < 1e-3


def with_weights_of(cepstra, factor, extractor):
    """Warped cepstra; where their warp changes how much a frame is speech, this noise is speech throughout."""
    warped = cepstra @ warp(factor, extractor.config)
    assert extractor.prior_share(warped) == extractor.prior_share(cepstra)
    return warped


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"num_cepstra": 27}, "num_filters"),
        ({"high_hz": 9000.0}, "half the sample rate"),
        ({"low_hz": 5000.0, "high_hz": 4000.0}, "low < high"),
        ({"filter_floor_db": -1.0}, "filter_floor_db"),
        ({"prior_frames": 0.0}, "prior_frames"),
    ],
)
def test_impossible_settings_are_refused(settings, said):
    with pytest.raises(FeatureError, match=said):
        FeatureConfig(**settings)


def test_what_cannot_be_made_is_refused():
    with pytest.raises(FeatureError, match="precomputed"):
        FeatureExtractor(FeatureConfig(source="precomputed"))(noise(1600))
    with pytest.raises(FeatureError, match="corpus statistics"):
        FeatureExtractor(FeatureConfig(variance="corpus"))(noise(1600))
    with pytest.raises(FeatureError, match="one axis"):
        FeatureExtractor(FeatureConfig(**PLAIN))(np.zeros((100, 2)))
    with pytest.raises(FeatureError, match="do not fit"):
        FeatureExtractor(FeatureConfig(**PLAIN)).features(np.zeros((10, 12)))


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 98])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_stacking_puts_frames_side_by_side_and_loses_none(num_frames, count):
    frames = noise(num_frames * 26).reshape(num_frames, 26)
    config = FeatureConfig(stack=count, deltas=1)
    stacked = stack(frames, count)
    assert stacked.shape == (config.num_stacked(num_frames), config.num_features)
    unstacked = stacked.reshape(-1, 26)
    assert np.array_equal(unstacked[:num_frames], frames)
    assert np.array_equal(unstacked[num_frames:], np.repeat(frames[-1:], len(unstacked) - num_frames, axis=0))
    assert config.frame_ms == 10 * count


def test_statistics_do_not_depend_on_stacking():
    corpus = [noise(260, seed).reshape(-1, 13) for seed in range(4)]
    one, two = (FeatureExtractor(FeatureConfig(stack=count)) for count in (1, 2))
    statistics = one.measure(corpus)
    assert np.array_equal(statistics.std, two.measure(corpus).std)
    features = FeatureExtractor(one.config, statistics).features(corpus[0])
    assert np.array_equal(FeatureExtractor(two.config, statistics).features(corpus[0]), stack(features, 2))


SPEECH = {"mean": "speech", "variance": "corpus", "deltas": 1}


def voice(seed=0, seconds=1.0, rate=16000):
    """Something with the levels of speech: syllables of a buzz, soft hiss between them, both ends soft."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    pitch = 100 + 60 * rng.random()
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20)) * np.clip(
        np.sin(2 * np.pi * 3 * (t - 0.05)), 0, 1
    )
    return 0.1 * buzz + 0.0003 * rng.standard_normal(len(t))


@pytest.fixture(scope="module", params=["log_energy", "c0"])
def speech_extractor(request):
    config = FeatureConfig(**SPEECH, energy=request.param)
    corpus = [FeatureExtractor(config).cepstra(voice(seed)) for seed in range(20)]
    return FeatureExtractor(config, FeatureExtractor(config).measure(corpus))


@pytest.mark.parametrize("gain_db", [-30, -10, 10, 20])
def test_speech_normalisation_forgets_gain(speech_extractor, gain_db):
    waveform = voice(99)
    louder = waveform * 10 ** (gain_db / 20)
    assert np.abs(speech_extractor(waveform) - speech_extractor(louder)).max() < 1e-9
    single = speech_extractor(louder.astype(np.float32))
    assert np.abs(speech_extractor(waveform.astype(np.float32)) - single).max() < 2e-3


@pytest.mark.parametrize("seconds", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("below_db", [np.inf, 60, 30, 20])
def test_speech_normalisation_forgets_silence_and_noise_around(speech_extractor, seconds, below_db):
    waveform, num_samples = voice(99), int(seconds * 16000)
    rng = np.random.default_rng(7)
    loudness = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-below_db / 20)
    before, after = rng.standard_normal((2, num_samples)) * loudness
    longer = speech_extractor(np.concatenate([before, waveform, after]))
    first = num_samples // 160
    expected = speech_extractor(waveform)
    inner = slice(5, len(expected) - 5)  # the frames and the slopes at the edges hold some of what stands there
    assert np.abs(longer[first:][inner] - expected[inner]).max() < 1e-6


@pytest.mark.parametrize("louder_db", [0, 20, 40])
def test_speech_normalisation_hardly_hears_a_click(speech_extractor, louder_db):
    waveform = voice(99)
    margin = np.zeros(8000)
    clicked = margin.copy()
    clicked[4000:4030] = 10 ** (louder_db / 20) * np.abs(waveform).max()  # 2 ms
    expected = speech_extractor(np.concatenate([margin, waveform]))[55:]
    heard = speech_extractor(np.concatenate([clicked, waveform]))[55:]
    assert np.abs(heard - expected).max() < 0.1  # standard deviations


@pytest.mark.parametrize("deltas", [0, 2])
def test_speech_normalisation_gives_variance_1(deltas):
    config = FeatureConfig(mean="speech", variance="corpus", deltas=deltas)
    corpus = [FeatureExtractor(config).cepstra(voice(seed, 0.3 + 0.1 * seed)) for seed in range(8)]
    extractor = FeatureExtractor(config, FeatureExtractor(config).measure(corpus))
    squares = np.concatenate([np.square(extractor.features(cepstra)) for cepstra in corpus])
    assert np.abs(squares.mean(axis=0) - 1).max() < 1e-4


def test_much_speech_outweighs_the_corpus_and_little_does_not(speech_extractor):
    config, corpus_mean = speech_extractor.config, speech_extractor.statistics.mean[:13]
    for seconds, share in ((0.2, 0.8), (30, 0.1)):
        cepstra = speech_extractor.cepstra(voice(5, seconds)) + np.arange(13)  # another channel
        relative, weights = relative_to_speech(cepstra, config)
        centred = speech_extractor.features(cepstra)[:, :13] * speech_extractor.statistics.std[:13]
        own = weights @ relative / weights.sum()
        mean = (relative - centred).mean(axis=0)
        assert np.allclose(
            mean, own + (corpus_mean - own) * config.prior_frames / (config.prior_frames + weights.sum())
        )
        assert (config.prior_frames / (config.prior_frames + weights.sum()) > 0.5) == (share > 0.5)


def test_silence_and_nothing_have_features_relative_to_speech(speech_extractor):
    for waveform in (np.zeros(4000), np.zeros(1), np.zeros(4000, np.float32)):
        assert np.isfinite(speech_extractor(waveform)).all()


def test_no_filter_is_softer_than_the_floor():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000)
    whole = {"num_cepstra": 26, "energy": "c0", "lifter": 0, **PLAIN}

    def spectrum_db(floor_db):
        config = FeatureConfig(**whole, filter_floor_db=floor_db)
        return 10 / np.log(10) * FeatureExtractor(config)(tone) @ dct(config).T

    free, floored = spectrum_db(0.0), spectrum_db(20.0)
    mean_db = 10 * np.log10(np.mean(10 ** (free / 10), axis=1, keepdims=True))
    assert np.allclose(floored, np.maximum(free, mean_db - 20))
    assert (free < mean_db - 20).any()


def test_a_lifter_that_silences_a_coefficient_divides_by_nothing():
    config = FeatureConfig(lifter=2, energy="c0", **PLAIN)
    assert config.liftering[3] == 0
    with np.errstate(all="raise"):
        assert np.isfinite(warp(1.1, config)).all()
        assert np.isfinite(levels_db(FeatureExtractor(config)(noise(4000)), config)).all()


@given(st.lists(st.integers(0, 5000), max_size=40), st.integers(1, 8))
def test_groups_hold_each_once_and_little_padding(lengths, max_items):
    groups = list(group_by_length(lengths, max_items))
    assert sorted(itertools.chain(*groups)) == np.flatnonzero(lengths).tolist()
    for group in groups:
        padded = len(group) * max(lengths[index] for index in group)
        assert len(group) <= max_items and (len(group) == 1 or padded <= 1.1 * sum(lengths[index] for index in group))


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("num_samples", [1, 400, 16000, 163_000, 164_081, 500_000])
def test_cepstra_of_blocks_are_those_of_the_whole(rate, num_samples):
    extractor = FeatureExtractor(FeatureConfig(sample_rate=rate, mean="none", variance="none"))
    waveform = np.random.default_rng(0).standard_normal(num_samples).astype(np.float32) * 0.1
    whole = extractor.cepstra(waveform)
    for num_frames in (None, 10, 1):
        made = []
        for size in (160, 777, 16000, 100_003, 10**6)[num_samples > 200_000 :]:
            stream = extractor.cepstra_stream(num_frames)
            blocks = [waveform[start : start + size] for start in range(0, num_samples, size)]
            made.append(
                np.concatenate([*(frames for block in blocks for frames in stream.feed(block)), stream.flush()])
            )
            assert made[-1].shape == whole.shape and np.abs(made[-1] - whole).max() < 1e-4
        assert all(np.array_equal(left, right) for left, right in itertools.pairwise(made)), "to the last bit"
