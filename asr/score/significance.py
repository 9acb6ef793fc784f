"""How certain a rate is, and whether two systems differ: bootstrap, MAPSSWE, McNemar, all against one reference.

Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation"; Gillick & Cox 1989,
"Some statistical issues in the comparison of speech recognition algorithms" (MAPSSWE and McNemar's test);
Pallett et al. 1990 for the segments as NIST's sc_stats makes them; Holm 1979 for many comparisons.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asr.score.counts import Counts, rate
from asr.score.scoring import Score
from asr.score.source import ScoreError

Unit = Literal["speakers", "utterances"]

_CORRECT_BETWEEN = 2  # words right in both systems that end a segment, as in sc_stats
_EXACT_UP_TO = 10_000  # the work grows with its square


@dataclass(frozen=True)
class Interval:
    """A rate's confidence interval by the percentile bootstrap."""

    low: float
    high: float
    level: float
    resampled: Unit
    num_units: int
    num_resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: null there."""
        return {key: _or_null(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Mapsswe:
    """Matched pairs sentence-segment word error test: errors of A less those of B in each segment."""

    num_segments: int
    mean: float
    standard_deviation: float
    z: float
    p: float
    """Two-sided, by the normal distribution, as sc_stats."""
    p_exact: float | None
    """Two-sided, by all the signs that the segments' differences could have, which holds for few segments too; none
    above 10,000 errors of difference, where it is the normal one."""


@dataclass(frozen=True)
class McNemar:
    """McNemar's test on utterances right in one system and wrong in the other."""

    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    p: float
    """Two-sided and exact, by the binomial distribution, whatever the number of discordant utterances."""


@dataclass(frozen=True)
class PairedBootstrap:
    """Word error rate of A less that of B over the same resamples."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided: twice the smaller share of resamples on one side of 0, ties on both; never under 1 / resamples."""
    resampled: Unit


@dataclass(frozen=True)
class Comparison:
    """Two systems, by name, on one reference."""

    a: str
    b: str
    mapsswe: Mapsswe
    mcnemar: McNemar
    bootstrap: PairedBootstrap
    p_holm: float
    """MAPSSWE's p, corrected for the number of pairs of systems (Holm 1979)."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity and no NaN: null there."""
        return {
            key: {name: _or_null(value) for name, value in part.items()} if isinstance(part, dict) else part
            for key, part in asdict(self).items()
        }


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def interval(
    score: Score,
    unit: Literal["word", "character"] = "word",
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Confidence interval of a rate, over speakers where every utterance has one and there are two or more, else over
    utterances.

    Speakers are drawn whole, since what one speaker says tends to be right or wrong together.
    """
    counts = score.word_counts if unit == "word" else score.character_counts
    by, (units,) = _units(score, [counts])
    errors, lengths = _resampled([units], resamples, seed)
    low, high = _quantiles(_rates(errors[0], lengths), level)
    return Interval(low, high, level, by, len(units), resamples, seed)


def compare(
    scores: Sequence[Score], names: Sequence[str], *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> list[Comparison]:
    """Every pair of systems.

    Raises ScoreError where they were not scored on the same references in the same way, or without resamples.
    """
    pairs = list(combinations(range(len(scores)), 2))
    if pairs and not resamples:
        raise ScoreError("systems are compared by resampling: give a number of resamples above 0")
    for one, other in pairs:
        if scores[one].references != scores[other].references or scores[one].ids != scores[other].ids:
            raise ScoreError(f"{names[one]} and {names[other]} were scored on different references")
        if (scores[one].counting, scores[one].normalisation) != (scores[other].counting, scores[other].normalisation):
            raise ScoreError(f"{names[one]} and {names[other]} were scored in different ways")
    tests = [mapsswe(scores[one], scores[other]) for one, other in pairs]
    return [
        Comparison(
            names[one],
            names[other],
            test,
            mcnemar(scores[one], scores[other]),
            paired_bootstrap(scores[one], scores[other], level=level, resamples=resamples, seed=seed),
            corrected,
        )
        for (one, other), test, corrected in zip(pairs, tests, holm([test.p for test in tests]), strict=True)
    ]


def mapsswe(a: Score, b: Score) -> Mapsswe:
    """Matched pairs sentence-segment word error test.

    A segment runs from an error of either system to the next two words that both have right, or to the
    end of the utterance, so that errors in different segments may be taken as independent.
    """
    differences: list[int] = []
    for one, other in zip(a.alignments, b.alignments, strict=True):
        if "S" in one or "D" in one or "I" in one or one != other:
            differences += _segment_differences(one, other)
    number = len(differences)
    mean = sum(differences) / number if number else 0.0
    deviation = float(np.std(differences, ddof=1)) if number > 1 else 0.0
    z = mean / (deviation / math.sqrt(number)) if deviation else math.copysign(math.inf, mean) if mean else 0.0
    exact = sign_test(differences) if sum(map(abs, differences)) <= _EXACT_UP_TO else None
    # Equal differences have no spread: then, and with one segment, the exact test alone can say anything.
    p = math.erfc(abs(z) / math.sqrt(2)) if deviation or not mean else exact or 0.0
    return Mapsswe(number, mean, deviation, z if math.isfinite(z) else 0.0, p, exact)


def _segment_differences(one: str, other: str) -> list[int]:
    differences = []
    open_segment: int | None = None
    right = 0
    for (wrong_a, before_a), (wrong_b, before_b) in zip(_by_word(one), _by_word(other), strict=True):
        if before_a or before_b:
            open_segment, right = (open_segment or 0) + before_a - before_b, 0
        if wrong_a is None or wrong_b is None:  # behind the last word
            break
        if wrong_a or wrong_b:
            open_segment, right = (open_segment or 0) + wrong_a - wrong_b, 0
            continue
        right += 1
        if open_segment is not None and right >= _CORRECT_BETWEEN:
            differences.append(open_segment)
            open_segment = None
    return differences if open_segment is None else [*differences, open_segment]


def _by_word(letters: str) -> list[tuple[int | None, int]]:
    """(whether the reference word is wrong, insertions before it); last comes (None, insertions at the end)."""
    words: list[tuple[int | None, int]] = []
    insertions = 0
    for letter in letters:
        if letter == "I":
            insertions += 1
        else:
            words.append((int(letter != "C"), insertions))
            insertions = 0
    return [*words, (None, insertions)]


def sign_test(differences: Sequence[int]) -> float:
    """Two-sided exact p of a sum of whole differences when each could as well have had the other sign (Fisher 1935).

    The distribution of the sum is a convolution of two-point distributions, so no sampling and no enumeration.
    """
    sizes = [abs(difference) for difference in differences if difference]
    reach = sum(sizes)
    probabilities = np.zeros(2 * reach + 1)
    probabilities[reach] = 1.0
    for size in sizes:
        shifted = np.zeros_like(probabilities)
        shifted[size:] += probabilities[: len(probabilities) - size] / 2
        shifted[: len(probabilities) - size] += probabilities[size:] / 2
        probabilities = shifted
    seen = abs(sum(differences))
    return min(1.0, float(probabilities[: reach - seen + 1].sum() + probabilities[reach + seen :].sum()))


def paired(differences: Sequence[int]) -> float:
    """Two-sided p that whole differences of independent units sum to nothing but chance: the sign test's up to 10,000
    errors of difference, above them the normal one."""
    if sum(map(abs, differences)) <= _EXACT_UP_TO:
        return sign_test(differences)
    return math.erfc(abs(sum(differences)) / math.sqrt(2 * sum(difference**2 for difference in differences)))


def mcnemar(a: Score, b: Score) -> McNemar:
    """McNemar's test on whole utterances, right or wrong."""
    wrong_a, wrong_b = (score.word_counts[:, 1:].any(axis=1) for score in (a, b))
    only_a, only_b = int((~wrong_a & wrong_b).sum()), int((wrong_a & ~wrong_b).sum())
    return McNemar(
        int((~wrong_a & ~wrong_b).sum()), only_a, only_b, int((wrong_a & wrong_b).sum()), binomial_test(only_a, only_b)
    )


def binomial_test(one: int, other: int) -> float:
    """Two-sided exact p of a split of one + other fair coins."""
    number = one + other
    logs = [
        math.lgamma(number + 1) - math.lgamma(heads + 1) - math.lgamma(number - heads + 1) - number * math.log(2)
        for heads in range(min(one, other) + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def paired_bootstrap(
    a: Score, b: Score, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> PairedBootstrap:
    """Difference of the word error rates over resamples of the same speakers or utterances."""
    by, units = _units(a, [a.word_counts, b.word_counts])
    (errors_a, errors_b), lengths = _resampled(units, resamples, seed)
    differences = _rates(errors_a, lengths) - _rates(errors_b, lengths)
    low, high = _quantiles(differences, level)
    share = min((differences <= 0).mean(), (differences >= 0).mean())
    return PairedBootstrap(a.word.rate - b.word.rate, low, high, float(min(1.0, max(2 * share, 1 / resamples))), by)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method."""
    corrected = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = highest
    return corrected


def _units(score: Score, counts: Sequence[Counts]) -> tuple[Unit, list[npt.NDArray[np.int64]]]:
    """What is resampled, and (num_units, 2) errors and reference length of each system's counts."""
    pairs = [np.stack([one[:, 1:].sum(axis=1), one[:, :3].sum(axis=1)], axis=1) for one in counts]
    speakers = [score.speaker_of.get(key) for key in score.ids]
    names = {name: index for index, name in enumerate(dict.fromkeys(speakers))}
    if None in names or len(names) < 2:
        return "utterances", pairs
    summed = []
    for pair in pairs:
        by_speaker = np.zeros((len(names), 2), dtype=np.int64)
        np.add.at(by_speaker, [names[speaker] for speaker in speakers], pair)
        summed.append(by_speaker)
    return "speakers", summed


def _resampled(
    units: Sequence[npt.NDArray[np.int64]], resamples: int, seed: int
) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
    """Errors of each system and reference lengths, (resamples,) each, of units drawn with replacement.

    Units that are alike in every number are drawn as one kind, by a multinomial: the same distribution, and with
    100,000 short utterances a thousand times less work.
    """
    table = np.concatenate([*(unit[:, :1] for unit in units), units[0][:, 1:]], axis=1)
    # Rows as one number each, which sorts many times faster than rows do.
    radix = int(table.max(initial=0)) + 1
    keys = table @ np.array([radix**power for power in range(table.shape[1])])
    _, indices, numbers = np.unique(keys, return_index=True, return_counts=True)
    kinds = table[indices]
    drawn = np.random.default_rng(seed).multinomial(len(table), numbers / len(table), size=resamples)
    sums = drawn @ kinds
    return [sums[:, system] for system in range(len(units))], sums[:, -1]


def _rates(errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.array([rate(error, length) for error, length in zip(errors.tolist(), lengths.tolist(), strict=True)])


def _quantiles(values: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method="nearest")
    return float(low), float(high)
