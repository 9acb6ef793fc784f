"""The confidence of words: probabilities from the emission, calibrated on speech with transcripts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode import align
from asr.decode.align import TokenSpan
from asr.text import BLANK

_CELLS = 1 << 20  # of probabilities that are held at once, 8 bytes each
_MAX_LOG_ODDS = 16.0  # and its negative is the least: float32 knows no more


@dataclass(frozen=True)
class Calibration:
    """Log-odds -> probability of being right: a sigmoid of slope * log-odds + intercept (Platt 1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """log-odds (N,) -> probabilities (N,)."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * log_odds + self.intercept))))


def word_spans(spans: Sequence[TokenSpan], space: int | None) -> list[list[TokenSpan]]:
    """The spans of a text's tokens -> those of each of its words, without the spaces."""
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
    can make it likelier. More spaces before and after the word are no other spelling.
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
    probability = np.exp(log_probs, dtype=np.float64)
    around = probability[:, BLANK] + (0.0 if space is None else probability[:, space])
    spelled = [[span.token for span in word] for word in words]
    totals = np.zeros(len(words))
    for group in _groups([end - start for start, end in zip(starts, ends, strict=True)], list(map(len, spelled))):
        bounds = ([values[index] for index in group] for values in (starts, ends))
        totals[group] = _forward(probability, around, [spelled[index] for index in group], *bounds)
    with np.errstate(divide="ignore"):
        odds = np.log(totals) - np.log1p(-np.minimum(totals, 1 - 1e-12))
    return np.asarray(np.clip(odds, -_MAX_LOG_ODDS, _MAX_LOG_ODDS))


def of_sentence(
    log_probs: npt.NDArray[np.floating[Any]],
    spans: Sequence[TokenSpan],
    others: Sequence[int],
    space: int | None,
    min_pause: float,
) -> float:
    """log_probs (T, V), the aligned tokens of a text, which of its words are `others` -> confidence in the rest.

    It is the probability of the rest's spelling against any other, summed over all paths, as the geometric mean over
    its tokens, in the speech around it: up to a pause of `min_pause` frames before it and after. So a
    sentence within other speech has little, for it leaves the other words unexplained; 0 where there is no rest.
    """
    words = word_spans(spans, space)
    kept = [index for index in range(len(words)) if index not in others]
    if not kept:
        return 0.0
    first, last = kept[0], kept[-1]
    start, end = words[first][0].start_frame, words[last][-1].end_frame
    tokens = [span.token for span in spans if start <= span.start_frame < end]
    while first and words[first][0].start_frame - words[first - 1][-1].end_frame < min_pause:
        first -= 1
    while last + 1 < len(words) and words[last + 1][0].start_frame - words[last][-1].end_frame < min_pause:
        last += 1
    start = words[first - 1][-1].end_frame if first else 0
    end = words[last + 1][0].start_frame if last + 1 < len(words) else len(log_probs)
    probability = np.exp(log_probs, dtype=np.float64)
    around = probability[:, BLANK] + (0.0 if space is None else probability[:, space])
    total = _forward(probability, around, [tokens], [start], [end])[0]
    return float(total ** (1 / len(tokens)))


def _groups(lengths: Sequence[int], letters: Sequence[int]) -> Iterator[list[int]]:
    """Indices of the words, those of like length together, as many as fit into a table of _CELLS."""
    group: list[int] = []
    widest = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        widest = max(widest, 2 * letters[index] + 1)
        if group and lengths[index] * (len(group) + 1) * widest > _CELLS:
            yield group
            group, widest = [], 2 * letters[index] + 1
        group.append(index)
    yield group


def _forward(
    probability: npt.NDArray[np.float64],
    around: npt.NDArray[np.float64],
    words: Sequence[Sequence[int]],
    starts: Sequence[int],
    ends: Sequence[int],
) -> npt.NDArray[np.float64]:
    """Probability that frames [start, end) spell each word: (N,). All words advance together, a frame at a time.

    `around` (T,) is the probability of what may stand before and after a word. Fewer frames are followed by
    some that are surely blank, which keep every path as it is.
    """
    num_frames = max(end - start for start, end in zip(starts, ends, strict=True))
    num_states = 2 * max(map(len, words)) + 1
    emitted = np.zeros((num_frames, len(words), num_states))
    emitted[:, :, ::2] = 1.0
    skips = np.zeros((len(words), num_states))
    last = np.array([2 * len(word) for word in words])
    for index, (word, start, end) in enumerate(zip(words, starts, ends, strict=True)):
        states = align.extended(word)
        emitted[: end - start, index, : len(states)] = probability[start:end, states]
        emitted[: end - start, index, [0, len(states) - 1]] = around[start:end, None]
        emitted[: end - start, index, len(states) :] = 0.0
        skips[index, : len(states)] = align.may_skip(states)
    paths = np.zeros((len(words), num_states + 2))
    paths[:, 2] = 1.0  # as if a blank had come before
    for row in emitted:
        now = paths[:, 2:] + paths[:, 1:-1] + paths[:, :-2] * skips
        np.multiply(now, row, out=paths[:, 2:])
    rows = np.arange(len(words))
    return np.asarray(np.minimum(paths[rows, last + 2] + paths[rows, last + 1], 1.0))


def fit(log_odds: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_]) -> Calibration:
    """Logistic regression of right or wrong (N,) on log-odds (N,), by Newton's method (Platt 1999).

    A Gaussian prior around Calibration() keeps a part where nothing is wrong from teaching that every word is right,
    whatever its log-odds.
    """
    prior, precision = np.array([1.0, 0.0]), np.array([4.0, 0.1])
    weights = prior.copy()
    inputs = np.stack([log_odds, np.ones(len(log_odds))])
    for _ in range(100):
        guess = 1 / (1 + np.exp(-(weights @ inputs)))
        gradient = inputs @ (guess - is_right) + precision * (weights - prior)
        curvature = (inputs * (guess * (1 - guess))) @ inputs.T + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        # Newton's step may be far too long where the sigmoid is flat.
        weights = weights - step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-9))
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(round(max(0.0, float(weights[0])), 6), round(float(weights[1]), 6))


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
