from dataclasses import fields

import numpy as np
import pytest

from asr.data.augment import AugmentConfig, Augmenter
from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor, warp


def augmenter(**settings):
    return Augmenter(AugmentConfig(**settings), FeatureConfig())


def noise(num_samples=16000, seed=0):
    return (np.random.default_rng(seed).standard_normal(num_samples) * 0.1).astype(np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_nothing_is_touched_by_default():
    waveform, frames = noise(), noise().reshape(-1, 10)
    assert augmenter().waveform(waveform, rng()) is waveform
    assert augmenter().tract(frames, rng()) is frames
    assert augmenter().stretch(frames, augmenter().tempo(rng())) is frames
    assert augmenter().frames(frames, rng()) is frames
    assert not AugmentConfig(tempo=0.1, time_masks=1, feature_masks=1).touches_sound
    assert AugmentConfig(join=2).touches_sound


@pytest.mark.parametrize(
    "settings",
    [{"speed": 0.2}, {"crop_ms": 1}, {"pad_ms": 100}, {"channel_db": 6}, {"room_ms": 300}, {"noise_probability": 1.0},
     {"gain_db": 10}],
)  # fmt: skip
def test_sound_stays_float32_and_finite_and_follows_the_seed(settings):
    for num_samples in (1, 37, 16000, 140000):
        waveform = noise(num_samples)
        made = augmenter(**settings).waveform(waveform, rng(1))
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert np.array_equal(made, augmenter(**settings).waveform(waveform, rng(1)))
        assert num_samples == 1 or not np.array_equal(made, augmenter(**settings).waveform(waveform, rng(2)))
        assert np.array_equal(waveform, noise(num_samples)), "the original must not change"


def steps(*levels_db, length=3200):
    """Noise at one level after another, in decibels."""
    return np.concatenate(
        [noise(length, seed) * 10 ** (level / 20) for seed, level in enumerate(levels_db)], dtype="f4"
    )


def index_in(part, whole):
    """Where a part begins in a whole, of which it is a segment."""
    [start] = np.flatnonzero(whole[: len(whole) - len(part) + 1] == part[0])
    assert np.array_equal(whole[start : start + len(part)], part)
    return int(start)


def test_trimming_takes_soft_ends_and_never_what_is_loud_or_between():
    waveform = steps(-50, -25, 0, -50, 0, -15, -50)
    firsts, lasts = set(), set()
    for seed in range(60):
        made = augmenter(trim_db=40).waveform(waveform, rng(seed))
        assert np.array_equal(made, augmenter(trim_db=40).waveform(waveform, rng(seed)))
        first = index_in(made, waveform)
        assert first > 3200 - 160 and first < 6400 + 320, "the softest is gone, and the loudest is there"
        assert 16000 - 320 < first + len(made) < 19200 + 160
        firsts.add(first > 4800)
        lasts.add(first + len(made) > 17600)
    assert firsts == lasts == {True, False}, "what is neither loud nor soft stays or goes"
    assert len(augmenter(trim_db=40).waveform(waveform, rng(), min_samples=len(waveform))) == len(waveform)
    silence = np.zeros(16000, np.float32)
    assert np.array_equal(augmenter(trim_db=40).waveform(silence, rng()), silence), "there is nothing to find"


def test_an_offset_is_no_sound():
    waveform = np.zeros(16000, np.float32)
    waveform[6000:10000] = noise(4000) + 0.05
    for seed in range(10):
        made = augmenter(trim_db=60).waveform(waveform, rng(seed))
        assert 4000 - 320 <= len(made) <= 4000 + 320
        made = augmenter(gate_probability=1.0).waveform(waveform + 0.01, rng(seed))
        assert not made[:5840].any() and not made[-5840:].any() and made[6160:9840].all()


def test_trimming_leaves_a_click_its_surroundings():
    click = np.zeros(16000, np.float32)
    click[8000] = 1.0
    assert len(augmenter(trim_db=40).waveform(click, rng())) == 16000, "20 ms would not be an utterance"


def test_a_gate_leaves_digital_silence_where_it_is_soft_and_nothing_else_changes():
    waveform = steps(0, -70, -40, 0)
    closed = []
    for seed in range(40):
        made = augmenter(gate_probability=1.0).waveform(waveform, rng(seed))
        assert made.dtype == np.float32 and np.array_equal(made[made != 0], waveform[made != 0])
        assert (made[:3040] != 0).all() and (made[-3040:] != 0).all()
        assert (made[3200 + 160 : 6400 - 160] == 0).all()
        closed.append((made[6400 + 160 : 9600 - 160] == 0).mean())
    assert min(closed) == 0 and max(closed) == 1
    open_ones = [augmenter(gate_probability=0.5).waveform(waveform, rng(seed)) is waveform for seed in range(200)]
    assert 70 < sum(open_ones) < 130


def test_a_gate_knows_speech_from_noise():
    waveform = np.concatenate([noise(8000), np.zeros(8000, np.float32)])
    for seed in range(10):
        made = augmenter(gate_probability=1.0, noise_probability=1.0, noise_snr_db=0).waveform(waveform, rng(seed))
        assert (made[:7840] != 0).all() and (made[8160:] == 0).all()


def test_clipping_cuts_off_peaks_and_nothing_else_changes():
    waveform = (noise(4000) * np.linspace(0, 1, 4000)).astype(np.float32)
    loudest, peaks_db = np.abs(waveform).max(), []
    for seed in range(60):
        made = augmenter(clip_probability=1.0).waveform(waveform, rng(seed))
        peak = np.abs(made).max()
        assert made.dtype == np.float32 and np.array_equal(made, np.clip(waveform, -peak, peak))
        peaks_db.append(20 * np.log10(peak / loudest))
    assert -20 <= min(peaks_db) < -17 and -3 < max(peaks_db) <= 0
    whole = [augmenter(clip_probability=0.5).waveform(waveform, rng(seed)) is waveform for seed in range(200)]
    assert 70 < sum(whole) < 130


def test_followers_are_those_who_speak():
    speaks = np.arange(3000) % 3 > 0
    followers = augmenter(join=4, join_probability=0.3).followers(speaks, rng())
    assert followers.shape == (3000, 3)
    assert (followers[~speaks] == -1).all() and speaks[followers[followers >= 0]].all()
    counts = (followers >= 0).sum(axis=1)
    assert (np.sort(followers >= 0)[:, ::-1] == (followers >= 0)).all(), "nobody comes last"
    assert 0.25 < (counts[speaks] > 0).mean() < 0.35
    assert set(counts) == {0, 1, 2, 3}
    assert augmenter().followers(speaks, rng()).shape == (3000, 0)
    nobody = augmenter(join=4).followers(~speaks & speaks, rng())
    assert nobody.shape == (3000, 3) and (nobody == -1).all()


def test_followers_are_said_after_a_pause():
    one, two = noise(4000, 1), noise(5000, 2)
    pauses_s = set()
    for seed in range(50):
        made = augmenter(join=2).waveform(one, rng(seed), followers=[(two, 0), (one, 0)])
        start = index_in(two, made)
        assert np.array_equal(made[:4000], one) and np.array_equal(made[-4000:], one)
        for pause in (made[4000:start], made[start + 5000 : -4000]):
            assert 0.0299 < len(pause) / 16000 < 0.6001 and not pause.any()
            pauses_s.add(len(pause) / 16000)
    assert min(pauses_s) < 0.04 and max(pauses_s) > 0.45 and 0.1 < np.median(list(pauses_s)) < 0.17


@pytest.mark.parametrize("name", [setting.name for setting in fields(AugmentConfig) if setting.default == 0])
def test_every_setting_that_changes_sound_says_so(name):
    perturbed = augmenter(**{name: 10 if name.endswith(("_db", "_ms", "masks")) else 0.4})
    waveform = steps(-50, -25, 0, -50)

    def others(count):
        return [waveform[::-1]] * count

    changed = any(
        not np.array_equal(perturbed.waveform(waveform, rng(seed), others=others), waveform) for seed in range(20)
    )
    assert perturbed.config.touches_sound == changed


def test_speed_moves_length_and_pitch_together():
    waveform = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    for seed in range(10):
        made = augmenter(speed=0.2).waveform(waveform, rng(seed))
        factor = 16000 / len(made)
        assert 0.79 < factor < 1.21
        peak = np.abs(np.fft.rfft(made * np.hanning(len(made)))).argmax() * 16000 / len(made)
        assert peak == pytest.approx(1000 * factor, rel=0.01)


def test_speed_keeps_the_least_length():
    for seed in range(20):
        assert len(augmenter(speed=0.4).waveform(noise(), rng(seed), min_samples=16000)) >= 15999


def test_noise_has_the_ratio_that_was_asked_for():
    waveform = noise(80000)
    ratios = []
    for seed in range(40):
        added = augmenter(noise_probability=1.0, noise_snr_db=10).waveform(waveform, rng(seed)) - waveform
        ratios.append(10 * np.log10(np.mean(waveform**2) / np.mean(added**2)))
    assert min(ratios) > 7 and max(ratios) < 48, "10 to 45 dB, and what a piece of a noise differs from its whole"


def test_gain_is_within_its_limits():
    gains = [
        np.abs(augmenter(gain_db=6).waveform(noise(), rng(seed))).max() / np.abs(noise()).max() for seed in range(40)
    ]
    assert 0.5 <= min(gains) < 0.8 and 1.25 < max(gains) <= 2.0


def test_channel_filters_stay_within_their_limits():
    for seed in range(10):
        made = augmenter(channel_db=6).waveform(noise(65536), rng(seed))
        change = np.abs(np.fft.rfft(made)) / np.abs(np.fft.rfft(noise(65536)))
        assert 20 * np.log10(change.min()) >= -6.1 and 20 * np.log10(change.max()) <= 6.1
        assert change.max() / change.min() > 1.2


def test_tempo_stretches_time_and_nothing_else():
    def stretched(cepstra, seed=0, min_frames=1):
        one = augmenter(tempo=0.3)
        return one.stretch(cepstra, one.tempo(rng(seed)), min_frames)

    ramp = np.linspace(0, 1, 101, dtype=np.float32)[:, None].repeat(3, axis=1)
    lengths = set()
    for seed in range(20):
        made = stretched(ramp, seed)
        assert np.allclose(made[:, 0], np.linspace(0, 1, len(made)), atol=1e-5)
        lengths.add(len(made))
    assert 70 < min(lengths) < 90 and 115 < max(lengths) < 150
    assert len(stretched(ramp, 3, min_frames=101)) >= 101
    assert stretched(ramp[:1]).shape == (1, 3)


def test_cropping_takes_from_the_ends_and_leaves_the_middle():
    waveform = np.arange(16000, dtype=np.float32)
    firsts, lengths = set(), set()
    for seed in range(20):
        made = augmenter(crop_ms=100).waveform(waveform, rng(seed))
        assert np.array_equal(made, np.arange(made[0], made[-1] + 1))
        assert made[0] <= 1600 and made[-1] >= 16000 - 1601
        firsts.add(made[0])
        lengths.add(len(made))
    assert len(firsts) > 10 and len(lengths) > 10
    assert len(augmenter(crop_ms=100).waveform(waveform, rng(), min_samples=16000)) == 16000
    assert len(augmenter(crop_ms=1000).waveform(waveform, rng())) >= 8000


def test_some_utterances_stay_untrimmed():
    waveform = np.concatenate([np.full(4000, 1e-4), noise(8000), np.full(4000, 1e-4)]).astype(np.float32)
    made = [augmenter(trim_db=40, trim_probability=0.5).waveform(waveform, rng(seed)) for seed in range(200)]
    assert 0.35 < np.mean([len(one) == 16000 for one in made]) < 0.65
    assert all(len(one) < 9000 or len(one) == 16000 for one in made)


def test_some_ends_stay_whole():
    waveform = np.arange(16000, dtype=np.float32)
    made = [augmenter(crop_ms=100, crop_probability=0.5).waveform(waveform, rng(seed)) for seed in range(200)]
    begin, end = np.array([[one[0] == 0, one[-1] == 15999] for one in made]).T
    assert 0.35 < begin.mean() < 0.65 and 0.35 < end.mean() < 0.65 and 0.15 < (begin & end).mean() < 0.35
    whole = augmenter(crop_ms=100, crop_probability=0.0)
    assert all(len(whole.waveform(waveform, rng(seed))) == 16000 for seed in range(20))


def test_a_room_keeps_the_length_and_rings_after_the_sound():
    waveform = np.zeros(8000, np.float32)
    waveform[1000] = 1.0
    for seed in range(10):
        made = augmenter(room_ms=200).waveform(waveform, rng(seed))
        assert len(made) == 8000 and np.allclose(made[:1000], 0, atol=1e-5) and made[1000] == pytest.approx(1, abs=1e-5)
        assert np.allclose(made[1000 + 3200 :], 0, atol=1e-5), "no longer than it was asked for"
        assert 0 < np.square(made[1001:]).sum() <= 1.01, "never louder than the sound itself"


def test_some_ends_stay_without_padding():
    waveform = noise(4000) + 1  # no sample of it is zero
    made = [augmenter(pad_ms=100, pad_probability=0.5).waveform(waveform, rng(seed)) for seed in range(200)]
    assert 0.35 < np.mean([abs(one[0]) < 0.1 for one in made]) < 0.6
    assert 0.35 < np.mean([abs(one[-1]) < 0.1 for one in made]) < 0.6
    never = augmenter(pad_ms=100, pad_probability=0.0)
    assert all(len(never.waveform(waveform, rng(seed))) == 4000 for seed in range(20))


def test_padding_is_never_digital_silence_and_its_noise_is_that_of_the_utterance():
    waveform = noise(8000)
    for settings in ({}, {"noise_probability": 1.0}, {"clean_probability": 1.0, "noise_probability": 1.0}):
        for seed in range(10):
            made = augmenter(pad_ms=500, **settings).waveform(waveform, rng(seed))
            assert np.count_nonzero(made) > 0.99 * len(made)
    loud = augmenter(pad_ms=500, noise_probability=1.0, noise_snr_db=0).waveform(waveform, rng(3))
    faint = augmenter(pad_ms=500, noise_probability=1.0, noise_snr_db=80).waveform(waveform, rng(3))
    assert np.abs(loud[:500]).mean() > 100 * np.abs(faint[:500]).mean() > 0


def test_babble_is_as_many_decibels_softer_as_said_and_asks_for_two_to_five():
    waveform, asked = noise(16000), []

    def others(count):
        asked.append(count)
        return [noise(5000 + index, index + 1) for index in range(count)]

    for seed in range(30):
        made = augmenter(babble_probability=1.0).waveform(waveform, rng(seed), others=others)
        assert len(made) == 16000
        snr_db = 10 * np.log10(np.mean(waveform**2) / np.mean((made - waveform) ** 2))
        assert 4.9 < snr_db < 25.1
    assert set(asked) == {2, 3, 4, 5}


def test_a_band_limit_leaves_what_is_below_it_and_little_above():
    waveform = noise(16384)
    for seed in range(20):
        made = augmenter(band_probability=1.0).waveform(waveform, rng(seed))
        power = np.abs(np.fft.rfft(made)) ** 2 / np.abs(np.fft.rfft(waveform)) ** 2
        hz = np.linspace(0, 8000, len(power))
        assert np.abs(power[hz < 3300] - 1).max() < 0.1
        assert np.median(power[hz > 7100]) < 1e-5


def test_some_utterances_stay_clean():
    waveform = noise(4000)
    clean = augmenter(clean_probability=0.5, channel_db=10, noise_probability=1.0)
    same = [np.array_equal(clean.waveform(waveform, rng(seed)), waveform) for seed in range(200)]
    assert 0.35 < np.mean(same) < 0.65


def test_a_vocal_tract_of_ones_own_length_changes_nothing():
    for config in (FeatureConfig(), FeatureConfig(lifter=0, low_hz=130, high_hz=6800, num_cepstra=20)):
        assert np.allclose(warp(1.0, config), np.eye(config.num_cepstra), atol=1e-9)


def test_a_shorter_vocal_tract_is_what_faster_playing_does_to_the_spectrum():
    """Speech-like noise with formants, played 10 % faster: its mean cepstra are those of the warp by 1.1."""
    white = np.fft.rfft(rng().standard_normal(1 << 17))
    hz = np.fft.rfftfreq(1 << 17, 1 / 16000)
    envelope = sum(np.exp(-(((hz - formant) / 250) ** 2)) for formant in (600, 1500, 2600)) + 0.05
    sound = np.fft.irfft(white * envelope) * 10
    faster = np.interp(np.arange(0, len(sound) - 1, 1.1), np.arange(len(sound)), sound)
    extractor = FeatureExtractor(FeatureConfig())
    slow, fast = (extractor.cepstra(waveform).mean(axis=0)[1:] for waveform in (sound, faster))
    warped = {factor: (np.r_[0, slow] @ warp(factor, extractor.config))[1:] for factor in (1 / 1.1, 1.0, 1.1)}
    distance = {factor: np.linalg.norm(made - fast) for factor, made in warped.items()}
    assert distance[1.1] < 0.35 * distance[1.0] < distance[1 / 1.1]


def test_a_drawn_vocal_tract_leaves_energy_and_time_alone():
    cepstra = rng().standard_normal((50, 13)).astype(np.float32)
    made = [augmenter(tract=0.2).tract(cepstra, rng(seed)) for seed in range(20)]
    assert all(one.shape == cepstra.shape and one.dtype == np.float32 for one in made)
    assert all(np.array_equal(one[:, 0], cepstra[:, 0]) for one in made)
    assert len({one[0, 1].item() for one in made}) > 10


def test_jitter_has_the_deviation_that_was_asked_for():
    frames = np.zeros((400, 26), np.float32)
    assert augmenter(jitter=0.3).frames(frames, rng()).std() == pytest.approx(0.3, rel=0.03)


def test_masks_put_the_mean_in_place_and_spare_most_of_the_time():
    frames = rng().standard_normal((100, 26)).astype(np.float32)
    for seed in range(20):
        made = augmenter(time_masks=2, time_mask_ms=500, feature_masks=1).frames(frames, rng(seed))
        changed = made != frames
        masked_frames = changed.all(axis=1)
        assert masked_frames.sum() <= 21
        columns = changed[~masked_frames].any(axis=0)
        assert columns.sum() <= 6 and np.array_equal(columns[:13], columns[13:]), "deltas go with their cepstra"
        assert np.allclose(made[changed], np.broadcast_to(frames.mean(axis=0), frames.shape)[changed])


def test_masks_fit_the_shortest_utterance():
    assert augmenter(time_masks=3, feature_masks=3).frames(np.ones((1, 2), np.float32), rng()).shape == (1, 2)


@pytest.mark.parametrize("settings", [{"speed": -0.1}, {"tempo": 0.5}, {"noise_probability": 1.5}, {"time_masks": -1}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError, match="augment"):
        AugmentConfig(**settings)


def test_a_household_stays_within_the_ratio_that_is_set():
    waveform = np.sin(np.arange(16000) / 5).astype(np.float32)
    ratios = []
    for seed in range(30):
        made = augmenter(household_probability=1.0, household_snr_db=-2).waveform(waveform, rng(seed))
        ratios.append(10 * np.log10(np.mean(np.square(waveform)) / np.mean(np.square(made - waveform))))
    assert min(ratios) < 3 and max(ratios) > 15, "a cut of a noise is louder or softer than the whole of it"
    assert np.array_equal(waveform, augmenter(household_probability=1e-12).waveform(waveform, rng(0)))
