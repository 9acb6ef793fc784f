"""A manifest through a Recognizer: hypotheses in batches, and their score. No PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr import audio, score
from asr.data.dataset import ahead
from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.features import Frames
from asr.transcribe import Recognizer


@dataclass(frozen=True)
class Evaluation:
    """Hypotheses by id, what they cost against the references, and the utterances that could not be read."""

    hypotheses: dict[str, str]
    references: dict[str, str]
    score: score.Score
    unreadable: list[LeftOut]


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

    def frames(utterance: Utterance) -> Frames | LeftOut:
        try:
            return recognizer.frames(utterance)
        except (audio.AudioError, ManifestError) as error:
            return LeftOut(utterance.id, str(error))

    # By length, so that a batch holds little padding.
    ordered = sorted(utterances, key=lambda utterance: utterance.duration_s)
    hypotheses: dict[str, str] = {}
    unreadable: list[LeftOut] = []
    waiting: list[tuple[str, Frames]] = []

    def flush() -> None:
        texts = recognizer.texts([frames for _, frames in waiting]) if waiting else []
        hypotheses.update(zip((key for key, _ in waiting), texts, strict=True))
        progress(len(waiting))
        waiting.clear()

    for utterance, made in zip(ordered, ahead(frames, ordered, depth=4 * batch_size), strict=True):
        if isinstance(made, LeftOut):
            unreadable.append(made)
            hypotheses[utterance.id] = ""
            progress(1)
        else:
            waiting.append((utterance.id, made))
        if len(waiting) == batch_size:
            flush()
    flush()
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    hypotheses = {key: hypotheses[key] for key in references}
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    return Evaluation(hypotheses, references, score.score(references, hypotheses, speakers=speakers), unreadable)
