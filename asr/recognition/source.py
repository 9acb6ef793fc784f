"""Whatever may be recognised -> a Sound: what it is is asked here, and nowhere else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.audio import AudioError, Waveform
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.features import FeatureConfig, Frames

FEATURE_SUFFIXES = (".npy", ".mfc")
_BLOCK_S = 30.0  # of a recording that is held at a time


@dataclass(frozen=True)
class Sound:
    """One recording, as its waveform in blocks or as cepstra; nothing of a file is read before it is asked for."""

    name: str
    """For messages."""
    blocks: Callable[[], Iterator[Waveform]]
    """Its waveform from the start, in blocks (num_samples,) at the model's rate; raises AudioError."""
    cepstra: Frames | None = None
    """(T, C): precomputed, instead of a waveform."""
    offset_s: float = 0.0
    """When it begins in the recording that it is cut out of."""

    def waveform(self) -> Waveform:
        """All of it (num_samples,). Raises AudioError."""
        return np.concatenate(list(self.blocks()))

    def held(self, sample_rate: int) -> "Sound":
        """The same in memory, since a pipe can be read only once. Raises AudioError, also where it is too long."""
        blocks = list(audio.limited(self.blocks(), sample_rate, self.name))
        return replace(self, blocks=lambda: iter(blocks))


Source = str | Path | bytes | npt.NDArray[Any] | Utterance | Sound
"""A file of sound or of features, "-" for standard input, a file's bytes, a waveform, an utterance, a Sound."""


def open(source: Source, features: FeatureConfig, sample_rate: int | None = None) -> Sound:
    """The sound of anything, as a model with these `features` takes it.

    Files whose names end in FEATURE_SUFFIXES hold cepstra. Of an utterance with sound and features, a model that was
    trained on precomputed features takes these. `sample_rate` is that of a waveform (num_samples,), which holds int16
    or floating-point samples in [-1, 1]. Raises AudioError for a waveform that no file could hold, and ManifestError
    for a file of features that cannot be used; AudioError for a file of sound comes when its blocks are read.
    """
    rate = features.sample_rate
    if isinstance(source, Sound):
        return source
    if isinstance(source, Utterance):
        if source.features and (features.source == "precomputed" or not source.audio):
            return _of_cepstra(source.where, manifest.read_features(source.features, features.num_cepstra))
        return Sound(source.where, lambda: _cut(manifest.read_waveform(source, rate), rate), offset_s=source.start_s)
    if isinstance(source, np.ndarray):
        waveform = _at_rate(source, sample_rate, rate)
        return Sound("the waveform", lambda: _cut(waveform, rate))
    if isinstance(source, bytes):
        return Sound("sound", lambda: audio.blocks(source, rate, block_s=_BLOCK_S))
    if source != "-" and str(source).lower().endswith(FEATURE_SUFFIXES):
        return _of_cepstra(str(source), manifest.read_features(source, features.num_cepstra))
    name = "standard input" if source == "-" else str(source)
    return Sound(name, lambda: audio.blocks(source, rate, block_s=_BLOCK_S))


def _of_cepstra(name: str, cepstra: Frames) -> Sound:
    def blocks() -> Iterator[Waveform]:
        raise AudioError(f"{name}: holds features, not sound")

    return Sound(name, blocks, cepstra)


def _cut(waveform: Waveform, sample_rate: int) -> Iterator[Waveform]:
    size = round(_BLOCK_S * sample_rate)
    for start in range(0, max(1, len(waveform)), size):
        yield waveform[start : start + size]


def _at_rate(samples: npt.NDArray[Any], sample_rate: int | None, wanted: int) -> Waveform:
    """Samples of either kind as a waveform at the rate `wanted`."""
    if sample_rate is None:
        raise AudioError("a waveform needs its sample_rate beside it")
    if samples.ndim != 1:
        raise AudioError(f"a waveform has one axis, not {samples.ndim}: average its channels first")
    if samples.dtype != np.int16 and not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(f"a waveform holds float samples in [-1, 1] or int16, not {samples.dtype}")
    waveform = samples.astype(np.float32)
    if not np.abs(waveform).max(initial=0) <= audio.LOUDEST:
        raise AudioError("the waveform holds samples that are not finite, or absurdly large")
    if samples.dtype == np.int16:
        waveform *= np.float32(1 / 32768)
    return audio.resample(waveform, sample_rate, wanted)
