"""What the loop, the batches and a run know of a task: this, and no more."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from asr.data.examples import Targets


class Task(Targets, Protocol):
    """What a network is trained for. A task is one file: targets, loss, decoding and score."""

    choose_by: str
    """The error rate of `score` that chooses the best epoch."""

    @property
    def outputs(self) -> Sequence[str]:
        """What each output of the network stands for: a model to begin with may have them in another order."""
        ...

    def loss(self, outputs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """Outputs (B, T, V), lengths (B,), targets (B, L) padded with anything, target_lengths (B,) -> nats (B,)."""
        ...

    def disagreement(self, outputs: Tensor, again: Tensor, lengths: Tensor) -> Tensor:
        """How far the outputs (B, T, V) of two views of each utterance are apart, in nats: (B,)."""
        ...

    def decode(self, outputs: npt.NDArray[np.floating[Any]], lengths: npt.NDArray[np.integer[Any]]) -> list[str]:
        """Outputs (B, T, V), lengths (B,) -> what each utterance comes to, as `Targets.text` writes targets."""
        ...

    def observe(
        self, outputs: npt.NDArray[np.floating[Any]], lengths: npt.NDArray[np.integer[Any]]
    ) -> Mapping[str, float]:
        """How many frames of outputs (B, T, V) with lengths (B,) look like something worth watching, by its name."""
        ...

    def score(self, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> dict[str, float]:
        """Error rates by name, as fractions, of texts by id."""
        ...
