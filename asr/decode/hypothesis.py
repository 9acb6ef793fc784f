"""What every decoder takes and gives: one utterance's emission in, hypotheses out, best first."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

Emission = npt.NDArray[np.floating[Any]]
_TOLERANCE = 1e-3  # of a frame's summed probability: float32, and float16 too


class DecodeError(UserError):
    """Something that cannot be decoded, or decoded with; the message is one sentence that names the file."""


@dataclass(frozen=True)
class Hypothesis:
    """One reading of an utterance; its score is a natural logarithm, comparable within the utterance alone."""

    text: str
    score: float
    spoken: str = ""
    """With the words of other speech, where the decoder lets it through."""
    others: tuple[int, ...] = ()
    """Which words of `spoken` these are."""

    @property
    def words(self) -> tuple[str, ...]:
        """The text split at its spaces."""
        return tuple(self.text.split())


class Decoder(Protocol):
    """Log-probabilities -> hypotheses."""

    def __call__(self, log_probs: Emission, nbest: int | None = None) -> list[Hypothesis]:
        """log_probs (T, V) of one utterance -> hypotheses, best first: at least one, at most `nbest`.

        None: as many as it was made for.
        """


def probabilities(log_probs: Emission) -> npt.NDArray[np.float64]:
    """log_probs (T, V) -> probabilities (T, V), checked.

    Raises DecodeError where a frame's probabilities do not sum to one: logits, probabilities, or padding.
    """
    return _checked(log_probs, np.dtype(np.float64))


def check(log_probs: Emission) -> None:
    """Raises DecodeError as `probabilities` does, in half its time."""
    _checked(log_probs, np.result_type(log_probs, np.float32))


def _checked(log_probs: Emission, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if log_probs.ndim != 2:
        raise DecodeError(f"an emission has two axes, frames and tokens, not shape {log_probs.shape}")
    with np.errstate(all="ignore"):  # BLAS raises flags of its own; what is no number is found below
        probability = np.exp(log_probs, dtype=dtype)
        total = probability @ np.ones(probability.shape[1], dtype)  # twice as fast as a sum over short rows
    wrong = np.flatnonzero(~(np.abs(total - 1) <= _TOLERANCE))
    if len(wrong):
        raise DecodeError(
            f"frame {wrong[0]} of the emission holds probabilities that sum to {total[wrong[0]]:.4g}, not to 1: "
            "give the logarithms that the softmax made, without padding"
        )
    return np.asarray(probability)
