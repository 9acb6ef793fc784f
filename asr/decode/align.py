"""Forced alignment: which frames a transcript's tokens lie in, by the best path that spells it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode import ctc_paths
from asr.errors import UserError
from asr.text import BLANK

_CELLS = 1 << 21  # of the table of scores, 8 bytes each, that are held at once


class AlignError(UserError):
    """A transcript that the frames cannot spell; the message is one sentence."""


@dataclass(frozen=True)
class TokenSpan:
    """A token and its frames [start_frame, end_frame); the score is the mean of its log-probabilities there."""

    token: int
    start_frame: int
    end_frame: int
    score: float


def align(log_probs: npt.NDArray[np.floating[Any]], tokens: Sequence[int]) -> list[TokenSpan]:
    """log_probs (T, V) and a transcript's tokens (L,) -> the span of each on the best path that collapses to them.

    Viterbi decoding over the 2 L + 1 states of Graves et al. 2006, section 4.1: the tokens, and blanks around them.
    Raises AlignError where there are fewer frames than the transcript needs, or a token has no probability at all.
    """
    needed = ctc_paths.min_frames(tokens) if len(tokens) else 0
    if len(log_probs) < needed:
        raise AlignError(f"{len(tokens)} tokens need {needed} frames, and there are {len(log_probs)}")
    if not len(tokens):
        return []
    states = extended(tokens)
    path = _best_path(log_probs, states)
    bounds = np.stack([np.searchsorted(path, range(1, len(states), 2), side) for side in ("left", "right")], axis=1)
    on_path = np.append(log_probs[np.arange(len(path)), states[path]].astype(np.float64), 0.0)
    scores = np.add.reduceat(on_path, bounds.ravel())[::2] / (bounds[:, 1] - bounds[:, 0])
    return [TokenSpan(int(token), start, end, score)
            for token, (start, end), score in zip(tokens, bounds.tolist(), scores.tolist(), strict=True)]  # fmt: skip


def _best_path(log_probs: npt.NDArray[np.floating[Any]], states: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The state of each frame (T,) on the best path through the states (S,).

    Of a large table only every sqrt(T)-th row of scores is kept; those between are computed again when the way back
    comes to them: memory grows with sqrt(T) S. Raises AlignError where every path has a probability of zero.
    """
    num_frames = len(log_probs)
    height = num_frames if num_frames * len(states) <= _CELLS else math.isqrt(num_frames) + 1
    starts = range(0, num_frames, height)
    before = np.full(len(states) + 2, -np.inf)  # two columns before the first state stand for none
    before[2] = 0.0  # as if a blank had come before
    kept = [before]
    rows = before[None]
    for start in starts:
        rows = _scores(log_probs[start : start + height], states, kept[-1])
        kept.append(rows[-1].copy())
    last = kept.pop()
    state = len(states) - (1 if last[-1] >= last[-2] else 2)
    if last[state + 2] == -np.inf:
        raise AlignError("no path through these frames spells the transcript")
    skips = may_skip(states)
    path = np.empty(num_frames, np.int64)
    for start in reversed(starts):
        before = kept.pop()
        if start != starts[-1]:
            rows = _scores(log_probs[start : start + height], states, before)
        for frame in reversed(range(len(rows))):
            path[start + frame] = state
            row = rows[frame - 1] if frame else before
            stay, step = row.item(state + 2), row.item(state + 1)
            skip = row.item(state) if skips.item(state) else -math.inf
            state -= 0 if stay >= max(step, skip) else 1 if step >= skip else 2
    return path


def _scores(
    log_probs: npt.NDArray[np.floating[Any]], states: npt.NDArray[np.int64], before: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Log-probability of the best path into each state, at each frame: (T, S + 2), from the row `before` them."""
    rows = np.full((len(log_probs), len(before)), -np.inf)
    rows[:, 2:] = np.take(log_probs.astype(np.float64), states, axis=1)
    skips = np.where(may_skip(states), 0.0, -np.inf)
    best, skipped = np.empty(len(states)), np.empty(len(states))
    for row in rows:
        np.add(before[:-2], skips, out=skipped)
        np.maximum(before[2:], before[1:-1], out=best)
        np.maximum(best, skipped, out=best)
        row[2:] += best
        before = row
    return rows


def extended(tokens: Sequence[int]) -> npt.NDArray[np.int64]:
    """Tokens (L,) with a blank before, between and after them: the states (2 L + 1,) of a path."""
    states = np.full(2 * len(tokens) + 1, BLANK, np.int64)
    states[1::2] = tokens
    return states


def may_skip(states: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a path may enter each state (S,) from two states before: a token that differs from the last one."""
    skips = np.zeros(len(states), bool)
    skips[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    return skips
