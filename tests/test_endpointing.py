"""Speech is found in any blocks the same, without the future, and every frame is in one segment."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.endpointing import Segmenter, SpeechConfig, speech_levels
from asr.features import FeatureConfig, FeatureExtractor

CONFIG = FeatureConfig()
HOP_S = CONFIG.hop_s
WORDS, SENTENCES = SpeechConfig(min_silence_ms=200), SpeechConfig()


def cepstra(pattern, rng):
    """Frames of 13 cepstra from (seconds, log energy) or (seconds, log energy, second cepstrum)."""
    frames = []
    for seconds, level, *shape in pattern:
        part = 0.2 * rng.standard_normal((round(seconds / HOP_S), 13))
        part[:, 0] += level
        part[:, 1] += shape[0] if shape else 0
        frames.append(part)
    return np.concatenate(frames).astype(np.float32)


def syllables(seconds, level, rng):
    """Speech is not steady: its level and shape change four to six times a second, and it pauses for a moment."""
    pattern = []
    while sum(part[0] for part in pattern) < seconds - 0.3:
        is_pause = len(pattern) % 6 == 5
        pattern.append((0.12, -14.0) if is_pause else (rng.uniform(0.15, 0.25), level, rng.uniform(-12, 12)))
    return [*pattern, (seconds - sum(part[0] for part in pattern), level)]


def talk(seconds, rng):
    """Words of up to 4 seconds and pauses of any length."""
    pattern = []
    while sum(part[0] for part in pattern) < seconds:
        pattern += [(rng.uniform(0.2, 4), -2.0), (rng.choice([0.05, 0.2, 0.7, 1.5]), -14.0)]
    return cepstra(pattern, rng)


def segments(frames, config, features=CONFIG, sizes=None):
    segmenter = Segmenter(config, features)
    bounds = [0, *itertools.accumulate(sizes or [len(frames)]), len(frames)]
    found = [one for start, end in itertools.pairwise(bounds) for one in segmenter.feed(frames[start:end])]
    return found + segmenter.flush()


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 700), max_size=30), st.sampled_from([WORDS, SENTENCES]))
def test_segments_do_not_depend_on_the_blocks(seed, sizes, config):
    frames = talk(60, np.random.default_rng(seed))
    assert segments(frames, config, sizes=sizes) == segments(frames, config)


@pytest.mark.parametrize("stack", [1, 2, 3, 7])
@pytest.mark.parametrize("config", [WORDS, SENTENCES])
@pytest.mark.parametrize("seed", range(3))
def test_every_frame_is_in_one_segment_and_none_is_too_long(seed, config, stack):
    rng = np.random.default_rng(seed)
    for frames in (talk(rng.uniform(31, 200), rng), cepstra([(100, -5.0)], rng), cepstra([(80, -20), (3, -2)], rng)):
        found = segments(frames, config, FeatureConfig(stack=stack))
        assert [one.start for one in found] == [0, *(one.end for one in found[:-1])] and found[-1].end == len(frames)
        assert all(0 < one.end - one.start <= config.max_segment_s / HOP_S for one in found)
        assert all(one.start % stack == 0 for one in found)


def test_what_comes_later_changes_nothing():
    """Two words, and then one that is 53 dB louder."""
    rng = np.random.default_rng(0)
    quiet = cepstra([(1, -14.0), (0.5, -7.0), (1, -14.0), (0.5, -7.0), (1.5, -14.0)], rng)
    loud = np.concatenate([quiet, cepstra([(0.5, 5.2), (2, -14.0)], rng)])
    alone, followed = ([one for one in segments(frames, WORDS) if one.is_speech] for frames in (quiet, loud))
    assert len(alone) == 2 and followed[:2] == alone and len(followed) == 3


def times(found):
    """Starts and ends (N, 2) of the segments of speech, in seconds."""
    return np.array([(one.start, one.end) for one in found if one.is_speech]) * HOP_S


def test_every_long_pause_is_cut_and_no_word():
    rng = np.random.default_rng(1)
    lengths = rng.uniform(1, 6, 40)
    pattern = []
    for length in lengths:
        pattern += [*syllables(length, -2.0, rng), (0.55, -14.0), (0.3, -2.0), (0.2, -14.0)]
    frames = cepstra(pattern, rng)
    ends = [one.end for one in segments(frames, SENTENCES)][:-1]
    assert (frames[ends, 0] < -10).all() and len(ends) >= len(lengths) - 1


def test_silence_is_a_segment_but_for_a_margin():
    """It would be most of what the mean of an utterance's cepstra is taken over."""
    rng = np.random.default_rng(4)
    found = segments(
        cepstra(
            [
                (0.1, -14.0),
                *syllables(4.9, -2.0, rng),
                (8, -14.0),
                *syllables(20, -2.0, rng),
                (25, -14.0),
                *syllables(3, -2.0, rng),
            ],
            rng,
        ),
        SENTENCES,
    )
    assert [one.is_speech for one in found] == [True, False, True, False, True]
    assert [(one.end - one.start) * HOP_S for one in found] == pytest.approx([5.3, 7.4, 20.6, 24.4, 3.3], abs=0.06)


@pytest.mark.parametrize("gap_db", [60, 30, 15])
@pytest.mark.parametrize("silence_s", [0.5, 1.5, 4.0, 12.0])
def test_a_word_is_found_however_little_of_the_sound_it_is(silence_s, gap_db):
    """One of 0.4 s, and a click that is louder, of 10 ms."""
    level = gap_db * np.log(10) / 10
    pattern = [(silence_s, -level), (0.4, 0.0), (silence_s, -level), (0.01, 2.0), (silence_s, -level)]
    found = times(segments(cepstra(pattern, np.random.default_rng(5)), WORDS))
    assert found == pytest.approx(np.array([[silence_s - 0.3, silence_s + 0.7]]), abs=0.06)


@pytest.mark.parametrize("seed", range(5))
def test_a_word_that_is_hardly_louder_than_noise_is_found_by_its_spectrum(seed):
    rng = np.random.default_rng(seed)
    noise = cepstra([(1.9, -5.0)], rng)
    assert not len(times(segments(np.concatenate([noise, cepstra([(0.4, -4.9)], rng), noise]), WORDS)))
    coloured = np.concatenate([noise, cepstra([(0.4, -4.7, 8.0)], rng), noise])
    assert times(segments(coloured, WORDS)) == pytest.approx(np.array([[1.6, 2.6]]), abs=0.06)


@pytest.mark.parametrize("silence_s", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("gap_db", [60, 30, 15])
def test_the_first_word_may_begin_with_the_sound(silence_s, gap_db):
    level = gap_db * np.log(10) / 10
    frames = cepstra([(silence_s, -level), (0.5, 0.0), (5, -level)], np.random.default_rng(2))
    assert times(segments(frames, WORDS)) == pytest.approx(np.array([[0, silence_s + 0.8]]), abs=0.06)


@pytest.mark.parametrize("fainter_db", [0, 10, 20, 30])
@pytest.mark.parametrize("pattern", ["LqL", "LLq", "qLL"])
def test_a_word_that_is_fainter_than_others_is_a_segment_too(fainter_db, pattern):
    rng = np.random.default_rng(9)
    levels = {"L": 0.0, "q": -fainter_db * np.log(10) / 10}
    frames = cepstra([(0.3, -14), *(part for name in pattern for part in ((0.4, levels[name]), (0.3, -14.0)))], rng)
    assert len(times(segments(frames, WORDS))) == 3


def test_between_louder_sounds_a_pause_need_not_be_as_quiet_as_the_noise():
    """Words 30 dB above a room that is 20 dB above the noise of what follows: a recording within a recording."""
    frames = cepstra([(2, -14.0), (0.5, 0.0), (0.4, -7.0), (0.5, 0.0), (2, -14.0)], np.random.default_rng(3))
    (first, middle), (again, last) = times(segments(frames, WORDS))
    assert middle == again and 2.5 < middle < 2.9 and (first, last) == pytest.approx((1.7, 3.7), abs=0.06)


def test_digital_silence_says_nothing_of_how_loud_the_noise_is():
    """As where a driver gives zeros before the microphone has started."""
    rng = np.random.default_rng(7)
    spoken = cepstra([(3, -7.0), (0.4, 0.0), (3, -7.0)], rng)
    zeros = np.full((100, 13), -36.0, np.float32)
    for frames, begins_s in ((spoken, 3), (np.concatenate([zeros, spoken]), 4), (np.concatenate([spoken, zeros]), 3)):
        assert times(segments(frames, WORDS)) == pytest.approx(np.array([[begins_s - 0.3, begins_s + 0.7]]), abs=0.06)
    assert not len(times(segments(np.concatenate([zeros] * 5), WORDS)))


@pytest.mark.parametrize("seed", range(5))
def test_knocks_are_no_speech_and_do_not_end_a_pause(seed):
    rng = np.random.default_rng(seed)
    knocks = [part for _ in range(6) for part in ((0.06, 0.0), (rng.uniform(0.4, 2), -12.0))]
    assert not len(times(segments(cepstra([(1, -12.0), *knocks], rng), WORDS)))
    frames = cepstra([(1, -12.0), (1, 0.0), (0.25, -12.0), (0.06, 0.0), (0.25, -12.0), (1, 0.0)], rng)
    assert len(times(segments(frames, WORDS))) == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [0.0, 8.0])
def test_steady_noise_and_hum_are_no_speech(seed, shape):
    frames = cepstra([(40, -5.0, shape)], np.random.default_rng(seed))
    assert not len(times(segments(frames, WORDS)))


def test_noise_that_becomes_louder_is_noise_after_a_while():
    frames = cepstra([(10, -12.0), (30, -8.0), (0.5, 0.0), (3, -8.0)], np.random.default_rng(3))
    *before, word = times(segments(frames, WORDS))
    assert word == pytest.approx([39.7, 40.8], abs=0.06) and all(end < 20 for _, end in before)


def test_a_sound_too_short_to_know_its_noise_is_speech():
    rng = np.random.default_rng(0)
    assert [one.is_speech for one in segments(cepstra([(0.5, -5.0)], rng), WORDS)] == [True]
    assert [one.is_speech for one in segments(cepstra([(2.5, -5.0)], rng), WORDS)] == [False]
    assert segments(np.zeros((0, 13), np.float32), WORDS) == []


def test_without_a_pause_the_quietest_moment_will_do():
    rng = np.random.default_rng(2)
    frames = cepstra([(1, -14.0), *syllables(19, -2.0, rng), (0.4, -14.0), *syllables(20, -2.0, rng)], rng)
    first = next(one for one in segments(frames, SENTENCES) if one.is_speech)
    assert 19.9 < first.end * HOP_S < 20.4


def test_a_segmenter_may_be_used_again():
    frames = talk(20, np.random.default_rng(0))
    segmenter = Segmenter(WORDS, CONFIG)
    first = segmenter.feed(frames) + segmenter.flush()
    assert segmenter.feed(frames) + segmenter.flush() == first


def test_speech_is_known_soon_and_what_is_held_does_not_grow():
    """At the latest two margins and what is looked ahead after its end."""
    rng = np.random.default_rng(0)
    segmenter = Segmenter(WORDS, CONFIG)
    word = cepstra([(0.5, -2.0)], rng)
    for _ in range(20):
        known = segmenter.feed(cepstra([(10, -14.0)], rng)) + segmenter.feed(word)
        assert not any(one.is_speech for one in known)
        assert any(one.is_speech for one in segmenter.feed(cepstra([(1.3, -14.0)], rng)))
        held = [value for part in vars(segmenter).values() for value in vars(part).values()]
        assert sum(len(value) for value in held if hasattr(value, "__len__")) < 5000


def test_levels_are_decibels_above_the_noise():
    rng = np.random.default_rng(0)
    frames = cepstra([(3, -10.0), (0.5, -10.0 + 20 / 4.343), (3, -10.0)], rng)
    levels = speech_levels(frames, SENTENCES, CONFIG)
    assert levels.shape == (650,) and np.median(levels[310:340]) == pytest.approx(20, abs=1.5)
    assert np.median(levels[:290]) < 1.0
    assert speech_levels(frames[:0], SENTENCES, CONFIG).shape == (0,)


@pytest.mark.parametrize("num_cepstra", [13, 20])
def test_both_kinds_of_energy_give_the_same_segments(num_cepstra):
    """The log energy of the frame, or the cepstrum's own first coefficient."""
    features = FeatureConfig(num_cepstra=num_cepstra, preemphasis=0.0)
    rng = np.random.default_rng(0)
    waveform = 1e-3 * rng.standard_normal(16000 * 6)
    waveform[32000:40000] += 0.1 * np.sin(np.arange(8000) * 0.3)
    found = [times(segments(FeatureExtractor(one).cepstra(waveform), WORDS, one))
             for one in (features, replace(features, energy="c0"))]  # fmt: skip
    assert found[0] == pytest.approx(found[1], abs=0.03) and found[0] == pytest.approx(np.array([[1.7, 2.8]]), abs=0.06)
