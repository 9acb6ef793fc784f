"""How sure a recogniser is of its words: probabilities from the emission, calibrated on speech with transcripts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import align
from asr.align import TokenSpan

_SUREST = 16.0  # log-odds are cut here and at its negative: float32 knows no surer


@dataclass(frozen=True)
class Calibration:
    """Log-odds -> probability of being right: a sigmoid of slope * log-odds + intercept (Platt 1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """log-odds (N,) -> probabilities (N,)."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * log_odds + self.intercept))))


def word_spans(spans: Sequence[TokenSpan], space: int | None) -> list[list[TokenSpan]]:
    """The spans of a text's tokens -> those of each of its words, spaces left out."""
    words: list[list[TokenSpan]] = [[]]
    for span in spans:
        if span.token == space:
            words.append([])
        else:
            words[-1].append(span)
    return [word for word in words if word]


def log_odds(
    log_probs: npt.NDArray[np.floating[Any]], spans: Sequence[TokenSpan], space: int | None
) -> npt.NDArray[np.float64]:
    """log_probs (T, V) and the aligned tokens of a text -> log-odds of each of its words (N,), within +-16.

    The probability of a word is that which the frames between its neighbouring spaces give to its spelling, summed
    over all paths and against any other spelling (Graves et al. 2006, equation 8): no lexicon and no language model
    can make it likelier.
    """
    words = word_spans(spans, space)
    if not words:
        return np.zeros(0)
    starts, ends = [0], []
    for span in spans:
        if span.token == space:
            ends.append(span.start_frame)
            starts.append(span.end_frame)
    ends.append(len(log_probs))
    totals = _forward(log_probs, [[span.token for span in word] for word in words], starts, ends)
    with np.errstate(divide="ignore"):
        odds = np.log(totals) - np.log1p(-np.minimum(totals, 1 - 1e-12))
    return np.clip(odds, -_SUREST, _SUREST)


def _forward(
    log_probs: npt.NDArray[np.floating[Any]], words: Sequence[Sequence[int]], starts: Sequence[int], ends: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Probability that frames [start, end) spell each word: (N,). All words advance together, a frame at a time.

    Shorter stretches are followed by frames that are surely blank, which keep every path as it is.
    """
    probability = np.exp(log_probs, dtype=np.float64)
    num_frames = max(end - start for start, end in zip(starts, ends, strict=True))
    num_states = 2 * max(map(len, words)) + 1
    emitted = np.zeros((num_frames, len(words), num_states))
    emitted[:, :, ::2] = 1.0
    skips = np.zeros((len(words), num_states))
    last = np.array([2 * len(word) for word in words])
    for place, (word, start, end) in enumerate(zip(words, starts, ends, strict=True)):
        states = align.extended(word)
        emitted[: end - start, place, : len(states)] = probability[start:end, states]
        emitted[: end - start, place, len(states) :] = 0.0
        skips[place, : len(states)] = align.may_skip(states)
    paths = np.zeros((len(words), num_states + 2))
    paths[:, 2] = 1.0  # as if a blank had come before
    for row in emitted:
        now = paths[:, 2:] + paths[:, 1:-1] + paths[:, :-2] * skips
        np.multiply(now, row, out=paths[:, 2:])
    everyone = np.arange(len(words))
    return np.asarray(np.minimum(paths[everyone, last + 2] + paths[everyone, last + 1], 1.0))


def fit(log_odds: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_]) -> Calibration:
    """Logistic regression of right or wrong (N,) on log-odds (N,), by Newton's method.

    As in Platt 1999 the targets are (R + 1) / (R + 2) and 1 / (W + 2) of R right and W wrong ones, so that a few
    words that are all right do not make it infinitely sure. The slope is never negative.
    """
    right, wrong = int(is_right.sum()), int((~is_right).sum())
    if not len(is_right):
        return Calibration()
    targets = np.where(is_right, (right + 1) / (right + 2), 1 / (wrong + 2))
    weights = np.zeros(2)
    inputs = np.stack([log_odds / _SUREST, np.ones(len(log_odds))])
    for _ in range(50):
        guess = 1 / (1 + np.exp(-(weights @ inputs)))
        gradient = inputs @ (guess - targets) + 1e-3 * weights
        curvature = (inputs * (guess * (1 - guess))) @ inputs.T + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-9))
        if np.abs(step).max() < 1e-8:
            break
    if weights[0] < 0:
        share = float(targets.mean())
        return Calibration(0.0, math.log(share / (1 - share)))
    return Calibration(round(float(weights[0]) / _SUREST, 6), round(float(weights[1]), 6))


def calibration_error(
    confidence: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_], num_bins: int = 10
) -> float:
    """Expected calibration error: |confidence - share of right ones|, averaged over the words (Guo et al. 2017).

    The words (N,) are put into `num_bins` bins of equal width by their confidence; NaN without words.
    """
    if not len(confidence):
        return math.nan
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    gaps = np.bincount(bins, weights=confidence - is_right, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(confidence))
