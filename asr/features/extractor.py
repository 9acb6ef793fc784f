"""The front end of a model: waveform -> cepstra -> features."""

from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from asr.features import dynamics
from asr.features.config import FeatureConfig, Frames
from asr.features.dynamics import Statistics
from asr.features.mfcc import Mfcc, MfccStream


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
        return self.features(self.cepstra(waveform))

    def cepstra(self, waveform: npt.NDArray[Any]) -> Frames:
        """(num_samples,) -> cepstra (num_frames, num_cepstra), see `Mfcc`."""
        return self.mfcc(waveform)

    def cepstra_stream(self, num_frames: int | None = None) -> MfccStream:
        """What makes cepstra of a waveform that comes in blocks, `num_frames` at a time: few for live sound."""
        return MfccStream(self.mfcc) if num_frames is None else MfccStream(self.mfcc, num_frames)

    def features(self, cepstra: Frames) -> Frames:
        """Cepstra (num_frames, num_cepstra) -> features (num_stacked, num_features), see `dynamics.features`."""
        return dynamics.features(cepstra, self.config, self.statistics)

    def measure(self, corpus: Iterable[Frames]) -> Statistics:
        """Mean and standard deviation over a corpus of cepstra, see `dynamics.measure`."""
        return dynamics.measure(corpus, self.config)

    def prior_share(self, cepstra: Frames) -> float:
        """How much of the mean that is subtracted from cepstra (T, C) is that of the corpus, see `dynamics`."""
        return dynamics.prior_share(cepstra, self.config)
