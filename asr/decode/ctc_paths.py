"""What a path of CTC spells (Graves et al. 2006), and the frames it needs; the decoders are greedy.py and beam.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.text import BLANK


def min_frames(tokens: Sequence[int] | npt.NDArray[np.integer[Any]]) -> int:
    """Least number of frames that can spell `tokens`: one each, and a blank between equal neighbours."""
    ids = np.asarray(tokens, np.int64)
    return len(ids) + int((ids[1:] == ids[:-1]).sum())


def collapse(path: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Path (num_frames,) of one token per frame -> tokens: repeats merged, then blanks removed."""
    return [token for _, token in spikes(path)]


def spikes(path: npt.NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """Path (num_frames,) of one token per frame -> the first frame of each token that is not blank, and the token."""
    path = np.asarray(path)
    starts = np.ones(len(path), dtype=bool)
    starts[1:] = path[1:] != path[:-1]
    frames = np.flatnonzero(starts & (path != BLANK))
    return list(zip(frames.tolist(), path[frames].tolist(), strict=True))
