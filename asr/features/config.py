"""How sound becomes features: the settings, and what follows from them alone."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

Frames = npt.NDArray[np.floating[Any]]
Scope = Literal["none", "utterance", "corpus"]
MeanScope = Literal["none", "utterance", "corpus", "speech"]


# Of settings in a file from a stranger; far more than any that make sense.
_MOST = {
    "sample_rate": 1e6, "window_ms": 1e4, "hop_ms": 1e4, "num_cepstra": 4096, "num_filters": 2048, "fft_size": 65536,
    "delta_window": 100, "stack": 64, "prior_frames": 1e9, "filter_floor_db": 1000,
}  # fmt: skip


class FeatureError(UserError):
    """Features that cannot be made or used; the message is one sentence."""


@dataclass(frozen=True)
class FeatureConfig:
    """How sound becomes frames. The defaults are those of `python_speech_features.mfcc`."""

    source: Literal["audio", "precomputed"] = "audio"
    """audio: MFCCs of the sound; precomputed: matrices that the manifest names, which we cannot compute ourselves."""
    sample_rate: int = 16000
    """Hz; sound at another rate is resampled to it."""
    window_ms: float = 25.0
    """Length of the analysis window."""
    hop_ms: float = 10.0
    """From the start of one window to the start of the next."""
    window_function: Literal["rectangular", "hamming"] = "rectangular"
    """What each window is multiplied by."""
    num_cepstra: int = 13
    """Cepstral coefficients kept."""
    energy: Literal["log_energy", "c0"] = "log_energy"
    """The first coefficient: the log energy of the frame, or the cepstrum's own."""
    num_filters: int = 26
    """Triangular mel filters."""
    filter_floor_db: float = 0.0
    """No filter is softer than so much below the mean of all filters of its frame, so that a band that a recording
    lacks, as one at 8 kHz does, is not far from a band that it has; 0: as soft as it is."""
    fft_size: int = 512
    """Points; a window longer than this is cut to it, as python_speech_features does."""
    low_hz: float = 0.0
    """Lower edge of the lowest filter."""
    high_hz: float | None = None
    """Upper edge of the highest filter; null: half the sample rate."""
    preemphasis: float = 0.97
    """Coefficient of the first difference before framing; 0 turns it off."""
    lifter: int = 22
    """Sinusoidal liftering of the cepstra; 0 turns it off."""
    deltas: Literal[0, 1, 2] = 0
    """How many orders of time derivatives stand beside the cepstra."""
    delta_window: int = 2
    """Frames on each side that a derivative is fitted to."""
    mean: MeanScope = "utterance"
    """Whose mean is subtracted from each coefficient. speech: that of the utterance's frames of speech, smoothed by the
    corpus, and from the energy the level of speech, so that neither gain nor silence around speech changes anything."""
    prior_frames: float = 100.0
    """With mean: speech, how many frames of an utterance weigh as much as the corpus."""
    variance: Scope = "corpus"
    """Whose standard deviation each coefficient is divided by."""
    stack: int = 1
    """Consecutive frames that the network sees as one, side by side: as many times fewer steps (Sak et al. 2015)."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window_ms", "hop_ms", "num_cepstra", "num_filters", "fft_size", "delta_window",
                     "stack"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise FeatureError(f"features.{name} must be above 0, not {getattr(self, name)}")
        for name, most in _MOST.items():
            if not getattr(self, name) <= most:
                raise FeatureError(f"features.{name} must be at most {most:g}, not {getattr(self, name):g}")
        if min(self.window, self.hop) < 1:
            raise FeatureError("features.window_ms and hop_ms must be at least one sample long")
        if not self.hop_ms >= 1:
            raise FeatureError(f"features.hop_ms must be at least 1, not {self.hop_ms:g}")
        if self.source == "audio" and self.num_cepstra > self.num_filters:
            raise FeatureError(f"features.num_cepstra ({self.num_cepstra}) cannot exceed num_filters "
                               f"({self.num_filters})")  # fmt: skip
        if self.prior_frames <= 0:
            raise FeatureError(f"features.prior_frames must be above 0, not {self.prior_frames:g}")
        if not 0 <= self.low_hz < self.top_hz <= self.sample_rate / 2:
            raise FeatureError(f"features.low_hz and high_hz must satisfy 0 <= low < high <= {self.sample_rate / 2:g} "
                               f"(half the sample rate), not {self.low_hz:g} and {self.top_hz:g}")  # fmt: skip
        if not abs(self.preemphasis) <= 1:
            raise FeatureError(f"features.preemphasis must be from -1 to 1, not {self.preemphasis:g}")
        if self.filter_floor_db < 0:
            raise FeatureError(f"features.filter_floor_db must not be negative, not {self.filter_floor_db:g}")

    @property
    def top_hz(self) -> float:
        """Upper edge of the highest filter in Hz."""
        return self.sample_rate / 2 if self.high_hz is None else self.high_hz

    @property
    def window(self) -> int:
        """Samples in a window."""
        return round_half_up(self.window_ms / 1000 * self.sample_rate)

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return round_half_up(self.hop_ms / 1000 * self.sample_rate)

    @property
    def hop_s(self) -> float:
        """From the start of one frame of cepstra to the start of the next."""
        return self.hop_ms / 1000

    @property
    def liftering(self) -> npt.NDArray[np.float64]:
        """What each cepstrum (num_cepstra,) is multiplied by, the energy in the first one's place by 1."""
        if self.lifter <= 0:
            return np.ones(self.num_cepstra)
        return 1 + self.lifter / 2 * np.sin(np.pi * np.arange(self.num_cepstra) / self.lifter)

    @property
    def num_features(self) -> int:
        """Values in a frame of features."""
        return self.num_cepstra * (1 + self.deltas) * self.stack

    @property
    def frame_ms(self) -> float:
        """From the start of one frame of features to the start of the next."""
        return self.hop_ms * self.stack

    def num_stacked(self, num_frames: int) -> int:
        """Frames of features that `num_frames` frames of cepstra give."""
        return -(-num_frames // self.stack)

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of `num_samples` gives: the last window is filled up with zeros."""
        return 1 + max(0, math.ceil((num_samples - self.window) / self.hop))


def mel(hz: float) -> float:
    """The mel scale of O'Shaughnessy 1987."""
    return 2595 * math.log10(1 + hz / 700)


def round_half_up(value: float) -> int:
    """As python_speech_features rounds; `round` takes halves to the even neighbour."""
    return math.floor(value + 0.5)
