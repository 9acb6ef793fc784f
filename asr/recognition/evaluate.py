"""Transcripts of the utterances of a manifest against their references."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asr import score
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError
from asr.recognition.recognizer import Options, Recognizer
from asr.recognition.transcript import Transcript
from asr.score import ErrorCount
from asr.text import TextError, Tokenizer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Hypotheses by id, what they cost against the references, and the utterances that could not be read."""

    hypotheses: dict[str, str]
    references: dict[str, str]
    score: score.Score
    unreadable: list[Skipped]
    oracle: ErrorCount | None = None
    """Word errors of the best of each utterance's N-best, where more than one hypothesis was asked for."""


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    transcripts: Iterable[Transcript | UserError] | None = None,
) -> Evaluation:
    """Transcribe and score utterances; one that cannot be read counts as an empty hypothesis.

    References go through the model's own normalisation. `transcripts` are those of the utterances, where they are
    made elsewhere.
    """
    if transcripts is None:
        transcripts = recognizer.transcribe_all(utterances, options=Options(has_words=False))
    hypotheses: dict[str, str] = {}
    unreadable: list[Skipped] = []
    nbest: dict[str, list[str]] = {}
    for utterance, transcript in zip(utterances, transcripts, strict=True):
        if isinstance(transcript, UserError):
            unreadable.append(Skipped(utterance.id, str(transcript)))
            hypotheses[utterance.id] = ""
        else:
            hypotheses[utterance.id] = transcript.text
            nbest[utterance.id] = [hypothesis.text for hypothesis in transcript.nbest]
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    _note_unspellable(references, recognizer.card.tokenizer)
    oracle = _oracle(references, nbest) if recognizer.resources.config.nbest > 1 else None
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    scored = score.score(references, hypotheses, speakers=speakers)
    return Evaluation(hypotheses, references, scored, unreadable, oracle)


def _note_unspellable(references: dict[str, str], tokenizer: Tokenizer) -> None:
    """Say which references no hypothesis can ever equal."""
    reasons: dict[str, TextError] = {}
    for key, text in references.items():
        try:
            tokenizer.encode(text)
        except TextError as error:
            reasons[key] = error
    if reasons:
        key, reason = next(iter(reasons.items()))
        _LOG.warning(
            f"note: {len(reasons)} of {len(references)} references can never be recognised, for the alphabet cannot "
            f"spell them; {key}: {reason} (in {references[key]!r})"
        )


def _oracle(references: dict[str, str], nbest: dict[str, list[str]]) -> ErrorCount:
    """Word errors of the hypothesis of each utterance that has the fewest."""
    best = []
    for key, text in references.items():
        texts = nbest.get(key, [""])
        counts = score.count([text.split()] * len(texts), [hypothesis.split() for hypothesis in texts])
        best.append(counts[counts[:, 1:].sum(axis=1).argmin()])
    return score.total(np.array(best).reshape(-1, 4))
