import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode import greedy
from asr.decode.ctc_paths import collapse, min_frames
from asr.tasks.ctc import Ctc
from asr.text import TextConfig

TASK = Ctc(TextConfig())


@given(st.lists(st.integers(0, 4), max_size=12))
def test_collapse(path):
    assert collapse(np.array(path, dtype=np.int64)) == oracles.collapse(path)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 2), max_size=5))
def test_min_frames_is_the_shortest_path(tokens):
    assert min_frames(tokens) == oracles.min_frames(tokens)


@settings(max_examples=40)
@given(
    tokens=st.lists(st.integers(1, 3), min_size=1, max_size=3), num_frames=st.integers(1, 5), seed=st.integers(0, 99)
)
def test_loss_is_the_sum_over_paths(tokens, num_frames, seed):
    log_probs = oracles.random_log_probs(num_frames, 4, seed)
    expected = oracles.ctc_loss(log_probs, tokens)
    got = TASK.loss(
        torch.from_numpy(log_probs)[None],
        torch.tensor([num_frames]),
        torch.tensor([tokens]),
        torch.tensor([len(tokens)]),
    )
    assert got.shape == (1,)
    if math.isinf(expected):
        assert min_frames(tokens) > num_frames
        assert math.isinf(got.item()), "an impossible transcript must not be zeroed"
    else:
        assert got.item() == pytest.approx(expected, abs=1e-9)


def test_padding_changes_no_loss():
    log_probs = torch.from_numpy(oracles.random_log_probs(6, 4))
    alone = TASK.loss(log_probs[None], torch.tensor([6]), torch.tensor([[1, 2]]), torch.tensor([2]))
    padded = torch.full((2, 9, 4), 0.25).log().double()
    padded[0, :6] = log_probs
    tokens = torch.tensor([[1, 2, 3, 3], [3, 1, 3, 1]])
    together = TASK.loss(padded, torch.tensor([6, 9]), tokens, torch.tensor([2, 4]))
    assert together[0].item() == pytest.approx(alone.item())


def test_greedy_says_nothing_where_the_sum_over_paths_says_a():
    """The classic 2 x 3 emission: each frame prefers the blank, all paths together prefer "a"."""
    emission = np.log(np.array([[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]))
    assert greedy.decode(emission[None]) == [[]]
    assert oracles.ctc_loss(emission, [1]) < oracles.ctc_loss(emission, [])


@settings(max_examples=40)
@given(num_frames=st.integers(1, 9), seed=st.integers(0, 99))
def test_views_disagree_by_their_divergence_and_padding_adds_nothing(num_frames, seed):
    one, other = (oracles.random_log_probs(num_frames, 5, seed + shift) for shift in (0, 100))
    padded = torch.full((2, 2, 12, 5), -math.inf)  # views, utterances, frames, tokens
    padded[0, :, :num_frames], padded[1, 0, :num_frames] = torch.from_numpy(one), torch.from_numpy(other)
    padded[1, 1] = padded[0, 1]
    got = TASK.disagreement(padded[0], padded[1], torch.tensor([num_frames, num_frames]))
    assert got[0].item() == pytest.approx(oracles.disagreement(one, other), rel=1e-4)
    assert got[0] > 0 and got[1] == 0, "what is equal does not disagree"
    swapped = TASK.disagreement(padded[1], padded[0], torch.tensor([num_frames, num_frames]))
    assert torch.allclose(got, swapped)


@settings(max_examples=20)
@given(seed=st.integers(0, 99))
def test_each_view_is_drawn_to_the_other_as_it_stands(seed):
    """By the logits of a view, the gradient of a divergence from a fixed target is its softmax less the target."""
    torch.manual_seed(seed)
    logits = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    one, other = logits.log_softmax(dim=3)
    lengths = torch.tensor([7, 4, 1])
    got = torch.autograd.grad(TASK.disagreement(one, other, lengths).sum(), logits, retain_graph=True)[0]
    inside = (torch.arange(7) < lengths[:, None])[:, :, None]
    apart = (one.exp() - other.exp()) / 2 * inside
    assert torch.allclose(got, torch.stack([apart, -apart]))
    plain = sum(
        (target.detach().exp() * (target.detach() - view) * inside).sum() / 2
        for view, target in ((one, other), (other, one))
    )
    assert torch.allclose(got, torch.autograd.grad(plain, logits)[0])


@settings(max_examples=30)
@given(num_frames=st.integers(1, 20), seed=st.integers(0, 99))
def test_greedy_is_the_best_path_collapsed_and_ignores_padding(num_frames, seed):
    emission = oracles.random_log_probs(num_frames, 5, seed)
    expected = oracles.collapse(emission.argmax(axis=1))
    padded = np.zeros((1, num_frames + 7, 5))
    padded[0, :num_frames] = emission
    padded[0, num_frames:, 3] = 9
    assert greedy.decode(padded, np.array([num_frames])) == [expected]
