"""The front end of a model: waveform -> cepstra -> features."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.features import dynamics
from asr.features.config import FeatureConfig, Frames, round_half_up
from asr.features.dynamics import Statistics
from asr.features.mfcc import Mfcc
from asr.features.vtln import feature_warps


class FeatureExtractor:
    """Waveform -> features for one configuration, in two steps, because training perturbs the cepstra between them.

    `statistics` is needed where the configuration normalises by the corpus; `measure` makes it.
    """

    def __init__(self, config: FeatureConfig, statistics: Statistics | None = None) -> None:
        self.config = config
        self.statistics = statistics
        self.mfcc = Mfcc(config)

    def __call__(self, waveform: npt.NDArray[Any]) -> Frames:
        """(num_samples,) float in [-1, 1], or int16 -> (num_frames, num_features) in the precision of the input."""
        return self.finish(self.static(waveform))

    def static(self, waveform: npt.NDArray[Any]) -> Frames:
        """(num_samples,) -> cepstra (num_frames, num_cepstra), see `Mfcc`."""
        return self.mfcc(waveform)

    def static_blocks(self, blocks: Iterable[npt.NDArray[Any]]) -> Iterator[Frames]:
        """A waveform in blocks of any length -> what `static` makes of the whole, in blocks of frames."""
        return self.mfcc.blocks(blocks)

    def finish(self, static: Frames) -> Frames:
        """Cepstra (num_frames, num_cepstra) -> features (num_stacked, num_features), see `dynamics.finish`."""
        return dynamics.finish(static, self.config, self.statistics)

    def measure(self, statics: Iterable[Frames]) -> Statistics:
        """Mean and standard deviation over a corpus of cepstra, see `dynamics.measure`."""
        return dynamics.measure(statics, self.config)

    def edged(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(num_samples,) -> the same between edges of faint noise, always the same, as the configuration says."""
        num_samples = round_half_up(self.config.edge_ms / 1000 * self.config.sample_rate)
        if not num_samples:
            return waveform
        noise = np.random.default_rng(0).standard_normal((2, num_samples), np.float32)
        before, after = noise * np.float32(1e-3) * np.abs(waveform).max(initial=0)
        return np.concatenate([before, waveform, after])

    def tracts(self, frames: Frames) -> Iterator[Frames]:
        """Features (T, F) -> the same, for each VTLN warp factor of the configuration."""
        if self.config.tracts == (1.0,):
            yield frames
            return
        for matrix, offset in self._warps:
            yield frames @ matrix + offset

    @cached_property
    def _warps(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        return feature_warps(self.config, self.statistics)
