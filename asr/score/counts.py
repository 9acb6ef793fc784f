"""Error counts that add, from the distance of two token sequences alone: no alignment is made unless it decides."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from asr.score.alignment import SCLITE, Costs, Tokens, Weights, align, distance

Words = Sequence[str]
_LONG = 10**8  # cells of a table above which a band of it is looked at first
_WORTH = 3  # a band wider than a third of the table saves nothing
Counts = npt.NDArray[np.int64]
"""(num_utterances, 4): correct, substitutions, deletions, insertions."""


@dataclass(frozen=True)
class ErrorCount:
    """Errors of one or more utterances; they add, so that rates are over all tokens and never averaged."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    utterances: int = 0
    utterance_errors: int = 0

    def __add__(self, other: "ErrorCount") -> "ErrorCount":
        return ErrorCount(*(mine + its for mine, its in zip(_fields(self), _fields(other), strict=True)))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Tokens in the references."""
        return self.correct + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference token: above 1 where much is inserted, infinite without any reference token."""
        return rate(self.errors, self.reference_length)

    def to_dict(self) -> dict[str, int | float | None]:
        """For JSON, which has no infinity: the rate is null there."""
        return {
            "utterances": self.utterances,
            "utterance_errors": self.utterance_errors,
            "reference_length": self.reference_length,
            "correct": self.correct,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
            "errors": self.errors,
            "rate": self.rate if np.isfinite(self.rate) else None,
        }


def rate(errors: float, length: float) -> float:
    """Errors per reference token; nothing of nothing is 0, something of nothing infinite."""
    if length == 0:
        return 0.0 if errors == 0 else float("inf")
    return errors / length


def total(counts: Counts) -> ErrorCount:
    """Sum of utterances' counts (num_utterances, 4)."""
    correct, substitutions, deletions, insertions = (int(number) for number in counts.sum(axis=0))
    wrong = int(counts[:, 1:].any(axis=1).sum())
    return ErrorCount(correct, substitutions, deletions, insertions, len(counts), wrong)


def single(counts: Counts) -> ErrorCount:
    """Counts (4,) of one utterance."""
    correct, substitutions, deletions, insertions = counts.tolist()
    wrong = int(substitutions + deletions + insertions > 0)
    return ErrorCount(correct, substitutions, deletions, insertions, 1, wrong)


def errors(reference: Tokens, hypothesis: Tokens, weights: Weights = "levenshtein") -> ErrorCount:
    """Count the errors of one utterance; its tokens may be words, characters or anything hashable."""
    if not all(isinstance(token, str) for side in (reference, hypothesis) for token in side):
        # rapidfuzz compares by hash: as good as equality for strings, but hash(-1) is hash(-2).
        letters: dict[Hashable, str] = {}
        reference, hypothesis = (
            [letters.setdefault(token, str(len(letters))) for token in side] for side in (reference, hypothesis)
        )
    return single(count([cast(Words, reference)], [cast(Words, hypothesis)], weights)[0])


def count(references: Sequence[Words], hypotheses: Sequence[Words], weights: Weights = "levenshtein") -> Counts:
    """Counts (num_utterances, 4) of each reference against its hypothesis; memory grows with a pair's longer side.

    A token is a string; where a whole utterance is one string, its characters are the tokens.

    `levenshtein`: fewest edits (Levenshtein 1966), and of all alignments with so few, the fewest substitutions, so
    the most tokens correct. `sclite`: what NIST's sclite counts, whose substitution costs 4 and whose deletion and
    insertion cost 3; see `alignment.align` for how it settles ties.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses are no pairs")
    lengths = np.stack([np.fromiter(map(len, side), np.int64, len(side)) for side in (references, hypotheses)], axis=1)
    # One weighted distance holds two numbers: the cost, and how many substitutions there are at that cost.
    scale = int(lengths.max(initial=0)) + 1
    cost = SCLITE if weights == "sclite" else Costs(1, 1, 1)
    fewest = _distances(references, hypotheses, cost, scale, 1)
    substitutions = fewest % scale
    counts = _split(fewest // scale, substitutions, lengths, cost)
    if weights == "sclite":
        # Three substitutions cost as much as two deletions and two insertions: with two of each there may be others.
        indices = np.flatnonzero(counts[:, 2:].min(axis=1, initial=2) >= 2)
        highest = -_distances(*_at(indices, references, hypotheses), cost, scale, -1) % scale
        unsure = indices[highest != substitutions[indices]]
        for index, letters in zip(unsure, align(*_at(unsure, references, hypotheses), weights), strict=True):
            counts[index] = [letters.count(letter) for letter in "CSDI"]
    return counts


def _at(
    indices: npt.NDArray[np.int64], references: Sequence[Words], hypotheses: Sequence[Words]
) -> tuple[list[Words], list[Words]]:
    return [references[index] for index in indices.tolist()], [hypotheses[index] for index in indices.tolist()]


def _distances(
    references: Sequence[Words], hypotheses: Sequence[Words], cost: Costs, scale: int, extra: int
) -> npt.NDArray[np.int64]:
    """Least of cost x scale + substitutions x extra over all alignments of each pair."""
    scaled = Costs(cost.substitution * scale + extra, cost.deletion * scale, cost.insertion * scale)
    weights = (scaled.insertion, scaled.deletion, scaled.substitution)
    measure = Levenshtein.distance

    def long(one: Words, other: Words) -> int:
        # An alignment of least weighted cost has at most 4 edits for each 3 of the fewest, if 4 weighs the dearest.
        edits = -(-measure(one, other) * cost.substitution // cost.deletion)
        if _WORTH * edits > max(len(one), len(other)):
            return measure(one, other, weights=weights)
        return distance(one, other, scaled, edits)

    found = (
        measure(one, other, weights=weights) if len(one) * len(other) < _LONG else long(one, other)
        for one, other in zip(references, hypotheses, strict=True)
    )
    return np.fromiter(found, np.int64, len(references))


def _split(
    total_cost: npt.NDArray[np.int64], substitutions: npt.NDArray[np.int64], lengths: npt.NDArray[Any], cost: Costs
) -> Counts:
    """Counts from cost and substitutions: the rest is deletions and insertions, whose difference is the lengths'."""
    others = (total_cost - cost.substitution * substitutions) // cost.deletion
    deletions = (others + lengths[:, 0] - lengths[:, 1]) // 2
    return np.stack([lengths[:, 0] - substitutions - deletions, substitutions, deletions, others - deletions], axis=1)


def _fields(count: ErrorCount) -> tuple[int, ...]:
    return (
        count.correct,
        count.substitutions,
        count.deletions,
        count.insertions,
        count.utterances,
        count.utterance_errors,
    )
