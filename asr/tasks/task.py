"""What the loop, the batches, a run and the commands know of a task: this, and no more."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.data.examples import Targets
from asr.data.manifest import Utterance
from asr.text import TextConfig

if TYPE_CHECKING:
    from torch import Tensor

Outputs = npt.NDArray[np.floating[Any]]
"""Log-probabilities, of one utterance (T, V) or of several (B, T, V)."""
Span = tuple[int, int, npt.NDArray[np.floating[Any]]]
"""Frames from the first up to the last, which is not of it, and the probabilities (V,) of all outputs there."""


class Report(Protocol):
    """What a model scores on a set of utterances."""

    @property
    def rates(self) -> dict[str, float]:
        """Error rates by name, as fractions; the first is the one that counts."""
        ...

    @property
    def summary(self) -> str:
        """All of it in a line."""
        ...

    def to_text(self) -> str:
        """As a table."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        ...


class Task(Targets, Protocol):
    """What a network is trained for. A task is one file: targets, loss, decoding and score."""

    command: str
    """What a model of it is used with."""
    choose_by: str
    """The error rate of its reports that chooses the best epoch."""
    spells: bool
    """Whether it learns what the transcripts say."""

    def __init__(self, text: TextConfig, labels: Sequence[str]) -> None: ...

    @staticmethod
    def check(text: TextConfig, join: int) -> None:
        """Raise UserError where the settings of text, or `augment.join`, are none for this task."""
        ...

    @staticmethod
    def labels_of(utterances: Sequence[Utterance]) -> tuple[str, ...]:
        """The labels of a training split: none of a task whose outputs follow from the settings of text."""
        ...

    @property
    def outputs(self) -> Sequence[str]:
        """What each output of the network stands for: a model to begin with may have them in another order."""
        ...

    def loss(self, outputs: "Tensor", lengths: "Tensor", targets: "Tensor", target_lengths: "Tensor") -> "Tensor":
        """Outputs (B, T, V), lengths (B,), targets (B, L) padded with anything, target_lengths (B,) -> nats (B,)."""
        ...

    def disagreement(self, outputs: "Tensor", again: "Tensor", lengths: "Tensor") -> "Tensor":
        """How far the outputs (B, T, V) of two views of each utterance are apart, in nats: (B,)."""
        ...

    def decode(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> list[str]:
        """Outputs (B, T, V), lengths (B,) -> what each utterance comes to, as `Targets.text` writes targets."""
        ...

    def observe(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> Mapping[str, float]:
        """How many frames of outputs (B, T, V) with lengths (B,) look like something worth watching, by its name."""
        ...

    def spans(self, outputs: Outputs) -> list[Span]:
        """Outputs (T, V) of one utterance -> what it comes to, by its place in it."""
        ...

    def report(self, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> Report:
        """What texts by id score."""
        ...


def divergence(outputs: "Tensor", again: "Tensor") -> "Tensor":
    """Log-probabilities (..., V) of two views -> the mean of KL(again || outputs) and KL(outputs || again), in nats.

    In each of them the first is a target that no gradient reaches (CR-CTC, Yao et al. 2024).
    """
    from torch.nn.functional import kl_div

    one, other = (
        kl_div(log_probs, target.detach(), reduction="none", log_target=True).sum(dim=-1)
        for log_probs, target in ((outputs, again), (again, outputs))
    )
    return (one + other) / 2


def is_inside(outputs: "Tensor", lengths: "Tensor") -> "Tensor":
    """Which frames of outputs (B, T, V) are not padding: (B, T)."""
    import torch

    return torch.arange(outputs.shape[1], device=outputs.device) < lengths[:, None]
