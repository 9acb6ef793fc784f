"""How loud a sound is, frame by frame, and where it is quiet: what word times are snapped to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_QUIET = 0.4  # of the way from the noise to the loudest frames
_MIN_RANGE_DB = 6.0  # between the two: with less, noise hides pauses
_MAX_RANGE_DB = 60.0  # more is digital silence


@dataclass(frozen=True)
class Loudness:
    """How far a sound is above its noise, frame by frame: decibels (T,), in windows of `window_s` every `hop_s`."""

    levels_db: npt.NDArray[np.floating[Any]]
    hop_s: float
    window_s: float

    def is_quiet(self, share: float = _QUIET) -> npt.NDArray[np.bool_]:
        """Whether nobody speaks in each frame (T,); (0,) where noise hides that.

        What is less than `share` of the way from noise to speech is quiet. One frame in twenty is as loud as speech.
        """
        if not len(self.levels_db):
            return np.zeros(0, bool)
        # np.quantile, in a tenth of its time.
        loudest = np.interp(0.95 * (len(self.levels_db) - 1), np.arange(len(self.levels_db)), np.sort(self.levels_db))
        if loudest < _MIN_RANGE_DB:
            return np.zeros(0, bool)
        return np.asarray(self.levels_db < share * min(loudest, _MAX_RANGE_DB))
