"""What tasks whose outputs are labels have in common: of every frame, or of a whole utterance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.data.examples import Target
from asr.tasks.task import Outputs
from asr.text import TextConfig


class Labels:
    """A network whose outputs stand for labels: it spells nothing, and joins no utterances."""

    command = "asr-classify"
    choose_by = "error"
    spells = False

    def __init__(self, text: TextConfig, labels: Sequence[str]) -> None:  # noqa: ARG002 -- it spells nothing
        self.outputs = tuple(labels)
        self._index = {label: index for index, label in enumerate(self.outputs)}

    def min_frames(self, target: Target) -> int:  # noqa: ARG002
        """One."""
        return 1

    def join(self, targets: Sequence[Target]) -> Target:
        """The only one."""
        (target,) = targets
        return target

    def observe(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> dict[str, float]:  # noqa: ARG002
        """Nothing: every frame has a label."""
        return {}
