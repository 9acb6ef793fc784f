"""Best path decoding: the likeliest token of every frame, collapsed (Graves et al. 2006, section 3.2)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode import ctc_paths
from asr.decode.hypothesis import Emission, Hypothesis, check
from asr.text import Tokenizer


def decode(
    log_probs: npt.NDArray[np.floating[Any]], lengths: npt.NDArray[np.integer[Any]] | None = None
) -> list[list[int]]:
    """log_probs (B, T, V) and their true lengths (B,) (None: all T) -> tokens of each utterance."""
    paths = log_probs.argmax(axis=2)
    if lengths is None:
        lengths = np.full(len(paths), paths.shape[1])
    return [ctc_paths.collapse(path[:length]) for path, length in zip(paths, lengths, strict=True)]


class Greedy:
    """The Decoder of the best path; its score is that path's log-probability."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __call__(self, log_probs: Emission, nbest: int | None = None) -> list[Hypothesis]:  # noqa: ARG002
        """log_probs (T, V) -> one hypothesis, whatever `nbest`. Raises DecodeError if they are no log-probabilities."""
        check(log_probs)
        path = log_probs.argmax(axis=1)
        text = self.tokenizer.decode(ctc_paths.collapse(path))
        return [Hypothesis(" ".join(text.split()), float(log_probs[np.arange(len(path)), path].sum()))]
