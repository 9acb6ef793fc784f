import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.align import TokenSpan
from asr.modelfile.card import Timing
from asr.recognition.loudness import Loudness
from asr.recognition.times import word_times


def loudness(energy):
    """Log energy (T,) of windows of 25 ms every 10 ms, the quietest of them noise."""
    return Loudness(10 / np.log(10) * (energy - energy.min(initial=0)), 0.01, 0.025)


def spans(*words):
    """Words of one token each, at these frames."""
    return [[TokenSpan(1, start, end, 0.0)] for start, end in words]


@settings(max_examples=100)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=6),
    tail=st.integers(0, 40),
    seed=st.integers(0, 99),
    has_energy=st.booleans(),
)
def test_words_rise_keep_their_tokens_and_stay_within_the_sound(gaps, tail, seed, has_energy):
    reached, words = 0, []
    for gap, length in gaps:
        words.append((reached + gap, reached + gap + length))
        reached = words[-1][1]
    duration_s = (reached + tail) * 0.02 - 0.005
    rng = np.random.default_rng(seed)
    energy = np.repeat(rng.uniform(-20, 0, 2 * reached), rng.integers(1, 20, 2 * reached))[: 2 * (reached + tail)]
    times = word_times(spans(*words), 0.02, duration_s, Timing(0.05, 0.02), loudness(energy) if has_energy else None)
    assert (np.diff(times.ravel()) >= 0).all() and times.min() >= 0 and times.max() <= duration_s
    for (start_s, end_s), (start, end) in zip(times, words, strict=True):
        assert start_s < end_s
        if not has_energy:  # which says where tokens lie in silence
            assert start_s <= start * 0.02 + 1e-9 and min(end * 0.02, duration_s) <= end_s + 1e-9
    # Where a word lost frames of its tokens it was for silence that lasts to an end of the sound.
    is_loud = ~loudness(energy).is_quiet()
    if has_energy and is_loud.any():
        first_s, last_s = np.flatnonzero(is_loud)[[0, -1]] * 0.01 + [0.0075, 0.0175]
        last_s = min(last_s, duration_s)
        for (start_s, end_s), (start, end) in zip(times, words, strict=True):
            assert start_s <= max(start * 0.02, first_s) + 1e-9 and min(end * 0.02, last_s) <= end_s + 1e-9


def test_words_end_and_begin_where_the_sound_pauses():
    """Loud from 0.2 to 0.5 s and from 0.8 to 1.2 s; the windows are 25 ms long and begin every 10 ms."""
    centres = np.arange(140) * 0.01 + 0.0125
    energy = np.where(((centres > 0.2) & (centres < 0.5)) | ((centres > 0.8) & (centres < 1.2)), 0.0, -12.0)
    times = word_times(spans((13, 20), (45, 55)), 0.02, 1.4, Timing(0.05, 0.02), loudness(energy))
    assert times == pytest.approx(np.array([[0.2, 0.5], [0.8, 1.2]]), abs=0.01)
    # As long as the signal is above the noise by enough; what is louder or in other units changes nothing.
    assert word_times(spans((13, 20), (45, 55)), 0.02, 1.4, Timing(0.05, 0.02), loudness(energy + 7)) == pytest.approx(
        times
    )
    hidden = word_times(spans((13, 20), (45, 55)), 0.02, 1.4, Timing(0.05, 0.02), loudness(energy / 10))
    assert hidden == pytest.approx(word_times(spans((13, 20), (45, 55)), 0.02, 1.4, Timing(0.05, 0.02)))
    assert (hidden[:, 0] < [0.26, 0.9]).all() and (hidden[:, 1] > [0.4, 1.1]).all()


@pytest.mark.parametrize("padding_s", [0.0, 0.1])
@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ([(0, 4)], [[1.0, 1.6]]),  # spelled before it is spoken
        ([(90, 100)], [[1.0, 1.6]]),  # after
        ([(2, 95)], [[1.0, 1.6]]),  # both
        ([(2, 4), (70, 72)], [[1.0, 1.3], [1.4, 1.6]]),
        ([(55, 58), (90, 92)], [[1.0, 1.3], [1.4, 1.6]]),
    ],
)
def test_words_that_are_spelled_in_silence_are_where_it_is_loud(spelled, expected, padding_s):
    """Loud from 1 to 1.3 s and from 1.4 to 1.6 s of two: a network of single words may wait until one is over."""
    centres = np.arange(198) * 0.01 + 0.0125
    energy = np.where(((centres > 1) & (centres < 1.3)) | ((centres > 1.4) & (centres < 1.6)), 0.0, -12.0)
    shift = round(padding_s / 0.02)
    moved = spans(*((start + shift, end + shift) for start, end in spelled))
    times = word_times(moved, 0.02, 2.0, Timing(0.02, 0.02), loudness(energy), padding_s)
    assert times == pytest.approx(np.array(expected), abs=0.02)


def test_a_word_that_dies_away_keeps_its_end():
    """Its last letter is spelled 0.3 s after it was loud: in what is still more than noise, not in silence."""
    centres = np.arange(198) * 0.01 + 0.0125
    energy = np.where(centres < 0.5, 0.0, np.where(centres < 1.0, -9.0, -12.0))
    assert word_times(spans((5, 44)), 0.02, 2.0, Timing(0.02, 0.02), loudness(energy))[0, 1] >= 0.88
    assert word_times(spans((5, 75)), 0.02, 2.0, Timing(0.02, 0.02), loudness(energy))[0, 1] == pytest.approx(
        1.0, abs=0.02
    )


def test_words_without_a_pause_between_them_meet():
    energy = np.where(np.arange(140) < 10, -12.0, 0.0)
    energy[52:57] = -12.0  # the closure of a stop, 50 ms
    times = word_times(spans((13, 20), (35, 50)), 0.02, 1.4, Timing(0.05, 0.02), loudness(energy))
    assert times[0, 1] == times[1, 0] and 0.4 < times[0, 1] < 0.7
    times = word_times(spans((13, 20), (23, 50)), 0.02, 1.4, Timing(0.05, 0.02))
    assert times[0, 1] == times[1, 0] and 0.4 < times[0, 1] < 0.46


def test_without_a_pause_the_margins_say_when_words_begin_and_end():
    times = word_times(spans((13, 20), (45, 55)), 0.02, 1.4, Timing(0.05, 0.02))
    assert times == pytest.approx(np.array([[0.21, 0.42], [0.85, 1.12]]))
    met = word_times(spans((13, 20), (23, 55)), 0.02, 1.4, Timing(0.05, 0.02))  # 0.42 and 0.41: no pause
    assert met == pytest.approx(np.array([[0.21, 0.415], [0.415, 1.12]]))


def test_no_words_have_no_times():
    assert word_times([], 0.02, 1.0, Timing(0.05, 0.02), loudness(np.zeros(98))).shape == (0, 2)
