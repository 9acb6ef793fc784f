"""Utterances -> examples in memory: what a network is given of each, and what it is to give back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.data import manifest
from asr.data.cache import Source, digest, sources
from asr.data.manifest import ManifestError, Skipped, Utterance
from asr.features import FeatureConfig, FeatureExtractor, Frames

Target = npt.NDArray[Any]
"""What the network is to give back for an utterance: (L,), the indices of tokens or classes as int64."""


class Targets(Protocol):
    """What examples and batches need of a task."""

    def target(self, utterance: Utterance) -> Target | Skipped:
        """The target of an utterance, or why it has none."""
        ...

    def min_frames(self, target: Target) -> int:
        """The fewest outputs of the network that a target can be learned from."""
        ...

    def join(self, targets: Sequence[Target]) -> Target:
        """The target of utterances that are joined, in their order."""
        ...

    def text(self, target: Target) -> str:
        """A target as it is read."""
        ...


@dataclass(frozen=True, slots=True)
class Waveform:
    """The sound of an utterance: (num_samples,) int16, which is half the memory of float32."""

    values: npt.NDArray[np.int16]

    @classmethod
    def of(cls, waveform: audio.Waveform) -> "Waveform":
        """Round a waveform within [-1, 1]."""
        return cls(np.clip(np.rint(waveform * 32768), -32768, 32767).astype(np.int16))

    def to_float(self) -> audio.Waveform:
        """(num_samples,) float32 within [-1, 1]."""
        return self.values * np.float32(1 / 32768)

    def num_samples(self, config: FeatureConfig) -> int:  # noqa: ARG002
        """How long it is."""
        return len(self.values)

    def num_frames(self, config: FeatureConfig) -> int:
        """How many cepstra it gives."""
        return config.num_frames(len(self.values))

    def cepstra(self, extractor: FeatureExtractor) -> Frames:
        """Its cepstra (T, C)."""
        return extractor.cepstra(self.values)


@dataclass(frozen=True, slots=True)
class Cepstra:
    """The cepstra of an utterance: (T, C) float32."""

    values: npt.NDArray[np.float32]

    def num_samples(self, config: FeatureConfig) -> int:
        """How much sound is as long."""
        return len(self.values) * config.hop

    def num_frames(self, config: FeatureConfig) -> int:  # noqa: ARG002
        """How many they are."""
        return len(self.values)

    def cepstra(self, extractor: FeatureExtractor) -> Frames:  # noqa: ARG002
        """Themselves."""
        return self.values


Signal = Waveform | Cepstra


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance ready for training."""

    id: str
    target: Target
    signal: Signal


def load(
    utterances: Sequence[Utterance],
    extractor: FeatureExtractor,
    task: Targets,
    *,
    keep_sound: bool = False,
    cache: Path | None = None,
    name: str = "train",
    jobs: int = 2,
    progress: Callable[[Iterable[Source | Skipped]], Iterable[Source | Skipped]] = lambda made: made,
) -> tuple[list[Example], list[Skipped]]:
    """Read utterances into examples; those that cannot be learned from come back named, with the reason.

    `keep_sound` keeps waveforms rather than cepstra, for augmentation. With a folder `cache` they are kept there under
    `name` and mapped into memory, in this run and in the next; `jobs` threads make them, and `progress` wraps what
    they make.
    """
    config = extractor.config

    def read(utterance: Utterance) -> Source | Skipped:
        try:
            if keep_sound and utterance.audio:
                return Waveform.of(manifest.read_waveform(utterance, config.sample_rate)).values
            if utterance.audio is None and utterance.features:
                return manifest.read_features(utterance.features, config.num_cepstra)
            return manifest.load_frames(utterance, extractor).astype(np.float32, copy=False)
        except (audio.AudioError, ManifestError) as error:
            return Skipped(utterance.id, f"unreadable audio: {error}")

    def make() -> Iterable[Source | Skipped]:
        from asr import workers  # what only transcribes knows targets, and no processes

        return progress(workers.ahead(read, utterances, depth=32 * jobs, threads=jobs))

    kind = f"{name}-{'sound' if keep_sound else 'cepstra'}"
    made = sources(cache, kind, digest(utterances, config, is_sound=keep_sound), make) if cache else make()
    results = [
        source if isinstance(source, Skipped) else _example(utterance, source, config, task)
        for utterance, source in zip(utterances, made, strict=True)
    ]
    examples = [result for result in results if isinstance(result, Example)]
    return examples, [result for result in results if isinstance(result, Skipped)]


def _example(utterance: Utterance, source: Source, config: FeatureConfig, task: Targets) -> Example | Skipped:
    target = task.target(utterance)
    if isinstance(target, Skipped):
        return target
    signal = Waveform(source) if source.ndim == 1 else Cepstra(source)
    needed, num_frames = task.min_frames(target), config.num_stacked(signal.num_frames(config))
    if needed > num_frames:
        return Skipped(
            utterance.id,
            f"transcript too long for its sound: {task.text(target)!r} needs {needed} frames, there are {num_frames}",
        )
    return Example(utterance.id, target, signal)
