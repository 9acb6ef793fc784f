"""The folder of a run, read: its epochs, its model's metadata, what it was tested on and what came out."""

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr import files, machine, score, tasks
from asr.data import corpus
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.modelfile import session
from asr.modelfile.card import ModelCard
from asr.modelfile.locate import MODEL_FILE
from asr.score.classes import Classes

if TYPE_CHECKING:
    from asr.recognition.recognizer import Recognizer

ENVIRONMENT_FILE, METRICS_FILE, COMMANDS_FILE = "environment.json", "metrics.jsonl", "commands.json"
_PACKAGES = "bilstm-ctc-asr numpy torch onnx onnxruntime soundfile soxr pydantic pyyaml matplotlib".split()


class ReportError(UserError):
    """A run that cannot be reported on; the message names its folder."""


@dataclass(frozen=True)
class Tested:
    """References and hypotheses of a split, with what its manifest knows of the utterances, where that is there."""

    split: str
    references: Mapping[str, str]
    hypotheses: Mapping[str, str]
    utterances: Mapping[str, Utterance]

    @cached_property
    def score(self) -> score.Score:
        """Word and character errors."""
        speakers = {key: one.speaker for key, one in self.utterances.items() if one.speaker and key in self.references}
        return score.score(self.references, self.hypotheses, speakers=speakers)

    @cached_property
    def classes(self) -> Classes:
        """Labels against labels, where the model is a classifier."""
        return Classes.of(self.references, self.hypotheses)


@dataclass(frozen=True)
class Run:
    """What is in the folder of a run. Made by `read`."""

    folder: Path
    name: str
    card: ModelCard
    epochs: list[dict[str, float]]
    tested: dict[str, Tested]
    """By split: test (or what stood in for it), and real."""

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Raises ReportError for what is not the folder of a finished run, ModelError for a model that is damaged."""
        for name in (METRICS_FILE, MODEL_FILE):
            if not (folder / name).is_file():
                raise ReportError(f"{folder}: not the folder of a finished run: it has no {name}")
        lines = files.Lines(folder / METRICS_FILE, error=ReportError)
        try:
            epochs = [json.loads(line) for line in lines if line.strip()]
        except ValueError as error:
            raise ReportError(f"{lines.name}, line {lines.number}: not JSON: {error}") from None
        _, card = session.load(folder / MODEL_FILE, runtime="numpy")
        data = cls._data_of(card)
        tested = {}
        for split in (*reversed(corpus.SPLITS), corpus.REAL):
            texts = [_texts(folder / f"{split}.{side}.trn") for side in ("ref", "hyp")]
            if texts[0] and texts[1]:
                known = {one.id: one for one in _utterances(data, split)}
                tested[split] = Tested(split, texts[0], {key: texts[1].get(key, "") for key in texts[0]}, known)
        return cls(folder, folder.name, card, epochs, tested)

    @staticmethod
    def _data_of(card: ModelCard) -> Path:
        return Path(str(card.recipe.get("data", {}).get("folder", ""))).expanduser()

    @property
    def data(self) -> Path:
        """Where the manifests lay, as seen from the folder in which the training was started."""
        return self._data_of(self.card)

    @property
    def is_recogniser(self) -> bool:
        """Whether its outputs are texts, not labels."""
        return tasks.of(self.card).command == "asr-transcribe"

    @cached_property
    def recognizer(self) -> "Recognizer":
        """Of its model, loaded once."""
        from asr.recognition.recognizer import Recognizer

        return Recognizer.load(self.folder)

    @cached_property
    def splits(self) -> dict[str, list[Utterance]]:
        """The manifests that are still there."""
        found = {name: _utterances(self.data, name) for name in corpus.PARTS}
        return {name: utterances for name, utterances in found.items() if utterances}

    @cached_property
    def skipped(self) -> list[tuple[str, str, str]]:
        """(split or empty, id, why) of what the corpus and the training skipped."""
        made = [("", *row) for row in _rows(self.data / corpus.SKIPPED, 2)]
        return [(one[0], one[1], one[2]) for one in (*made, *_rows(self.folder / corpus.SKIPPED, 3))]

    @property
    def commands(self) -> dict[str, Any]:
        """Intents and slots, and what was accepted of other speech, where it is a run of sentences."""
        return _json(self.folder / COMMANDS_FILE)

    @property
    def environment(self) -> dict[str, Any]:
        """Where and how it was trained, where that was written."""
        return _json(self.folder / ENVIRONMENT_FILE)


def environment() -> dict[str, Any]:
    """This command line, this Python, this machine, and the versions of what computes."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "cores": machine.num_cores(),
        "packages": packages,
    }


def _texts(path: Path) -> dict[str, str]:
    return dict(score.read(path).texts) if path.is_file() and path.stat().st_size else {}


def _utterances(folder: Path, split: str) -> list[Utterance]:
    try:
        return corpus.read_split(folder, split)
    except UserError:  # made by another version, or for another corpus since
        return []


def _rows(path: Path, width: int) -> list[list[str]]:
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    return [fields for line in lines if len(fields := line.split("\t", width - 1)) == width]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
