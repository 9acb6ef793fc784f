"""One label for a whole utterance: the mean of the network's outputs over its frames, and cross-entropy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.data.examples import Target
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError
from asr.tasks.labels import Labels
from asr.tasks.task import Outputs, Span, divergence, is_inside
from asr.text import TextConfig

if TYPE_CHECKING:
    from torch import Tensor

    from asr.score.classes import Classes


class Classify(Labels):
    """The task of a classifier: to name the class of an utterance."""

    @staticmethod
    def check(text: TextConfig, join: int) -> None:  # noqa: ARG004
        """Raise UserError where utterances are joined: two classes would be none."""
        if join > 1:
            raise UserError("augment.join makes one utterance of several, which has no class: remove it")

    @staticmethod
    def labels_of(utterances: Sequence[Utterance]) -> tuple[str, ...]:
        """The classes, in the order of their names."""
        return tuple(sorted({label for utterance in utterances if (label := _label(utterance))}))

    def target(self, utterance: Utterance) -> Target | Skipped:
        """The index of its class, (1,): its label, or without one its transcript, as the name of a folder is."""
        label = _label(utterance)
        if not label:
            return Skipped(utterance.id, "no label: neither label nor text")
        if label not in self._index:
            return Skipped(utterance.id, f"unknown class: nothing in the training split is {label!r}")
        return np.array([self._index[label]], np.int64)

    def text(self, target: Target) -> str:
        """The name of the class."""
        return self.outputs[int(target[0])]

    def loss(self, outputs: "Tensor", lengths: "Tensor", targets: "Tensor", target_lengths: "Tensor") -> "Tensor":  # noqa: ARG002
        """Cross-entropy of each utterance, in nats: (B,)."""
        return -_pooled(outputs, lengths).gather(1, targets[:, :1])[:, 0]

    def disagreement(self, outputs: "Tensor", again: "Tensor", lengths: "Tensor") -> "Tensor":
        """How far the classes of two views diverge, in nats: (B,)."""
        return divergence(_pooled(outputs, lengths), _pooled(again, lengths))

    def decode(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> list[str]:
        """The most probable class of each utterance."""
        means = [frames[:length].mean(axis=0) for frames, length in zip(outputs, lengths.tolist(), strict=True)]
        return [self.outputs[int(mean.argmax())] for mean in means]

    def spans(self, outputs: Outputs) -> list[Span]:
        """One of all frames."""
        mean = outputs.mean(axis=0)
        return [(0, len(outputs), np.exp(mean - np.logaddexp.reduce(mean)))]

    def report(self, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> "Classes":
        """Accuracy, and precision, recall and F1 of each class."""
        from asr.score.classes import Classes  # which transcribing never needs

        return Classes.of(references, {key: hypotheses.get(key, "") for key in references})


def _label(utterance: Utterance) -> str:
    return utterance.text if utterance.label is None else utterance.label


def _pooled(outputs: "Tensor", lengths: "Tensor") -> "Tensor":
    """Log-probabilities (B, T, V) of frames -> of utterances (B, V), from the mean over each one's own frames.

    The mean of logits gives the same: in each frame the two differ by a number that all classes share.
    """
    inside = is_inside(outputs, lengths)[:, :, None]
    return (outputs.where(inside, 0).sum(dim=1) / lengths[:, None]).log_softmax(dim=1)
