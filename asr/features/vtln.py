"""Vocal tract length normalisation: the frequency axis of cepstra, or of features made of them, is warped."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr.features.config import FeatureConfig, Frames, mel
from asr.features.dynamics import Statistics


@lru_cache(maxsize=128)
def warp(factor: float, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_cepstra, num_cepstra): cepstra @ this have what stood at f Hz stand at f * factor (Pitz & Ney 2005).

    The log spectrum that cepstra c say, sum of c_k cos(pi k x) over mel x in [0, 1], is read at warped positions and
    projected on the cosines again. The first coefficient, an energy, stays; the upper end of the band is filled with
    what stands at its edge.
    """
    points, k = 256, np.arange(1, config.num_cepstra)
    x = (np.arange(points) + 0.5) / points
    low, high = mel(config.low_hz), mel(config.top_hz)
    hz = 700 * (10 ** ((low + x * (high - low)) / 2595) - 1)
    source = np.clip((2595 * np.log10(1 + hz / factor / 700) - low) / (high - low), 0, 1)
    lifter = config.liftering[1:]
    matrix = np.eye(config.num_cepstra)
    warped = np.cos(np.pi * np.outer(k, source)) @ np.cos(np.pi * np.outer(x, k)) * 2 / points
    matrix[1:, 1:] = warped / np.where(lifter == 0, 1, lifter)[:, None] * lifter
    return matrix


@dataclass(frozen=True)
class FeatureWarp:
    """What a warp of the cepstra is for features (F,): a matrix (F, F) and an offset (F,)."""

    matrix: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float32]

    def __call__(self, features: Frames, prior_shares: npt.NDArray[np.float32]) -> Frames:
        """Features (B, T, F), from which as much of the corpus's mean was subtracted as (B,) says -> (B, T, F)."""
        return np.asarray(features @ self.matrix + self.offset * prior_shares[:, None, None])


def feature_warps(
    factors: Sequence[float], config: FeatureConfig, statistics: Statistics | None
) -> tuple[FeatureWarp, ...]:
    """The warps by these factors: of features, as of the cepstra that they were made of."""
    orders = 1 + config.deltas
    mean, std = np.zeros(config.num_cepstra * orders), np.ones(config.num_cepstra * orders)
    if statistics and config.mean in ("corpus", "speech"):
        mean = statistics.mean.astype(np.float64)
    if statistics and config.variance == "corpus":
        std = statistics.std.astype(np.float64)
    warps = []
    for factor in factors:
        matrix = np.kron(np.eye(orders), warp(factor, config))
        scaled, offset = matrix * std[:, None] / std, (mean @ matrix - mean) / std
        stacked = np.kron(np.eye(config.stack), scaled).astype(np.float32)
        warps.append(FeatureWarp(stacked, np.tile(offset, config.stack).astype(np.float32)))
    return tuple(warps)
