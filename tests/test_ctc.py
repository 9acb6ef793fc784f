import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import ctc
from asr.decode import greedy


@given(st.lists(st.integers(0, 4), max_size=12))
def test_collapse(path):
    assert ctc.collapse(np.array(path, dtype=np.int64)) == oracles.collapse(path)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 2), max_size=5))
def test_min_frames_is_the_shortest_path(tokens):
    assert ctc.min_frames(tokens) == oracles.min_frames(tokens)


@settings(max_examples=40, deadline=None)
@given(
    tokens=st.lists(st.integers(1, 3), min_size=1, max_size=3), num_frames=st.integers(1, 5), seed=st.integers(0, 99)
)
def test_loss_is_the_sum_over_paths(tokens, num_frames, seed):
    log_probs = oracles.random_log_probs(num_frames, 4, seed)
    expected = oracles.ctc_loss(log_probs, tokens)
    got = ctc.loss(
        torch.from_numpy(log_probs)[None],
        torch.tensor([num_frames]),
        torch.tensor([tokens]),
        torch.tensor([len(tokens)]),
    )
    assert got.shape == (1,)
    if math.isinf(expected):
        assert ctc.min_frames(tokens) > num_frames
        assert math.isinf(got.item()), "an impossible transcript must not be zeroed"
    else:
        assert got.item() == pytest.approx(expected, abs=1e-9)


def test_padding_changes_no_loss():
    log_probs = torch.from_numpy(oracles.random_log_probs(6, 4))
    alone = ctc.loss(log_probs[None], torch.tensor([6]), torch.tensor([[1, 2]]), torch.tensor([2]))
    padded = torch.full((2, 9, 4), 0.25).log().double()
    padded[0, :6] = log_probs
    tokens = torch.tensor([[1, 2, 3, 3], [3, 1, 3, 1]])
    together = ctc.loss(padded, torch.tensor([6, 9]), tokens, torch.tensor([2, 4]))
    assert together[0].item() == pytest.approx(alone.item())


def test_greedy_says_nothing_where_the_sum_over_paths_says_a():
    """The classic 2 x 3 emission: each frame prefers the blank, all paths together prefer "a"."""
    emission = np.log(np.array([[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]))
    assert greedy.decode(emission[None]) == [[]]
    assert oracles.ctc_loss(emission, [1]) < oracles.ctc_loss(emission, [])


@settings(max_examples=30)
@given(num_frames=st.integers(1, 20), seed=st.integers(0, 99))
def test_greedy_is_the_best_path_collapsed_and_ignores_padding(num_frames, seed):
    emission = oracles.random_log_probs(num_frames, 5, seed)
    expected = oracles.collapse(emission.argmax(axis=1))
    padded = np.zeros((1, num_frames + 7, 5))
    padded[0, :num_frames] = emission
    padded[0, num_frames:, 3] = 9
    assert greedy.decode(padded, np.array([num_frames])) == [expected]
