"""Forced alignment: which frames a transcript's tokens lie in, by the best path that spells it; times of words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode import ctc
from asr.errors import UserError
from asr.text import BLANK

_CELLS = 1 << 21  # of the table of scores, 8 bytes each, that are held at once

_PAUSE_S = 0.1  # shorter silences are closures of stops
_FAR_S = 0.2  # a soft consonant at an end of the loud part is nearer to it than this
_QUIET = 0.4  # of the way from the quietest to the loudest frames, in decibels
_SOFT = 0.2  # the same for the outer ends, where a word dies away
LEAST_DB = 15.0  # between the two: with less, noise hides pauses
_MOST_DB = 60.0  # more is digital silence
DB = 10 / math.log(10)  # decibels in a natural logarithm of energy


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
    needed = ctc.min_frames(tokens) if len(tokens) else 0
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


def word_times(
    words: Sequence[Sequence[TokenSpan]],
    frame_s: float,
    duration_s: float,
    lead_s: float,
    tail_s: float,
    energy: npt.NDArray[np.floating[Any]] | None = None,
    hop_s: float = 0.01,
    window_s: float = 0.025,
    edge_s: float = 0.0,
    least_db: float = LEAST_DB,
) -> npt.NDArray[np.float64]:
    """The tokens of each word in turn -> when each begins and ends, in seconds: (N, 2), rising, within the duration.

    CTC emits a letter after its sound, in a frame or two (Sak et al. 2015, "Fast and accurate recurrent neural
    network acoustic models"): a word begins `lead_s` before its first token and ends `tail_s` after its last. Between
    two words either the sound pauses, and they end and begin where it does, or the one ends where the other begins.
    The natural logarithm of `energy` (T,), in windows of `window_s` every `hop_s`, says which, unless noise hides it
    or there is None: then a pause is what lead and tail leave of the gap, if that is long. No word loses a frame of
    its tokens, but for those in silence: a network trained on single words may spell one long before it or after it,
    and then the outer words begin and end where the sound is loud. The sound begins `edge_s` after the first frame.
    """
    tokens = np.array([(word[0].start_frame, word[-1].end_frame) for word in words], np.float64).reshape(-1, 2)
    tokens = np.clip(tokens * frame_s - edge_s, 0, duration_s)
    is_quiet = quiet(energy, least_db)
    edges = (np.arange(len(is_quiet) + 1) - 0.5) * hop_s + window_s / 2  # of the hops around the windows' centres
    loud = np.flatnonzero(~quiet(energy, least_db, _SOFT))
    if len(loud) and len(words):
        begins_s = edges[loud[0]] if loud[0] else 0.0
        ends_s = min(edges[loud[-1] + 1], duration_s) if loud[-1] + 1 < len(is_quiet) else duration_s
        near = np.where(tokens < begins_s - _FAR_S, begins_s, np.where(tokens > ends_s + _FAR_S, ends_s, tokens))
        times = _times(near, is_quiet, edges, duration_s, lead_s, tail_s)
        if near[0, 0] >= ends_s:
            times[0, 0] = begins_s
        if near[-1, 1] <= begins_s:
            times[-1, 1] = ends_s
        if (times[:, 0] < times[:, 1]).all() and (near[:-1, 0] < near[1:, 0]).all():
            return times
    return _times(tokens, is_quiet, edges, duration_s, lead_s, tail_s)


def _times(
    tokens: npt.NDArray[np.float64],
    is_quiet: npt.NDArray[np.bool_],
    edges: npt.NDArray[np.floating[Any]],
    duration_s: float,
    lead_s: float,
    tail_s: float,
) -> npt.NDArray[np.float64]:
    """When the tokens of each word begin and end (N, 2) -> when the word does; `edges` (T + 1,) of frames (T,)."""
    hop_s = edges[1] - edges[0] if len(is_quiet) else 0.0

    def pauses(start_s: float, end_s: float) -> npt.NDArray[np.float64]:
        """Pauses (N, 2) in seconds between two times; short ones only at the ends of the recording."""
        first, last = np.searchsorted(edges, (start_s, end_s)).tolist()
        turns = edges[first + runs(is_quiet[first : max(first, last - 1)])]
        is_end = (turns[:, 0] == edges[0]) | (turns[:, 1] == edges[-1])
        return np.asarray(turns[is_end | (turns[:, 1] - turns[:, 0] > _PAUSE_S - hop_s / 2)])

    times = tokens + np.array([-lead_s, tail_s])
    for place in range(len(tokens) + 1):
        before_s = tokens[place - 1, 1] if place else 0.0
        after_s = tokens[place, 0] if place < len(tokens) else duration_s
        found = pauses(before_s, after_s if place < len(tokens) else math.inf)  # the last window reaches beyond the end
        if 0 < place < len(tokens):
            left_s, right_s = times[place - 1, 1], times[place, 0]
            if len(found):
                left_s, right_s = found[np.argmax(found[:, 1] - found[:, 0])]
            elif len(is_quiet) or right_s - left_s < _PAUSE_S:
                left_s = right_s = (left_s + right_s) / 2
        else:  # before the first word and after the last, the pause that touches it
            left_s = found[0, 0] if len(found) else times[place - 1, 1] if place else 0.0
            right_s = found[-1, 1] if len(found) else times[place, 0] if place < len(tokens) else 0.0
        if place:
            times[place - 1, 1] = min(max(left_s, before_s), after_s)
        if place < len(tokens):
            times[place, 0] = min(max(right_s, before_s), after_s)
    return np.asarray(times)


def quiet(
    energy: npt.NDArray[np.floating[Any]] | None, least_db: float = LEAST_DB, share: float = _QUIET
) -> npt.NDArray[np.bool_]:
    """Whether nobody speaks in each frame (T,) of log energy; (0,) where noise hides that.

    Speech is by `least_db` louder than noise; what is less than `share` of the way from it to speech, in decibels, is
    quiet. Of the frames one in twenty is no louder than noise, and one no fainter than speech.
    """
    if energy is None or not len(energy):
        return np.zeros(0, bool)
    ranks = np.array([0.05, 0.95]) * (len(energy) - 1)
    quietest, loudest = np.interp(ranks, np.arange(len(energy)), np.sort(energy))  # np.quantile, in a tenth of its time
    if loudest - quietest < least_db / DB:
        return np.zeros(0, bool)
    quietest = max(quietest, loudest - _MOST_DB / DB)
    return np.asarray(energy < quietest + share * (loudest - quietest))


def runs(is_so: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first of each run of frames (T,) that are so, and the one after its last: (N, 2)."""
    padded = np.concatenate([[False], is_so, [False]])
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)


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
        for place in reversed(range(len(rows))):
            path[start + place] = state
            row = rows[place - 1] if place else before
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
