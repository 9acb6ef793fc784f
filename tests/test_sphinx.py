"""Cepstra of CMU Sphinx become ours: judged by a slow front end like Sphinx's, and by PocketSphinx if installed."""

import shutil
import wave

import numpy as np
import pytest

from asr.features import FeatureConfig, FeatureError, FeatureExtractor
from asr.features.sphinx import from_sphinx

LIKE_SPHINX = FeatureConfig(
    window_ms=25.6, window_function="hamming", energy="c0", num_filters=40, low_hz=130.0, high_hz=6800.0,
    lifter=0, mean="none", variance="none",
)  # fmt: skip


def mel(hz):
    return 2595 * np.log10(1 + hz / 700)


def sphinx_cepstra(waveform):
    """What sphinx_fe makes of a waveform in [-1, 1]: 410 samples every 160, 512 points, 40 filters, `legacy` DCT."""
    signal = np.rint(waveform * 32768)
    emphasised = signal - 0.97 * np.concatenate([[0.0], signal[:-1]])
    edges = np.array([700 * (10 ** (m / 2595) - 1) for m in np.linspace(mel(130), mel(6800), 42)])
    edges = np.floor(edges / 31.25 + 0.5) * 31.25
    frames = []
    for start in range(0, len(signal) - 410 + 1, 160):
        window = np.hamming(410) * emphasised[start : start + 410]
        power = np.abs(np.fft.rfft(window, 512)) ** 2
        energies = []
        for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
            hz = np.arange(257) * 31.25
            height = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
            energies.append(power @ np.maximum(height, 0) * 2 / (right - left))
        logs = np.log(energies)
        logs[0] /= 2
        frames.append([logs @ np.cos(np.pi * k * (np.arange(40) + 0.5) / 40) / 40 for k in range(13)])
    return np.array(frames)


def smooth_noise(num_samples):
    """Noise that changes its colour, its loudness too."""
    rng = np.random.default_rng(0)
    parts = []
    for loudness in rng.uniform(-7, -2, num_samples // 1600):
        spectrum = np.fft.rfft(rng.standard_normal(1600))
        hz = np.linspace(0, 8000, len(spectrum))
        colour = np.exp(rng.uniform(1, 3) * np.cos(hz / 8000 * np.pi * rng.uniform(0.5, 3)))
        parts.append(np.fft.irfft(spectrum * colour) * np.exp(loudness) / 3)
    return np.concatenate(parts)


def test_sphinx_cepstra_become_ours():
    waveform = smooth_noise(32000)
    ours = FeatureExtractor(LIKE_SPHINX)(waveform)
    theirs = from_sphinx(sphinx_cepstra(waveform), LIKE_SPHINX)
    rest = theirs - ours[: len(theirs)]
    assert np.abs(rest.mean(axis=0)).max() < 0.5
    assert (rest.std(axis=0) < 0.25 * ours.std(axis=0) + 0.6).all()


def test_gain_moves_the_first_coefficient_alone():
    waveform = np.rint(smooth_noise(16000) * 8000) / 32768
    soft, loud = (from_sphinx(sphinx_cepstra(sound), LIKE_SPHINX) for sound in (waveform, 4 * waveform))
    step = (loud - soft).mean(axis=0)
    assert np.allclose(loud - soft, step, atol=1e-3)
    assert step[0] == pytest.approx(2 * np.log(4) * np.sqrt(40), abs=0.05)
    assert np.abs(step[1:]).max() < 0.05


def test_liftering_is_ours():
    cepstra = sphinx_cepstra(smooth_noise(8000))
    liftered = FeatureConfig(**{**vars(LIKE_SPHINX), "lifter": 22})
    assert np.allclose(from_sphinx(cepstra, liftered), from_sphinx(cepstra, LIKE_SPHINX) * liftered.liftering)


@pytest.mark.parametrize("setting", [{"energy": "log_energy"}, {"window_function": "rectangular"}])
def test_another_front_end_than_sphinx_has_is_refused(setting):
    with pytest.raises(FeatureError, match="Sphinx"):
        from_sphinx(np.zeros((3, 13)), FeatureConfig(**{**vars(LIKE_SPHINX), **setting}))


@pytest.fixture
def sentence(real_speech):
    with wave.open(str(real_speech / "ldc93s1" / "LDC93S1.wav")) as file:
        return np.frombuffer(file.readframes(-1), "<i2") / 32768


def test_real_speech_is_mapped(sentence):
    ours = FeatureExtractor(LIKE_SPHINX)(sentence)
    theirs = from_sphinx(sphinx_cepstra(sentence), LIKE_SPHINX)
    rest = theirs - ours[: len(theirs)]
    spread = ours.std(axis=0)
    assert (np.abs(rest.mean(axis=0)) < 0.2 * spread).all()
    assert rest[:, 0].std() < 0.03 * spread[0]
    assert (rest.std(axis=0) < 0.6 * spread).all()


def test_the_slow_front_end_is_sphinx(sentence, tmp_path):
    pocketsphinx = pytest.importorskip("pocketsphinx")
    model = tmp_path / "model"
    shutil.copytree(pocketsphinx.get_model_path("en-us/en-us"), model)
    settings = {"lowerf": 130.0, "upperf": 6800.0, "nfilt": 40, "transform": "legacy", "lifter": 0, "wlen": 0.025625,
                "feat": "1s_c_d_dd", "cmn": "none", "agc": "none", "remove_noise": False}  # fmt: skip
    (model / "feat.params").write_text("-svspec 0-12/13-25/26-38\n")
    decoder = pocketsphinx.Decoder(
        hmm=str(model), lm=None, keyphrase="hello", dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
        mfclogdir=str(tmp_path), loglevel="FATAL", **settings,
    )  # fmt: skip
    decoder.start_utt()
    decoder.process_raw((sentence * 32768).astype("<i2").tobytes(), no_search=True, full_utt=True)
    decoder.end_utt()
    logged = np.frombuffer(next(tmp_path.glob("*.mfc")).read_bytes()[4:], ">f4").reshape(-1, 13)
    expected = sphinx_cepstra(sentence)
    assert np.abs(logged[: len(expected)] - expected).max() < 0.01
