"""A label for each frame: cross-entropy frame by frame."""

import itertools
import math
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

NOTHING = "_"
"""The label of frames that no label of an utterance covers."""
_STEPS_PER_S = 100  # of a target whose labels have times


class Tag(Labels):
    """The task of a tagger: to name the class of each frame.

    The labels of an utterance are laid over the frames of its features evenly: one each where there are as many, and in
    step with them where tempo or stacked frames make more or fewer.
    """

    @staticmethod
    def check(text: TextConfig, join: int) -> None:  # noqa: ARG004
        """Raise UserError where utterances are joined: the silence between them has no label."""
        if join > 1:
            raise UserError("augment.join makes one utterance of several, whose frames have no labels: remove it")

    @staticmethod
    def labels_of(utterances: Sequence[Utterance]) -> tuple[str, ...]:
        """The labels, in the order of their names."""
        return tuple(sorted({label for utterance in utterances for label in _steps(utterance)}))

    def target(self, utterance: Utterance) -> Target | Skipped:
        """The indices of its labels, (L,): as many as it has, or 100 in a second where they have times."""
        steps = _steps(utterance)
        if not steps:
            return Skipped(utterance.id, "no labels: the manifest gives none")
        for label in steps:
            if label not in self._index:
                return Skipped(utterance.id, f"unknown label: nothing in the training split is {label!r}")
            if label.split() != [label]:
                return Skipped(utterance.id, f"a label of more than one word: {label!r}")
        return np.array([self._index[label] for label in steps], np.int64)

    def text(self, target: Target) -> str:
        """The labels, a space between."""
        return " ".join(self.outputs[index] for index in target.tolist())

    def loss(self, outputs: "Tensor", lengths: "Tensor", targets: "Tensor", target_lengths: "Tensor") -> "Tensor":
        """Cross-entropy of each utterance, in nats: (B,): the mean over frames, times its number of labels."""
        import torch

        frames = torch.arange(outputs.shape[1])
        places = (frames * target_lengths[:, None] // lengths[:, None]).clamp(max=targets.shape[1] - 1)
        losses = -outputs.gather(2, targets.gather(1, places)[:, :, None])[:, :, 0]
        return losses.where(is_inside(outputs, lengths), 0).sum(dim=1) / lengths * target_lengths

    def disagreement(self, outputs: "Tensor", again: "Tensor", lengths: "Tensor") -> "Tensor":
        """How far two views of each utterance diverge, summed over frames, in nats: (B,)."""
        return divergence(outputs, again).where(is_inside(outputs, lengths), 0).sum(dim=1)

    def decode(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> list[str]:
        """The most probable label of each frame, a space between."""
        best = [frames[:length].argmax(axis=1) for frames, length in zip(outputs, lengths.tolist(), strict=True)]
        return [self.text(indices) for indices in best]

    def spans(self, outputs: Outputs) -> list[Span]:
        """One for each run of frames of one label, with the mean of its probabilities."""
        best = outputs.argmax(axis=1)
        bounds = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        return [(start, end, np.exp(outputs[start:end]).mean(axis=0)) for start, end in itertools.pairwise(bounds)]

    def report(self, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> "Classes":
        """Accuracy over labels, and precision, recall and F1 of each; frames are laid over the labels evenly."""
        true: dict[str, str] = {}
        found: dict[str, str] = {}
        for key, text in references.items():
            labels, frames = text.split(), hypotheses.get(key, "").split()
            for index, label in enumerate(labels):
                true[f"{key}#{index}"] = label
                # The frame in the middle of the label's share of them.
                place = (2 * index + 1) * len(frames) // (2 * len(labels))
                found[f"{key}#{index}"] = frames[place] if frames else ""
        from asr.score.classes import Classes  # which transcribing never needs

        return Classes.of(true, found)


def _steps(utterance: Utterance) -> list[str]:
    """Its labels, evenly spaced: as they stand, or by their times."""
    timed = [label for label in utterance.labels if label.end_s is not None]
    if len(timed) < len(utterance.labels) or not timed:
        return [label.name for label in utterance.labels]
    end_s = utterance.duration_s or max(label.end_s or 0.0 for label in timed) - utterance.start_s
    steps = [NOTHING] * max(1, math.ceil(round(end_s * _STEPS_PER_S, 6)))
    for label in timed:
        first, last = (round((time - utterance.start_s) * _STEPS_PER_S) for time in (label.start_s, label.end_s or 0.0))
        first, last = max(first, 0), min(last, len(steps))
        steps[first:last] = [label.name] * max(last - first, 0)
    return steps
