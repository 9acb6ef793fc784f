"""Forced alignment: which frames a transcript's tokens lie in, by the best path that spells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import ctc
from asr.text import BLANK


class AlignError(ValueError):
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
    needed = ctc.min_frames(tokens) if len(tokens) else 0
    if len(log_probs) < needed:
        raise AlignError(f"{len(tokens)} tokens need {needed} frames, and there are {len(log_probs)}")
    if not len(tokens):
        return []
    states = extended(tokens)
    emitted = log_probs[:, states].astype(np.float64)
    skips = np.where(may_skip(states), 0.0, -np.inf)
    best = np.full((len(log_probs), len(states) + 2), -np.inf)  # two columns before the first state stand for none
    best[0, 2:4] = emitted[0, :2]
    skipped = np.empty(len(states))
    for frame in range(1, len(log_probs)):
        before, now = best[frame - 1], best[frame, 2:]
        np.add(before[:-2], skips, out=skipped)
        np.maximum(before[2:], before[1:-1], out=now)
        np.maximum(now, skipped, out=now)
        now += emitted[frame]
    state = len(states) - 1 if best[-1, -1] >= best[-1, -2] else len(states) - 2
    if best[-1, state + 2] == -np.inf:
        raise AlignError("no path through these frames spells the transcript")
    # Where each state was best entered from, all frames at once: 0 itself, 1 its neighbour, 2 the one before.
    entered = np.argmax([best[:-1, 2:], best[:-1, 1:-1], best[:-1, :-2] + skips], axis=0).tolist()
    path = [state]
    for steps in reversed(entered):
        path.append(path[-1] - steps[path[-1]])
    starts = {state: frame for frame, state in reversed([*enumerate(reversed(path))])}
    ends = {state: frame + 1 for frame, state in enumerate(reversed(path))}
    spans = []
    for place, token in enumerate(tokens):
        start, end = starts[2 * place + 1], ends[2 * place + 1]
        spans.append(TokenSpan(int(token), start, end, float(log_probs[start:end, token].mean())))
    return spans


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
