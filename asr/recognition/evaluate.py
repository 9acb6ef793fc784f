"""What a model makes of the utterances of a manifest, against their references."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from asr import score, tasks
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError
from asr.modelfile import session
from asr.modelfile.card import ModelCard, ModelError
from asr.recognition.classifier import Classifier
from asr.recognition.recognizer import Options, Recognizer
from asr.recognition.transcript import Transcript
from asr.score import ErrorCount
from asr.score.commands import Command, CommandScore, score_commands
from asr.tasks.task import Report
from asr.text import TextError, Tokenizer

_LOG = logging.getLogger(__name__)


Scored = TypeVar("Scored", bound=Report, covariant=True)


@dataclass(frozen=True)
class Evaluation(Generic[Scored]):
    """Hypotheses by id, what they cost against the references, and the utterances that could not be read."""

    hypotheses: dict[str, str]
    references: dict[str, str]
    score: Scored
    unreadable: list[Skipped]
    oracle: ErrorCount | None = None
    """Word errors of the best of each utterance's N-best, where more than one hypothesis was asked for."""
    commands: CommandScore | None = None
    """Intents and slots, where utterances are labelled with them."""


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    transcripts: Iterable[Transcript | UserError] | None = None,
) -> Evaluation[score.Score]:
    """Transcribe and score utterances; one that cannot be read counts as an empty hypothesis.

    References go through the model's own normalisation; utterances with an intent and without a text have none.
    `transcripts` are those of the utterances, where they are made elsewhere.
    """
    if transcripts is None:
        transcripts = recognizer.transcribe_all(utterances, options=Options(has_words=False))
    hypotheses: dict[str, str] = {}
    unreadable: list[Skipped] = []
    nbest: dict[str, list[str]] = {}
    wanted: list[Command] = []
    got: list[Command] = []
    for utterance, transcript in zip(utterances, transcripts, strict=True):
        command = Command(None)
        if isinstance(transcript, UserError):
            unreadable.append(Skipped(utterance.id, str(transcript)))
            hypotheses[utterance.id] = ""
        else:
            hypotheses[utterance.id] = transcript.text
            nbest[utterance.id] = [hypothesis.text for hypothesis in transcript.nbest]
            command = Command.of(transcript)
        if utterance.intent is not None:
            wanted.append(Command.of(utterance))
            got.append(command)
    has_text = [utterance for utterance in utterances if utterance.text or utterance.intent is None]
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in has_text}
    _note_unspellable(references, recognizer.card.tokenizer)
    oracle = _oracle(references, nbest) if recognizer.resources.config.nbest > 1 else None
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    spoken = {key: hypotheses[key] for key in references}
    scored = score.score(references, spoken, speakers={key: speakers[key] for key in references if key in speakers})
    commands = score_commands(wanted, got) if wanted else None
    return Evaluation(hypotheses, references, scored, unreadable, oracle, commands)


def evaluate_labels(classifier: Classifier, utterances: Sequence[Utterance]) -> Evaluation[Report]:
    """Label and score utterances; one that cannot be read counts as an empty hypothesis.

    Those without a label that the model knows are not counted; raises UserError where all are.
    """
    task, references, hypotheses = classifier.task, {}, {}
    unreadable: list[Skipped] = []
    skipped: list[Skipped] = []
    for utterance in utterances:
        target = task.target(utterance)
        if isinstance(target, Skipped):
            skipped.append(target)
            continue
        references[utterance.id] = task.text(target)
        hypotheses[utterance.id] = ""
        try:
            outputs, _ = classifier.outputs(utterance)
        except UserError as error:
            unreadable.append(Skipped(utterance.id, str(error)))
        else:
            hypotheses[utterance.id] = task.decode(outputs[None], np.array([len(outputs)]))[0]
    if not references:
        raise UserError(f"no utterance has a label that the model knows; {skipped[0].id}: {skipped[0].reason}")
    if skipped:
        _LOG.warning(
            f"note: {len(skipped)} of {len(utterances)} utterances are not counted; "
            f"{skipped[0].id}: {skipped[0].reason}"
        )
    return Evaluation(hypotheses, references, task.report(references, hypotheses), unreadable)


def evaluate_file(path: Path, utterances: Sequence[Utterance]) -> Evaluation[Report]:
    """Evaluate a model file by whatever it is for: best paths of a recogniser, labels of a classifier."""
    running, card = session.load(path)
    try:
        return _EVALUATIONS[tasks.of(card).command](running, card, utterances)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


_EVALUATIONS: dict[str, Callable[[Any, ModelCard, Sequence[Utterance]], Evaluation[Report]]] = {
    "asr-transcribe": lambda running, card, utterances: evaluate(Recognizer.of(running, card), utterances),
    "asr-classify": lambda running, card, utterances: evaluate_labels(Classifier.of(running, card), utterances),
}
"""By the command that a model is used with."""


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
