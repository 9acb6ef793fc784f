"""Connectionist temporal classification (Graves et al. 2006): characters in order, without their times."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.data.examples import Target
from asr.data.manifest import Skipped, Utterance
from asr.decode import ctc_paths, greedy
from asr.errors import UserError
from asr.tasks.task import Outputs, Span, divergence, is_inside
from asr.text import BLANK, TextConfig, TextError, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from asr import score


class Ctc:
    """The task of a recogniser: to spell the transcript of an utterance."""

    command = "asr-transcribe"
    choose_by = "cer"
    spells = True

    def __init__(self, text: TextConfig, labels: Sequence[str] = ()) -> None:  # noqa: ARG002 -- it has characters
        self.text_config = text
        self.tokenizer = Tokenizer(text.alphabet)

    @staticmethod
    def check(text: TextConfig, join: int) -> None:
        """Raise UserError where utterances are joined by a space that the alphabet does not have."""
        if join > 1 and text.alphabet and " " not in text.alphabet:
            raise UserError("augment.join puts a space between utterances: add it to text.alphabet")

    @staticmethod
    def labels_of(utterances: Sequence[Utterance]) -> tuple[str, ...]:  # noqa: ARG004
        """None: its outputs are the characters of the alphabet."""
        return ()

    @property
    def outputs(self) -> Sequence[str]:
        """The tokens: the blank, then the characters."""
        return self.tokenizer.tokens

    def target(self, utterance: Utterance) -> Target | Skipped:
        """The tokens of the transcript, (L,).

        A transcript of no characters at all, not even spaces, says that nobody speaks: it has no tokens.
        """
        try:
            tokens = self.tokenizer.encode(self.text_config.normalise(utterance.text))
        except TextError as error:
            return Skipped(utterance.id, f"outside the alphabet: {error} (in {utterance.text!r})")
        if not tokens and utterance.text:
            return Skipped(utterance.id, f"empty transcript: nothing is left of {utterance.text!r}")
        return np.array(tokens, np.int64)

    def text(self, target: Target) -> str:
        """The characters of a target."""
        return self.tokenizer.decode(target.tolist())

    def min_frames(self, target: Target) -> int:
        """A frame for each token, and one for the blank between equal neighbours."""
        return ctc_paths.min_frames(target)

    def join(self, targets: Sequence[Target]) -> Target:
        """One target after another, a space between."""
        space = np.array(self.tokenizer.encode(" ") if len(targets) > 1 else [], np.int64)
        parts = [part for target in targets for part in (space, target)]
        return np.concatenate(parts[1:])

    def loss(self, outputs: "Tensor", lengths: "Tensor", targets: "Tensor", target_lengths: "Tensor") -> "Tensor":
        """Negative log-likelihood of each utterance, in nats: (B,).

        Outputs (B, T, V) are log-probabilities; lengths (B,), targets (B, L) padded with anything, target_lengths
        (B,). An utterance whose tokens need more frames than it has costs infinity: nothing is zeroed, the caller
        decides.
        """
        from torch.nn.functional import ctc_loss

        log_probs = outputs.transpose(0, 1)
        return ctc_loss(log_probs, targets, lengths, target_lengths, blank=BLANK, reduction="none")

    def disagreement(self, outputs: "Tensor", again: "Tensor", lengths: "Tensor") -> "Tensor":
        """How far two views of each utterance disagree, in nats: (B,), with which CR-CTC (Yao et al. 2024) regularises.

        Outputs and `again` (B, T, V) are log-probabilities, lengths (B,): the sum of their divergence over frames.
        """
        return divergence(outputs, again).where(is_inside(outputs, lengths), 0).sum(dim=1)

    def decode(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> list[str]:
        """Log-probabilities (B, T, V), lengths (B,) -> the characters of the best path of each utterance."""
        return [self.tokenizer.decode(tokens) for tokens in greedy.decode(outputs, lengths)]

    def observe(self, outputs: Outputs, lengths: npt.NDArray[np.integer[Any]]) -> dict[str, float]:
        """In how many frames of log-probabilities (B, T, V), lengths (B,), the blank is the most probable token."""
        best = outputs.argmax(axis=2) == BLANK
        return {"blank": float((best & (np.arange(outputs.shape[1]) < lengths[:, None])).sum())}

    def spans(self, outputs: Outputs) -> list[Span]:
        """One for each run of frames of one token, blanks among them."""
        best = outputs.argmax(axis=1)
        bounds = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        return [(start, end, np.exp(outputs[start:end]).mean(axis=0)) for start, end in itertools.pairwise(bounds)]

    def report(self, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> "score.Score":
        """Word and character errors."""
        from asr import score  # which transcribing never needs

        return score.score(references, hypotheses)
