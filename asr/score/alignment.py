"""Alignments of token sequences by dynamic programming (Wagner & Fischer 1974), for many pairs at a time.

An alignment is a string of the letters C, S, D and I (correct, substitution, deletion, insertion) from the first
token to the last: each C, S and D takes a reference token, each C, S and I one of the hypothesis.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Weights = Literal["levenshtein", "sclite"]
Tokens = Sequence[Hashable]
Codes = npt.NDArray[np.int32]

_CELLS = 1 << 22  # of the table of choices that is held at a time, one byte each
_BAND = 256  # rows of a band between one shift and the next
_DIAGONAL, _DELETION, _INSERTION = range(3)


class Costs(NamedTuple):
    """What an edit costs; a correct token costs nothing."""

    substitution: int
    deletion: int
    insertion: int


SCLITE = Costs(4, 3, 3)


def costs(weights: Weights, longest: int) -> Costs:
    """Costs of one edit, for alignments of at most `longest` tokens a side.

    `levenshtein` is one number for two aims: fewest edits, and among alignments with so few, fewest substitutions.
    """
    scale = longest + 1
    return SCLITE if weights == "sclite" else Costs(scale + 1, scale, scale)


def align(references: Sequence[Tokens], hypotheses: Sequence[Tokens], weights: Weights = "levenshtein") -> list[str]:
    """Align each reference with its hypothesis.

    Where several alignments cost the same, sclite's rule decides, for either weights: from the end backwards, a pair
    of tokens if that is as cheap as both others, else a deletion if that is cheaper than an insertion, else an
    insertion. Memory grows with the sum of a pair's lengths, not with their product: of a large table only some rows
    are kept, and the rows between two are computed again when the way back passes through it.
    """
    ids: dict[Hashable, int] = {}
    pairs = [
        (_codes(reference, ids), _codes(hypothesis, ids))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    found = [""] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda index: (len(pairs[index][0]), len(pairs[index][1])))
    while order:
        # Pairs of like length together, as many as the table of choices holds.
        rows = len(pairs[order[-1]][0]) + 1
        number, columns = 0, 1
        for index in reversed(order):
            columns = max(columns, len(pairs[index][1]) + 1)
            if number and (number + 1) * rows * columns > _CELLS:
                break
            number += 1
        batch = order[-number:]
        del order[-number:]
        for index, alignment in zip(batch, _align([pairs[index] for index in batch], weights), strict=True):
            found[index] = alignment
    return found


def _codes(tokens: Tokens, ids: dict[Hashable, int]) -> Codes:
    return np.array([ids.setdefault(token, len(ids)) for token in tokens], dtype=np.int32)


def distance(reference: Tokens, hypothesis: Tokens, cost: Costs, edits: int) -> int:
    """Least cost of an alignment of one pair of no more than `edits` edits, in the cells that such a one can reach.

    With n tokens against m, at most (edits + n - m) / 2 are deletions and the rest of the way is bounded alike
    (Ukkonen 1985): of a long pair that is much the same, a narrow band of the table.
    """
    ids: dict[Hashable, int] = {}
    one, other = _codes(reference, ids)[None], _codes(hypothesis, ids)[None]
    surplus = other.shape[1] - one.shape[1]
    below, above = (edits - surplus) // 2, (edits + surplus) // 2  # diagonals on either side of the main one
    dtype = np.int32 if cost.substitution * (one.shape[1] + other.shape[1] + 1) < 2**31 else np.int64
    low, high = 0, min(above, other.shape[1])
    state = np.arange(high + 1, dtype=dtype)[None] * dtype(cost.insertion)
    for start in range(0, one.shape[1], _BAND):
        end = min(start + _BAND, one.shape[1])
        # Columns that leave the band fall away; new ones are reached by insertions from the last.
        left, right = max(0, start - below), min(end + above, other.shape[1])
        more = state[:, -1:] + np.arange(1, right - high + 1, dtype=dtype) * dtype(cost.insertion)
        state, low, high = np.concatenate([state[:, left - low :], more], axis=1), left, right
        for row, _ in _rows(one[:, start:end], other[:, low:high], state, cost):
            state = row
    return int(state[0, -1])


def _align(pairs: Sequence[tuple[Codes, Codes]], weights: Weights) -> list[str]:
    """Align B pairs of token codes in one table of (rows, B, columns)."""
    i, j = (np.array([len(pair[side]) for pair in pairs]) for side in (0, 1))
    rows, columns = max(1, int(i.max())), max(1, int(j.max()))
    reference = np.full((len(pairs), rows), -1, dtype=np.int32)  # the padding of the two sides never matches
    hypothesis = np.full((len(pairs), columns), -2, dtype=np.int32)
    for index, pair in enumerate(pairs):
        reference[index, : i[index]], hypothesis[index, : j[index]] = pair
    cost = costs(weights, max(rows, columns))
    # The dearest way is to delete everything and insert everything.
    dtype = np.int32 if cost.substitution * (rows + columns + 1) < 2**31 else np.int64
    state = np.broadcast_to(np.arange(columns + 1, dtype=dtype) * cost.insertion, (len(pairs), columns + 1)).copy()

    height = max(1, _CELLS // (len(pairs) * (columns + 1)))
    starts = range(0, rows, height)
    kept = []
    for start in starts:
        kept.append(state)
        if start != starts[-1]:
            for row, _ in _rows(reference[:, start : start + height], hypothesis, state, cost):
                state = row

    steps: list[npt.NDArray[np.uint8]] = []
    for start in reversed(starts):
        block = reference[:, start : start + height]
        choices = _choices(block, hypothesis, kept.pop(), cost)
        i, j = _walk_back(block, hypothesis, choices, i - start, j, steps)
        i += start
    ways = np.stack(steps[::-1], axis=1) if steps else np.zeros((len(pairs), 0), dtype=np.uint8)
    return [
        "I" * left + line.tobytes().replace(b"\0", b"").decode("ascii")
        for left, line in zip(j.tolist(), ways, strict=True)
    ]


def _choices(reference: Codes, hypothesis: Codes, before: npt.NDArray[Any], cost: Costs) -> npt.NDArray[np.uint8]:
    """How each cell (rows, B, columns) is reached from the row `before`, by sclite's rule."""
    choices = np.empty((reference.shape[1], *hypothesis.shape), dtype=np.uint8)
    for row, (state, diagonal) in enumerate(_rows(reference, hypothesis, before, cost)):
        is_insertion = state[:, :-1] + cost.insertion == state[:, 1:]
        np.multiply(state[:, 1:] != diagonal, is_insertion.view(np.uint8) + _DELETION, out=choices[row])
    return choices


def _walk_back(
    reference: Codes,
    hypothesis: Codes,
    choices: npt.NDArray[np.uint8],
    i: Any,
    j: Any,
    steps: list[npt.NDArray[np.uint8]],
) -> tuple[Any, Any]:
    """Walk from the cells (i, j) (B,) to the top of a block; each step's letters go to `steps`, 0 where one rests."""
    everyone = np.arange(len(hypothesis))
    while (i > 0).any():
        is_inside = (i > 0) & (j > 0)
        row, column = np.where(is_inside, i - 1, 0), np.where(is_inside, j - 1, 0)
        chosen = choices[row, everyone, column]
        is_pair = is_inside & (chosen == _DIAGONAL)
        is_deleted = np.where(j > 0, is_inside & (chosen == _DELETION), i > 0)
        is_inserted = is_inside & (chosen == _INSERTION)
        is_same = is_pair & (reference[everyone, row] == hypothesis[everyone, column])
        letters = np.zeros(len(hypothesis), dtype=np.uint8)
        for mask, letter in ((is_pair, b"S"), (is_same, b"C"), (is_deleted, b"D"), (is_inserted, b"I")):
            letters[mask] = letter[0]
        steps.append(letters)
        i = i - (is_pair | is_deleted)
        j = j - (is_pair | is_inserted)
    return i, j


def _rows(
    reference: Codes, hypothesis: Codes, before: npt.NDArray[Any], cost: Costs
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Costs (B, columns + 1) of each row of the table, and of its cells (B, columns) when reached by a pair of tokens.

    `before` is the row before the first. A cell's cheapest insertion is the cheapest start to its left plus an
    insertion for each column between, so that a row is a running minimum and needs no loop over its columns.
    """
    ramp = np.arange(before.shape[1], dtype=before.dtype) * before.dtype.type(cost.insertion)
    substitution = before.dtype.type(cost.substitution)
    for row in range(reference.shape[1]):
        diagonal = (hypothesis != reference[:, row, None]) * substitution
        diagonal += before[:, :-1]
        state = before + before.dtype.type(cost.deletion)
        np.minimum(diagonal, state[:, 1:], out=state[:, 1:])
        state -= ramp
        np.minimum.accumulate(state, axis=1, out=state)
        state += ramp
        yield state, diagonal
        before = state
