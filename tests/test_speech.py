"""Speech is found in any blocks the same, without the future, and every frame is in one segment."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.features import FeatureConfig
from asr.speech import Segment, Segmenter, SpeechConfig

CONFIG = FeatureConfig()
HOP_S = CONFIG.hop_s
WORDS, SENTENCES = SpeechConfig(min_silence_ms=200), SpeechConfig()


def cepstra(pattern, rng):
    """Frames of 13 cepstra from (seconds, log energy) or (seconds, log energy, second cepstrum)."""
    frames = []
    for seconds, level, *shape in pattern:
        part = 0.3 * rng.standard_normal((round(seconds / HOP_S), 13))
        part[:, 0] += level
        part[:, 1] += shape[0] if shape else 0
        frames.append(part)
    return np.concatenate(frames).astype(np.float32)


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


@settings(deadline=None, max_examples=50)
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


def test_no_frames_are_no_segments():
    assert segments(np.zeros((0, 13), np.float32), WORDS) == []
    assert Segment(0, 1, True).is_speech
