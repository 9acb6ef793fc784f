"""Rejection: how many words a threshold on their confidence misses, and how much else it accepts in an hour.

A detection is accepted where its score is at least the threshold. The scores are of any kind, as long as more is surer.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.score.source import ScoreError

Scores = npt.NDArray[np.float64]


class Range(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold does."""

    threshold: float
    misses: int
    """Positives that are not accepted."""
    miss_rate: float
    miss_range: Range
    false_accepts: int
    """Detections in the negative audio that are accepted."""
    false_accepts_per_hour: float
    false_accepts_range: Range
    """An hour."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: a threshold that accepts nothing is null there."""
        return {
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "misses": self.misses,
            "miss_rate": self.miss_rate,
            "miss_interval": list(self.miss_range),
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour": self.false_accepts_per_hour,
            "false_accepts_interval": list(self.false_accepts_range),
        }


@dataclass(frozen=True)
class Curve:
    """Every operating point there is, by rising threshold: a DET curve (Martin et al. 1997)."""

    thresholds: Scores
    """(K,); the last is infinite and accepts nothing."""
    miss_rates: Scores
    """(K,), rising."""
    false_accepts_per_hour: Scores
    """(K,), falling to 0."""


@dataclass(frozen=True)
class Rejection:
    """Detections in speech that holds words to be recognised, and in audio that holds none."""

    positives: Scores
    """(N,) the score of each that was spoken; minus infinity, or any score below all thresholds, where it was not
    recognised."""
    negatives: Scores
    """(M,) the score of each that was recognised in the negative audio."""
    negative_hours: float
    """The duration of the negative audio, all of it."""
    level: float = 0.95
    """Of the intervals."""
    what: str = "words"
    """That are spoken, and recognised."""

    def __post_init__(self) -> None:
        for name in ("positives", "negatives"):
            scores = np.sort(np.asarray(getattr(self, name), np.float64))
            if scores.ndim != 1 or np.isnan(scores).any():
                raise ValueError(f"{name} must be a vector of numbers")
            object.__setattr__(self, name, scores)
        if not len(self.positives):
            raise ScoreError("misses are counted over positives, and there are none")
        if not 0 < self.negative_hours < math.inf:
            raise ScoreError("false accepts an hour need negative audio that lasts longer than 0 s")

    def at(self, threshold: float) -> OperatingPoint:
        """Misses and false accepts at a threshold, with Wilson's and Garwood's intervals."""
        misses = int(np.searchsorted(self.positives, threshold, "left"))
        accepts = len(self.negatives) - int(np.searchsorted(self.negatives, threshold, "left"))
        counts = poisson_range(accepts, self.level)
        return OperatingPoint(
            threshold=threshold,
            misses=misses,
            miss_rate=misses / len(self.positives),
            miss_range=wilson_range(misses, len(self.positives), self.level),
            false_accepts=accepts,
            false_accepts_per_hour=accepts / self.negative_hours,
            false_accepts_range=Range(counts.low / self.negative_hours, counts.high / self.negative_hours),
        )

    def curve(self) -> Curve:
        """The points at which anything changes: at each score, and above all of them."""
        scores = np.unique(np.concatenate([self.positives, self.negatives]))
        thresholds = np.append(scores[np.isfinite(scores)], math.inf)
        misses = np.searchsorted(self.positives, thresholds, "left")
        accepts = len(self.negatives) - np.searchsorted(self.negatives, thresholds, "left")
        return Curve(thresholds, misses / len(self.positives), accepts / self.negative_hours)

    def threshold_for(self, max_false_accepts_per_hour: float, *, lowest: float = 0.0) -> float:
        """The threshold that misses least of those with so few false accepts an hour; at least `lowest`.

        It lies half way between the best negative that it rejects and the next score above. It is infinite where only
        a threshold above all scores accepts so little.
        """
        allowed = math.floor(max_false_accepts_per_hour * self.negative_hours + 1e-9)
        if allowed < 0:
            raise ValueError("false accepts an hour cannot be negative")
        if allowed >= len(self.negatives):
            return lowest
        rejected = float(self.negatives[len(self.negatives) - 1 - allowed])
        if rejected < lowest:
            return lowest
        above = [
            scores[np.searchsorted(scores, rejected, "right") :][:1] for scores in (self.positives, self.negatives)
        ]
        following = float(min(np.concatenate(above), default=math.inf))
        middle = (rejected + following) / 2
        return max(lowest, middle if rejected < middle else following)


def wilson_range(successes: int, trials: int, level: float = 0.95) -> Range:
    """The confidence interval of a probability (Wilson 1927), which holds near 0 and 1 too; 0 to 1 without trials."""
    if not trials:
        return Range(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, scale = successes / trials, 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Range(low, 1.0 if successes == trials else min(1.0, centre + half))


def poisson_range(count: int, level: float = 0.95) -> Range:
    """The exact confidence interval of the mean of a Poisson variable that was `count` once (Garwood 1936)."""
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else _poisson_mean(count - 1, 1 - tail)
    return Range(low, _poisson_mean(count, tail))


def _poisson_mean(count: int, probability: float) -> float:
    """The mean with which a Poisson variable is at most `count` with a probability, by bisection."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])  # of the factorials
    numbers = np.arange(count + 1)
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 20 - 2 * math.log(min(probability, 1 - probability))
    for _ in range(100):
        mean = (low + high) / 2
        terms = numbers * math.log(mean) - mean - logs
        largest = terms.max()
        reached = math.exp(min(0.0, largest + math.log(np.exp(terms - largest).sum())))
        low, high = (mean, high) if reached > probability else (low, mean)
        if high - low <= 1e-12 * high:
            break
    return (low + high) / 2
