"""What a run came to: the model file, the thing that ships, scored on the test split, and what it wrote of it."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

from asr import files, score, tasks
from asr.data import corpus
from asr.data.manifest import Skipped, Utterance
from asr.modelfile import session
from asr.modelfile.locate import MODEL_FILE
from asr.recognition.evaluate import Evaluation, evaluate_file
from asr.report import confusion, plot
from asr.score.classes import Classes
from asr.score.commands import Accepted, CommandScore
from asr.tasks.task import Report
from asr.training import commands

COMMANDS_FILE = "commands.json"

logger = logging.getLogger("asr.training")


@dataclass(frozen=True)
class Result:
    """What a run came to; `split` is what was scored: test, or where the corpus has none, dev, or else train."""

    run: Path
    split: str
    score: Report
    num_weights: int
    seconds: float
    command: str
    """What the model is used with."""
    example: str | None
    """A sound file of that split in which there is something, to try the model on."""
    real: Report | None = None
    """Of the recordings of people, where the corpus has some beside a synthetic test split."""
    commands: Mapping[str, CommandScore] = field(default_factory=dict)
    """Intents and slots by split: test and real, where they are labelled."""
    accepted: Mapping[str, Accepted] = field(default_factory=dict)
    """Commands found in what is none: near misses and other speech."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": str(self.run),
            "split": self.split,
            **self.score.to_dict(),
            "num_weights": self.num_weights,
            "seconds": self.seconds,
            "example": self.example,
            **({"real": self.real.to_dict()} if self.real else {}),
            **(self.commands_dict() if self.commands else {}),
        }

    def commands_dict(self) -> dict[str, Any]:
        """For JSON: what a recogniser of sentences is judged by."""
        return {
            "commands": {split: scored.to_dict() for split, scored in self.commands.items()},
            "accepted": {kind: found.to_dict() for kind, found in self.accepted.items()},
        }


def test(splits: dict[str, list[Utterance]], run: Path, num_weights: int, began: float) -> Result:
    """Score the model file of a run, and write references, hypotheses and what else there is of its score."""
    split = next(name for name in ("test", "dev", "train") if splits[name])
    evaluated = {name: _evaluated(name, splits[name], run) for name in (split, corpus.REAL) if splits[name]}
    real = evaluated.get(corpus.REAL)
    task = tasks.of(session.load(run / MODEL_FILE)[1])
    example = None
    for utterance in splits[split]:
        target = task.target(utterance)
        if utterance.audio and not isinstance(target, Skipped) and len(target):
            example = utterance.audio
            break
    seconds = round(time.perf_counter() - began, 1)
    result = Result(
        run,
        split,
        evaluated[split].score,
        num_weights,
        seconds,
        task.command,
        example,
        real.score if real and real.references else None,
        {name: evaluation.commands for name, evaluation in evaluated.items() if evaluation.commands},
        commands.accepted(run / MODEL_FILE, splits[corpus.NEGATIVES]),
    )
    if result.commands:
        text = json.dumps(result.commands_dict(), ensure_ascii=False, indent=1)
        files.write_text(run / COMMANDS_FILE, f"{text}\n")
    return result


def _evaluated(split: str, utterances: list[Utterance], run: Path) -> Evaluation[Report]:
    evaluation = evaluate_file(run / MODEL_FILE, utterances)
    for item in evaluation.unreadable:
        logger.warning("%s: %s: counts as an empty hypothesis", item.id, item.reason)
    for name, texts in (("ref", evaluation.references), ("hyp", evaluation.hypotheses)):
        files.write_text(run / f"{split}.{name}.trn", score.format_trn(texts))
    write(evaluation.score, run, split)
    return evaluation


@singledispatch
def write(scored: Report, run: Path, split: str) -> None:
    """What is written of a kind of score beside references and hypotheses: nothing, unless it is registered."""


@write.register
def _(scored: Classes, run: Path, split: str) -> None:
    """Of classes the table by class, and the confusion matrix as a picture."""
    files.write_text(run / f"{split}.report.txt", scored.to_text())
    picture = run / f"{split}.confusion.png"
    try:
        plot.check(picture)
    except plot.PlotError as error:
        logger.info("no %s: %s", picture, error)
    else:
        plot.write(picture, confusion.figure(scored))
