"""Long recordings are cut where they pause: every frame once, the same cuts however the sound arrives."""

import itertools

import numpy as np
import pytest

from asr import segment
from asr.features import FeatureConfig, FeatureExtractor

CONFIG = FeatureConfig()
HOP_S = CONFIG.hop_s


def cepstra(pattern, rng):
    """Frames of 13 cepstra from (seconds, log energy) or (seconds, log energy, second cepstrum)."""
    frames = []
    for seconds, level, *shape in pattern:
        part = 0.3 * rng.standard_normal((round(seconds / HOP_S), 13))
        part[:, 0] += level
        part[:, 1] += shape[0] if shape else 0
        frames.append(part)
    return np.concatenate(frames).astype(np.float32)


def speech(seconds, rng):
    """Words of a second and pauses of any length."""
    pattern = []
    while sum(part[0] for part in pattern) < seconds:
        pattern += [(rng.uniform(0.2, 4), -2.0), (rng.choice([0.05, 0.2, 0.7, 1.5]), -14.0)]
    return cepstra(pattern, rng)


@pytest.mark.parametrize("seed", range(5))
def test_every_frame_is_in_one_stretch_and_none_is_too_long(seed):
    rng = np.random.default_rng(seed)
    for frames in (speech(rng.uniform(31, 200), rng), cepstra([(100, -5.0)], rng), cepstra([(80, -20), (3, -2)], rng)):
        found = [static for static, _ in segment.stretches([frames], CONFIG)]
        assert np.array_equal(np.concatenate(found), frames)
        assert all(0 < len(one) <= segment.LONGEST_S / HOP_S for one in found)


@pytest.mark.parametrize("size", [1, 77, 1000, 3000, 5000])
def test_the_cuts_are_the_same_however_the_sound_arrives(size):
    frames = speech(100, np.random.default_rng(3))
    expected = [(len(static), is_silent) for static, is_silent in segment.stretches([frames], CONFIG)]
    blocks = [frames[start : start + size] for start in range(0, len(frames), size)]
    assert [(len(static), is_silent) for static, is_silent in segment.stretches(blocks, CONFIG)] == expected


def test_cuts_are_in_pauses_and_every_long_pause_has_one():
    rng = np.random.default_rng(1)
    lengths = rng.uniform(1, 6, 40)
    frames = cepstra([part for length in lengths for part in ((length, -2.0), (0.55, -14.0), (0.3, -2.0),
                                                              (0.2, -14.0))], rng)  # fmt: skip
    ends = np.cumsum([len(static) for static, _ in segment.stretches([frames], CONFIG)])[:-1]
    assert (frames[ends, 0] < -10).all() and len(ends) >= len(lengths) - 1


def test_silence_is_a_part_of_its_own():
    """But for a margin: it would be most of what the mean of an utterance's cepstra is taken over."""
    rng = np.random.default_rng(4)
    frames = cepstra([(5, -2.0), (8, -14.0), (20, -2.0), (25, -14.0), (3, -2)], rng)
    found = list(segment.stretches([frames], CONFIG))
    assert [len(static) * HOP_S for static, _ in found] == pytest.approx([5.3, 7.4, 20.6, 24.4, 3.3], abs=0.06)
    assert [is_silent for _, is_silent in found] == [False, True, False, True, False]


@pytest.mark.parametrize("gap_db", [60, 30, 15])
@pytest.mark.parametrize("silence_s", [0.5, 1.5, 4.0, 12.0])
def test_a_word_is_found_however_little_of_the_sound_it_is(silence_s, gap_db):
    """One of 0.4 s, and a click that is louder, of 10 ms."""
    level = gap_db * np.log(10) / 10
    pattern = [(silence_s, -level), (0.4, 0.0), (silence_s, -level), (0.01, 2.0), (silence_s, -level)]
    before, word, after = segment.parts(cepstra(pattern, np.random.default_rng(5)), CONFIG, 0.3)
    assert (before.is_silent, word.is_silent, after.is_silent) == (True, False, True)
    assert HOP_S * word.start == pytest.approx(silence_s - 0.3, abs=0.06)
    assert HOP_S * word.end == pytest.approx(silence_s + 0.7, abs=0.06)


@pytest.mark.parametrize("seed", range(5))
def test_a_word_that_is_hardly_louder_than_noise_is_found_by_its_spectrum(seed):
    rng = np.random.default_rng(seed)
    noise = cepstra([(1.9, -5.0)], rng)
    assert segment.parts(np.concatenate([noise, cepstra([(0.4, -4.7)], rng), noise]), CONFIG, 0.2) == [(0, 420, False)]
    coloured = np.concatenate([noise, cepstra([(0.4, -4.7, 8.0)], rng), noise])
    _, word, _ = segment.parts(coloured, CONFIG, 0.2)
    assert (word.start * HOP_S, word.end * HOP_S) == pytest.approx((1.6, 2.6), abs=0.06)


def test_a_faint_sound_is_heard_and_ends_a_silence_but_not_a_pause():
    """20 dB below the loudest, as the breath before a word; and as nobody speaks, 40 dB below it."""
    rng = np.random.default_rng(8)
    frames = cepstra(
        [(1, 0.0), (1, -14.0), (0.3, -4.6), (1, -14.0), (1, 0.0), (1, -14.0), (0.3, -9.2), (1, -14.0)], rng
    )
    found = segment.parts(frames, CONFIG, 0.2)
    assert [part.is_silent for part in found] == [False, True, False, True, False, True]
    assert [part.start * HOP_S for part in found] == pytest.approx([0, 1.3, 1.7, 2.6, 3.0, 4.6], abs=0.06)
    frames = cepstra([(1, 0.0), (0.1, -14.0), (0.3, -4.6), (0.1, -14.0), (1, 0.0)], rng)
    assert [part.is_silent for part in segment.parts(frames, CONFIG, 0.2)] == [False, False]


@pytest.mark.parametrize("fainter_db", [0, 10, 20, 30])
@pytest.mark.parametrize("pattern", ["LqL", "LLq", "qLL"])
def test_a_word_that_is_fainter_than_others_is_a_stretch_too(fainter_db, pattern):
    rng = np.random.default_rng(9)
    levels = {"L": 0.0, "q": -fainter_db * np.log(10) / 10}
    frames = cepstra([(0.3, -14), *(part for name in pattern for part in ((0.4, levels[name]), (0.3, -14.0)))], rng)
    assert len([part for part in segment.parts(frames, CONFIG, 0.2) if not part.is_silent]) == 3


def test_digital_silence_says_nothing_of_how_loud_the_noise_is():
    """As where a driver gives zeros before the microphone has started."""
    rng = np.random.default_rng(7)
    said = cepstra([(3, -7.0), (0.4, 0.0), (3, -7.0)], rng)
    zeros = np.full((100, 13), -36.0, np.float32)
    zeros[:, 0] = -80
    for frames, begins in ((said, 3.0), (np.concatenate([zeros, said]), 4.0), (np.concatenate([said, zeros]), 3.0)):
        _, word, _ = segment.parts(frames, CONFIG, 0.2)
        assert (word.start * HOP_S, word.end * HOP_S) == pytest.approx((begins - 0.3, begins + 0.7), abs=0.06)
    between = np.concatenate([said[300:340], *[zeros] * 3, said[300:340]])
    assert [part.is_silent for part in segment.parts(between, CONFIG, 0.2)] == [False, True, False]


@pytest.mark.parametrize("seed", range(5))
def test_knocks_alone_are_not_cut_and_do_not_end_a_pause(seed):
    rng = np.random.default_rng(seed)
    knocks = [part for _ in range(6) for part in ((0.03, 0.0), (rng.uniform(0.4, 2), -12.0))]
    assert len(segment.parts(cepstra(knocks, rng), CONFIG, 0.2)) == 1
    frames = cepstra([(1, 0.0), (0.25, -12.0), (0.03, 0.0), (0.25, -12.0), (1, 0.0)], rng)
    assert len(segment.parts(frames, CONFIG, 0.2)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_heard_and_not_cut(seed):
    rng = np.random.default_rng(seed)
    assert segment.parts(cepstra([(20, -5.0)], rng), CONFIG, 0.3) == [(0, 2000, False)]
    assert segment.parts(np.zeros((300, 13), np.float32), CONFIG, 0.3) == [(0, 300, False)]
    assert segment.parts(np.zeros((0, 13), np.float32), CONFIG, 0.3) == [(0, 0, False)]


@pytest.mark.parametrize("step", [2, 3, 7])
def test_cuts_leave_frames_together_that_the_network_takes_together(step):
    frames = speech(100, np.random.default_rng(6))
    found = [static for static, _ in segment.stretches([frames], FeatureConfig(stack=step), 0.3)]
    assert np.array_equal(np.concatenate(found), frames) and len(found) > 20
    assert all(len(one) % step == 0 for one in found[:-1])


def test_without_a_pause_the_quietest_moment_will_do():
    rng = np.random.default_rng(2)
    frames = cepstra([(20, -2.0), (0.25, -4.0), (20, -2.0)], rng)
    (first, _), _ = segment.stretches([frames], CONFIG)
    assert 19.9 < len(first) * HOP_S < 20.3


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("num_samples", [1, 400, 16000, 163_000, 164_081, 500_000])
def test_cepstra_of_blocks_are_those_of_the_whole(rate, num_samples):
    extractor = FeatureExtractor(FeatureConfig(sample_rate=rate, mean="none", variance="none"))
    waveform = np.random.default_rng(0).standard_normal(num_samples).astype(np.float32) * 0.1
    whole = extractor.static(waveform)
    made = []
    for size in (777, 16000, 100_003, 10**6):
        blocks = [waveform[start : start + size] for start in range(0, num_samples, size)]
        made.append(np.concatenate(list(extractor.static_blocks(blocks))))
        assert made[-1].shape == whole.shape and np.abs(made[-1] - whole).max() < 1e-4
    assert all(np.array_equal(left, right) for left, right in itertools.pairwise(made)), "to the last bit"
