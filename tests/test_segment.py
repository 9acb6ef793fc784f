"""Long recordings are cut where they pause: every frame once, the same cuts however the sound arrives."""

import itertools

import numpy as np
import pytest

from asr import segment
from asr.features import FeatureConfig, FeatureExtractor

HOP_S = 0.01


def cepstra(pattern, rng):
    """Frames of 13 cepstra from (seconds, log energy) pairs; the rest of the coefficients number the frames."""
    energy = np.concatenate([np.full(round(seconds / HOP_S), level) for seconds, level in pattern])
    frames = np.zeros((len(energy), 13), np.float32)
    frames[:, 0] = energy + 0.3 * rng.standard_normal(len(energy))
    frames[:, 1] = np.arange(len(energy))
    return frames


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
        found = list(segment.stretches([frames], HOP_S))
        assert np.array_equal(np.concatenate(found), frames)
        assert all(0 < len(one) <= segment.LONGEST_S / HOP_S for one in found)


@pytest.mark.parametrize("size", [1, 77, 1000, 3000, 5000])
def test_the_cuts_are_the_same_however_the_sound_arrives(size):
    frames = speech(100, np.random.default_rng(3))
    expected = [len(one) for one in segment.stretches([frames], HOP_S)]
    blocks = [frames[start : start + size] for start in range(0, len(frames), size)]
    assert [len(one) for one in segment.stretches(blocks, HOP_S)] == expected


def test_cuts_are_in_pauses_and_every_long_pause_has_one():
    rng = np.random.default_rng(1)
    lengths = rng.uniform(1, 6, 40)
    frames = cepstra([part for length in lengths for part in ((length, -2.0), (0.8, -14.0), (0.3, -2.0),
                                                              (0.2, -14.0))], rng)  # fmt: skip
    ends = np.cumsum([len(one) for one in segment.stretches([frames], HOP_S)])[:-1]
    assert (frames[ends, 0] < -10).all() and len(ends) >= len(lengths) - 1


def test_silence_is_a_stretch_of_its_own():
    """But for a margin: it would be most of what the mean of an utterance's cepstra is taken over."""
    rng = np.random.default_rng(4)
    found = list(segment.stretches([cepstra([(5, -2.0), (8, -14.0), (20, -2.0), (25, -14.0), (3, -2)], rng)], HOP_S))
    assert [len(one) * HOP_S for one in found] == pytest.approx([5.3, 7.4, 20.6, 24.4, 3.3], abs=0.03)


@pytest.mark.parametrize("gap_db", [60, 30, 15])
@pytest.mark.parametrize("silence_s", [1.5, 4.0, 12.0])
def test_a_word_is_found_however_little_of_the_sound_it_is(silence_s, gap_db):
    """One of 0.4 s, and a click that is louder, of 10 ms."""
    level = gap_db * np.log(10) / 10
    pattern = [(silence_s, -level), (0.4, 0.0), (silence_s, -level), (0.01, 2.0), (silence_s, -level)]
    frames = cepstra(pattern, np.random.default_rng(5))
    cuts = segment.pauses(frames[:, 0], HOP_S, 0.3)
    assert HOP_S * cuts[0] == pytest.approx(silence_s - 0.3, abs=0.06)
    assert HOP_S * cuts[1] == pytest.approx(silence_s + 0.7, abs=0.06)


def test_digital_silence_says_nothing_of_how_loud_the_noise_is():
    """As where a driver gives zeros before the microphone has started."""
    rng = np.random.default_rng(7)
    said = cepstra([(3, -7.0), (0.4, 0.0), (3, -7.0)], rng)[:, 0]
    zeros = np.full(100, -80.0)
    for energy, begins in ((said, 3.0), (np.concatenate([zeros, said]), 4.0), (np.concatenate([said, zeros]), 3.0)):
        cuts = np.array(segment.pauses(energy, HOP_S, 0.2)) * HOP_S
        assert begins - 0.3 in np.round(cuts, 1) and begins + 0.7 in np.round(cuts, 1)
    assert len(segment.pauses(np.concatenate([said[300:340], np.full(300, -80.0), said[300:340]]), HOP_S, 0.2)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_knocks_alone_are_not_cut_and_do_not_end_a_pause(seed):
    rng = np.random.default_rng(seed)
    knocks = [part for _ in range(6) for part in ((0.03, 0.0), (rng.uniform(0.4, 2), -12.0))]
    assert segment.pauses(cepstra(knocks, rng)[:, 0], HOP_S, 0.2) == []
    frames = cepstra([(1, 0.0), (0.4, -12.0), (0.03, 0.0), (0.4, -12.0), (1, 0.0)], rng)
    assert len(segment.pauses(frames[:, 0], HOP_S, 0.2)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_not_cut(seed):
    rng = np.random.default_rng(seed)
    assert segment.pauses(cepstra([(20, -5.0)], rng)[:, 0], HOP_S, 0.3) == []
    assert segment.pauses(np.zeros(0), HOP_S, 0.3) == []


@pytest.mark.parametrize("step", [2, 3, 7])
def test_cuts_leave_frames_together_that_the_network_takes_together(step):
    frames = speech(100, np.random.default_rng(6))
    found = list(segment.stretches([frames], HOP_S, 0.3, step))
    assert np.array_equal(np.concatenate(found), frames) and len(found) > 20
    assert all(len(one) % step == 0 for one in found[:-1])


def test_without_a_pause_the_quietest_moment_will_do():
    rng = np.random.default_rng(2)
    frames = cepstra([(20, -2.0), (0.25, -4.0), (20, -2.0)], rng)
    first, _ = segment.stretches([frames], HOP_S)
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
