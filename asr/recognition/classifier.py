"""Classifier: sound -> what it is, as a whole or part by part, on numpy and onnxruntime."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import tasks
from asr.errors import UserError
from asr.features import FeatureError
from asr.modelfile import session
from asr.modelfile.card import ModelCard
from asr.modelfile.locate import model_file
from asr.recognition import source
from asr.recognition.acoustic import Network
from asr.recognition.frontend import FrontEnd
from asr.recognition.source import Source
from asr.tasks.task import Outputs, Task


@dataclass(frozen=True)
class Labelled:
    """A part of a sound, or all of it, and the probability of each label there, the most probable first."""

    start_s: float
    end_s: float
    probabilities: tuple[tuple[str, float], ...]

    @property
    def label(self) -> str:
        """The most probable one."""
        return self.probabilities[0][0]

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.probabilities[0][1]


@dataclass(frozen=True)
class Classifier:
    """A trained model whose outputs are labels: of a whole sound, or of each of its frames. `load` makes one."""

    card: ModelCard
    task: Task
    frontend: FrontEnd
    network: Network

    @classmethod
    def load(cls, path: str | Path, *, threads: int = 1) -> "Classifier":
        """Load a .onnx file, or the one in a run folder; raises ModelError naming the file, also for a recogniser."""
        path = model_file(path)
        running, card = session.load(path, threads=threads)
        tasks.check(path, card, "asr-classify")
        return cls.of(running, card)

    @classmethod
    def of(cls, running: Any, card: ModelCard) -> "Classifier":
        """A classifier of an onnxruntime session."""
        extractor = card.extractor
        front_end = FrontEnd(extractor, card.recognition, card.speech)
        return cls(card, tasks.of(card), front_end, Network.of(running, card, extractor))

    def classify(self, anything: Source, sample_rate: int | None = None) -> list[Labelled]:
        """What a sound is, or each of its parts in order: a file, its bytes, a waveform (num_samples,), an utterance.

        The waveform is at `sample_rate`. Raises a UserError that names the file.
        """
        outputs, duration_s = self.outputs(anything, sample_rate)
        frame_s = self.card.features.frame_ms / 1000
        return [
            Labelled(
                round(min(start * frame_s, duration_s), 3),
                round(duration_s if end == len(outputs) else min(end * frame_s, duration_s), 3),
                self._named(values),
            )
            for start, end, values in self.task.spans(outputs)
        ]

    def classify_all(self, sources: Iterable[Source]) -> Iterator[list[Labelled] | UserError]:
        """What `classify` gives for each source, in order, or what is wrong with it."""
        for anything in sources:
            try:
                yield self.classify(anything)
            except UserError as error:
                yield error

    def outputs(self, anything: Source, sample_rate: int | None = None) -> tuple[Outputs, float]:
        """Log-probabilities (T, V) of a whole sound, which is never skipped as silence, and its length in seconds."""
        sound = source.open(anything, self.frontend.config, sample_rate)
        segments = [replace(segment, is_speech=True) for segment in self.frontend.segments(sound)]
        outputs = np.concatenate(self.network.emissions(segments))
        if not len(outputs):
            raise FeatureError(f"{sound.name}: holds no sound")
        return outputs, segments[-1].end_s

    def _named(self, values: npt.NDArray[np.floating[Any]]) -> tuple[tuple[str, float], ...]:
        order = np.argsort(-values, kind="stable").tolist()
        return tuple((self.task.outputs[index], float(values[index])) for index in order)
