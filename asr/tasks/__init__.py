"""What a network is trained for: targets, loss, decoding, score. A task is one file, and one line in `TASKS`.

PyTorch is imported where a loss is computed, and not before: what a task decodes and scores needs none.
"""

from pathlib import Path

from asr.modelfile.card import ModelCard, ModelError
from asr.tasks.classify import Classify
from asr.tasks.ctc import Ctc
from asr.tasks.tag import Tag
from asr.tasks.task import Task

TASKS: dict[str, type[Task]] = {"ctc": Ctc, "classify": Classify, "tag": Tag}


class OtherTaskError(ModelError):
    """A model that is for another command."""


def of(card: ModelCard) -> Task:
    """The task of a model. Raises ModelError for one that this version does not have."""
    if card.task not in TASKS:
        raise ModelError(f"its task is {card.task}, and this version has {', '.join(TASKS)}")
    return TASKS[card.task](card.text, card.labels)


def check(path: Path, card: ModelCard, command: str) -> None:
    """Raise OtherTaskError naming the file of a model that is for another command than `command`."""
    try:
        own = of(card).command
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if own != command:
        raise OtherTaskError(f"{path}: its task is {card.task}, and {own} is for it")
