"""Utterances of different length in one array, those of like length together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Measured on one core: 4 utterances of like length go through the network in two thirds of the time that they take one
# by one; more are no faster, but for words of half a second, of which 8 are.
_MAX_BATCH_FRAMES = 1 << 12
_MAX_PADDING = 1.1  # times the frames that padding makes of a batch


def pad(rows: Sequence[npt.NDArray[Any]], dtype: type) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Arrays of different length -> one array (B, longest, ...) filled up with zeros, and their lengths (B,)."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.zeros((len(rows), max(int(lengths.max()), 1), *rows[0].shape[1:]), dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded, lengths


def group_by_length(lengths: Sequence[int], max_items: int) -> Iterator[list[int]]:
    """The indices of all lengths but 0, up to `max_items` of like length together."""
    group: list[int] = []
    total = 0
    for index in sorted(np.flatnonzero(lengths).tolist(), key=lengths.__getitem__):
        padded = (len(group) + 1) * lengths[index]
        total += lengths[index]
        if group and (len(group) == max_items or padded > min(_MAX_BATCH_FRAMES, _MAX_PADDING * total)):
            yield group
            group, total = [], lengths[index]
        group.append(index)
    if group:
        yield group
