"""A manifest through a Recognizer: hypotheses in batches, and their score. No PyTorch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from asr import audio, score
from asr.data.dataset import ahead
from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.decode.hypothesis import Emission
from asr.features import Frames
from asr.score import ErrorCount
from asr.transcribe import Recognizer


@dataclass(frozen=True)
class Evaluation:
    """Hypotheses by id, what they cost against the references, and the utterances that could not be read."""

    hypotheses: dict[str, str]
    references: dict[str, str]
    score: score.Score
    unreadable: list[LeftOut]
    oracle: ErrorCount | None = None
    """Word errors of the best of each utterance's N-best, where more than one hypothesis was asked for."""


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda _done: None,
) -> Evaluation:
    """Transcribe and score utterances; one that cannot be read counts as if nothing had been heard.

    References go through the model's own normalisation. `progress` is told how many more are done.
    """

    hypotheses: dict[str, str] = {}
    unreadable: list[LeftOut] = []
    nbest: dict[str, list[str]] = {}
    for key, emission in emissions(recognizer, utterances, batch_size=batch_size, progress=progress):
        if isinstance(emission, LeftOut):
            unreadable.append(emission)
            hypotheses[key] = ""
        else:
            found = recognizer.decoder(emission)
            hypotheses[key] = recognizer.text(emission, found[0])
            nbest[key] = [hypotheses[key], *(hypothesis.text for hypothesis in found[1:])]
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    hypotheses = {key: hypotheses[key] for key in references}
    oracle = _oracle(references, nbest) if recognizer.decoding.nbest > 1 else None
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    scored = score.score(references, hypotheses, speakers=speakers)
    return Evaluation(hypotheses, references, scored, unreadable, oracle)


def emissions(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda _done: None,
) -> Iterator[tuple[str, Emission | LeftOut]]:
    """(id, log_probs (T, V), or why it cannot be read) of each utterance, shortest first."""

    def frames(utterance: Utterance) -> Frames | LeftOut:
        try:
            return recognizer.frames(utterance)
        except (audio.AudioError, ManifestError) as error:
            return LeftOut(utterance.id, str(error))

    # By length, so that a batch holds little padding.
    ordered = sorted(utterances, key=lambda utterance: utterance.duration_s)
    waiting: list[tuple[str, Frames]] = []

    def flush() -> Iterator[tuple[str, Emission]]:
        if waiting:
            yield from zip(
                (key for key, _ in waiting), recognizer.emissions([frames for _, frames in waiting]), strict=True
            )
        progress(len(waiting))
        waiting.clear()

    for utterance, made in zip(ordered, ahead(frames, ordered, depth=4 * batch_size), strict=True):
        if isinstance(made, LeftOut):
            yield utterance.id, made
            progress(1)
        else:
            waiting.append((utterance.id, made))
        if len(waiting) == batch_size:
            yield from flush()
    yield from flush()


def _oracle(references: dict[str, str], nbest: dict[str, list[str]]) -> ErrorCount:
    """Word errors of the hypothesis of each utterance that has the fewest."""
    best = []
    for key, text in references.items():
        texts = nbest.get(key, [""])
        counts = score.count([text.split()] * len(texts), [hypothesis.split() for hypothesis in texts])
        best.append(counts[counts[:, 1:].sum(axis=1).argmin()])
    return score.total(np.array(best).reshape(-1, 4))
