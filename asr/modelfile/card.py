"""What travels with the weights of a model: everything that inference needs beside them, and where they came from."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from asr.endpointing import SpeechConfig
from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor, Statistics
from asr.modelfile.recognition_config import RecognitionConfig
from asr.modelfile.typed import parse, record
from asr.text import TextConfig, Tokenizer

_SAME = ("features", "text", "statistics", "recognition", "speech", "task", "labels")
FORMAT = 2  # of the metadata; another number is another meaning


class ModelError(UserError):
    """A model file that cannot be used; the message names the file."""


@dataclass(frozen=True)
class Tuning:
    """What a dev split taught one kind of decoder: its weights (None: not tuned), the calibration of its confidence."""

    lm_weight: float | None = None
    word_bonus: float | None = None
    blank_penalty: float | None = None
    slope: float = 1.0
    intercept: float = 0.0
    min_confidence: float | None = None
    """Words below it are dropped, for so many false accepts per hour as were asked for."""
    garbage_penalty: float | None = None
    """What a word of other speech costs, which stands beside what is to be recognised; None: there is none."""
    grammar_weight: float | None = None
    """Weight of the log-probabilities of sentences; None: all weigh the same."""


@dataclass(frozen=True)
class Timing:
    """How long before its first token a word begins, and how long after its last it ends: see align.word_times.

    The defaults are means over networks that differ by 30 ms, with the seed alone; tools/align_error.py measures both.
    """

    lead_s: float = 0.04
    tail_s: float = 0.03

    def __post_init__(self) -> None:
        if not (-10 <= self.lead_s <= 10 and -10 <= self.tail_s <= 10):
            raise UserError("timing.lead_s and tail_s must be from -10 to 10")


@dataclass(frozen=True)
class ModelCard:
    """Everything that inference needs beside the weights, and where the model came from."""

    features: FeatureConfig
    text: TextConfig
    statistics: Statistics | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    commit: str = ""
    tuning: dict[str, Tuning] = field(default_factory=dict)
    """By kind of decoder; see DecoderConfig.kind."""
    timing: Timing = Timing()
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    """What counts as speech, and where it is cut: that of the version that made the model."""
    sentences: dict[str, Any] | None = None
    """The sentences that it recognises, see asr.grammar.compiled; None: any text."""
    precision: Literal["float32", "int8"] = "float32"
    """Of the weights in the file."""
    task: str = "ctc"
    """What it was trained for, see asr.tasks."""
    labels: tuple[str, ...] = ()
    """What its outputs stand for, where that is not the alphabet."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each output of the network stands for."""
        return self.labels or self.tokenizer.tokens

    def __post_init__(self) -> None:
        if not self.text.alphabet:
            raise ModelError("a model's text.alphabet names at least one character")

    @property
    def tokenizer(self) -> Tokenizer:
        """Characters <-> token ids of this model."""
        return Tokenizer(self.text.alphabet)

    @property
    def extractor(self) -> FeatureExtractor:
        """The front end of this model."""
        return FeatureExtractor(self.features, self.statistics)

    def has_same_input_as(self, other: "ModelCard") -> bool:
        """Whether frames and outputs are the same for both models."""
        mine, theirs = self.to_metadata(), other.to_metadata()
        return all(mine[part] == theirs[part] for part in _SAME)

    def to_metadata(self) -> dict[str, str]:
        """String values by name, as ONNX metadata holds them."""
        statistics = self.statistics and {name: value.tolist() for name, value in vars(self.statistics).items()}
        parts = {
            "features": asdict(self.features),
            "text": asdict(self.text),
            "statistics": statistics,
            "recognition": asdict(self.recognition),
            "speech": asdict(self.speech),
            "recipe": self.recipe,
            "tokens": self.outputs,
            "labels": self.labels,
            "task": self.task,
            "tuning": {kind: asdict(tuning) for kind, tuning in self.tuning.items()},
            "timing": asdict(self.timing),
            "sentences": self.sentences,
            "precision": self.precision,
        }
        return {name: json.dumps(value, ensure_ascii=False) for name, value in parts.items()} | {
            "format": str(FORMAT),
            "sample_rate": str(self.features.sample_rate),
            "version": self.version,
            "commit": self.commit,
        }

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "ModelCard":
        """The card of a model file; raises ModelError if the metadata is not ours."""
        if "features" in metadata and metadata.get("format") != str(FORMAT):
            raise ModelError(
                f"metadata of format {metadata.get('format', 1)}, where this version reads {FORMAT}: train the model "
                "again, or rewrite its metadata with tools/upgrade_model.py"
            )
        try:
            features = record(FeatureConfig, parse(metadata, "features"), "features")
            recipe = parse(metadata, "recipe")
            tuning = parse(metadata, "tuning")
            if not isinstance(recipe, dict) or not isinstance(tuning, dict):
                raise UserError("recipe or tuning is no JSON object")
            made = cls(
                features=features,
                text=record(TextConfig, parse(metadata, "text"), "text"),
                statistics=_statistics(parse(metadata, "statistics"), features),
                recognition=record(RecognitionConfig, parse(metadata, "recognition"), "recognition"),
                speech=record(SpeechConfig, parse(metadata, "speech"), "speech"),
                recipe=recipe,
                version=metadata["version"],
                commit=metadata["commit"],
                tuning={kind: record(Tuning, values, f"tuning.{kind}") for kind, values in tuning.items()},
                timing=record(Timing, parse(metadata, "timing"), "timing"),
                sentences=parse(metadata, "sentences") if "sentences" in metadata else None,
                precision=parse(metadata, "precision"),
                task=parse(metadata, "task") if "task" in metadata else "ctc",
                labels=_labels(parse(metadata, "labels")) if "labels" in metadata else (),
            )
            made._check_kinds()
        except (KeyError, UserError) as error:
            raise ModelError(f"not a model of this package: its metadata does not fit ({error})") from None
        return made

    def check_statistics(self) -> None:
        """Raise ModelError where its features need statistics that it lacks."""
        scopes = {self.features.mean, self.features.variance}
        if scopes & {"corpus", "speech"} and self.statistics is None:
            raise ModelError("not a model of this package: its statistics are missing")

    def _check_kinds(self) -> None:
        self.recognition.check(self.features)
        if not isinstance(self.task, str):
            raise UserError("task is no name")
        if self.precision not in ("float32", "int8"):
            raise UserError("precision is neither float32 nor int8")
        if self.sentences is not None and not isinstance(self.sentences, dict):
            raise UserError("sentences is no JSON object")


def _labels(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(label, str) for label in values):
        raise UserError("labels are not a list of names")
    return tuple(values)


def _statistics(values: Any, features: FeatureConfig) -> Statistics | None:
    """Those of a model; raises UserError where they are not finite, or of another number than its features."""
    if values is None:
        return None
    num_values = features.num_cepstra * (1 + features.deltas)
    if not isinstance(values, dict) or set(values) != {"mean", "std"}:
        raise UserError("statistics are not a mean and a std")
    for name, row in values.items():
        if not isinstance(row, list) or len(row) != num_values or not all(type(one) in (int, float) for one in row):
            raise UserError(f"statistics.{name} is not a list of {num_values} numbers")
    with np.errstate(over="ignore"):
        mean, std = (np.array(values[name], np.float32) for name in ("mean", "std"))
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise UserError("statistics are not finite, or a std is not above 0")
    return Statistics(mean, std)
