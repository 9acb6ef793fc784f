"""How loud a sound is, frame by frame, and where it is quiet: what word times are snapped to."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_DB = 10 / math.log(10)  # decibels in a natural logarithm of energy
_QUIET = 0.4  # of the way from the quietest to the loudest frames, in decibels
_MIN_RANGE_DB = 15.0  # between the two: with less, noise hides pauses
_CLEAR_DB = 25.0  # the same: with less, what is loud for a frame may be noise
_MAX_RANGE_DB = 60.0  # more is digital silence


@dataclass(frozen=True)
class Activity:
    """How loud a sound is, frame by frame: natural logarithms (T,), in windows of `window_s` every `hop_s`."""

    levels: npt.NDArray[np.floating[Any]]
    hop_s: float
    window_s: float
    min_range_db: float = _MIN_RANGE_DB
    """Between noise and speech; with less, noise hides the pauses."""

    def is_quiet(self, share: float = _QUIET) -> npt.NDArray[np.bool_]:
        """Whether nobody speaks in each frame (T,); (0,) where noise hides that.

        What is less than `share` of the way from noise to speech, in decibels, is quiet. Of the frames one in twenty is
        no louder than noise, and one no fainter than speech.
        """
        if not len(self.levels):
            return np.zeros(0, bool)
        # np.quantile, in a tenth of its time.
        ranks = np.array([0.05, 0.95]) * (len(self.levels) - 1)
        quietest, loudest = np.interp(ranks, np.arange(len(self.levels)), np.sort(self.levels))
        if loudest - quietest < self.min_range_db / _DB:
            return np.zeros(0, bool)
        quietest = max(quietest, loudest - _MAX_RANGE_DB / _DB)
        return np.asarray(self.levels < quietest + share * (loudest - quietest))


def is_hidden(energy: npt.NDArray[np.floating[Any]]) -> bool:
    """Whether noise may hide the pauses in frames of log energy (T,)."""
    return not len(Activity(energy, 0.0, 0.0, _CLEAR_DB).is_quiet())
