"""Utterances of different length in one array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def pad(rows: Sequence[npt.NDArray[Any]], dtype: type) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Arrays of different length -> one array (B, longest, ...) filled up with zeros, and their lengths (B,)."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.zeros((len(rows), max(int(lengths.max()), 1), *rows[0].shape[1:]), dtype)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded, lengths
