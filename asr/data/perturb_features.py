"""Perturbations of cepstra (T, C) and of the features (T, F) that are made of them, as those of `perturb_sound`."""

from dataclasses import dataclass

import numpy as np

from asr.features import FeatureConfig, Frames, warp

Generator = np.random.Generator
_WARPS = 20  # warp factors to each side of 1


@dataclass(frozen=True)
class Tract:
    """Vocal tract length perturbation: the frequency axis is warped by up to `share` (Jaitly & Hinton 2013)."""

    share: float
    features: FeatureConfig

    def __call__(self, cepstra: Frames, rng: Generator) -> Frames:
        """(T, C) -> (T, C)."""
        step = round(rng.uniform(-_WARPS, _WARPS))
        return cepstra @ warp(1 + self.share * step / _WARPS, self.features).astype(cepstra.dtype)


def stretch(cepstra: Frames, factor: float, min_frames: int = 1) -> Frames:
    """`factor` times as fast: (T, C) -> another number of frames, at least `min_frames`, interpolated linearly."""
    num_frames = max(round(len(cepstra) / factor), min(min_frames, len(cepstra)), 1)
    positions = np.linspace(0, len(cepstra) - 1, num_frames, dtype=np.float32)
    left = positions.astype(np.intp)
    weight = (positions - left)[:, None]
    following = np.minimum(left + 1, len(cepstra) - 1)
    return np.asarray(cepstra[left] * (1 - weight) + cepstra[following] * weight)


@dataclass(frozen=True)
class Jitter:
    """Gaussian noise on the features."""

    deviation: float

    def __call__(self, frames: Frames, rng: Generator) -> Frames:
        """(T, F) -> (T, F)."""
        drawn = rng.standard_normal(frames.shape, np.float32)
        drawn *= np.float32(self.deviation)
        return frames + drawn


@dataclass(frozen=True)
class Masks:
    """SpecAugment (Park et al. 2019): spans of time and bands of coefficients, deltas too, at the utterance's mean."""

    num_in_time: int
    max_frames: float
    """Of one in time; together they cover about a fifth of the utterance at most."""
    num_in_features: int
    max_width: int
    num_cepstra: int

    def __call__(self, frames: Frames, rng: Generator) -> Frames:
        """(T, F) -> (T, F)."""
        frames, mean = frames.copy(), frames.mean(axis=0)
        for _ in range(self.num_in_time):
            longest = min(self.max_frames, len(frames) / 5 / self.num_in_time)
            width = int(rng.uniform(0, longest + 1))
            start = int(rng.integers(0, len(frames) - width + 1))
            frames[start : start + width] = mean
        for _ in range(self.num_in_features):
            width = int(rng.integers(0, min(self.max_width, self.num_cepstra) + 1))
            start = int(rng.integers(0, self.num_cepstra - width + 1))
            for order in range(0, frames.shape[1], self.num_cepstra):
                band = slice(order + start, order + start + width)
                frames[:, band] = mean[band]
        return frames
