"""What travels with the weights of a model: everything that inference needs beside them, and where they came from."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor, Statistics
from asr.modelfile.recognition_config import RecognitionConfig
from asr.speech import SpeechConfig
from asr.text import TextConfig, Tokenizer

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


@dataclass(frozen=True)
class Timing:
    """How long before its first token a word begins, and how long after its last it ends: see align.word_times.

    The defaults are means over networks that differ by 30 ms, with the seed alone; tools/align_error.py measures both.
    """

    lead_s: float = 0.04
    tail_s: float = 0.03


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

    @property
    def tokenizer(self) -> Tokenizer:
        """Characters <-> token ids of this model."""
        return Tokenizer(self.text.alphabet)

    @property
    def extractor(self) -> FeatureExtractor:
        """The front end of this model."""
        return FeatureExtractor(self.features, self.statistics)

    def has_same_input_as(self, other: "ModelCard") -> bool:
        """Whether frames and letters are the same for both models."""
        mine, theirs = self.to_metadata(), other.to_metadata()
        return all(mine[part] == theirs[part] for part in ("features", "text", "statistics", "recognition", "speech"))

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
            "tokens": self.tokenizer.tokens,
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
            statistics = json.loads(metadata["statistics"])
            return cls(
                features=FeatureConfig(**json.loads(metadata["features"])),
                text=TextConfig(**json.loads(metadata["text"])),
                statistics=statistics
                and Statistics(**{name: np.array(value, np.float32) for name, value in statistics.items()}),
                recognition=RecognitionConfig(**json.loads(metadata["recognition"])),
                speech=SpeechConfig(**json.loads(metadata["speech"])),
                recipe=json.loads(metadata["recipe"]),
                version=metadata["version"],
                commit=metadata["commit"],
                tuning={kind: Tuning(**values) for kind, values in json.loads(metadata["tuning"]).items()},
                timing=Timing(**json.loads(metadata["timing"])),
                sentences=json.loads(metadata.get("sentences", "null")),
                precision=json.loads(metadata["precision"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, UserError) as error:
            raise ModelError(f"not a model of this package: its metadata does not fit ({error})") from None
