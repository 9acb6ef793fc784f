"""A manifest through a Recognizer: hypotheses in batches, and their score. No PyTorch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio, score
from asr.data.dataset import ahead
from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.decode.hypothesis import Emission
from asr.features import Frames
from asr.recognition.recognizer import Recognizer, Stretch, Word
from asr.score import ErrorCount

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class Evaluation:
    """Hypotheses by id, what they cost against the references, and the utterances that could not be read."""

    hypotheses: dict[str, str]
    references: dict[str, str]
    score: score.Score
    unreadable: list[LeftOut]
    oracle: ErrorCount | None = None
    """Word errors of the best of each utterance's N-best, where more than one hypothesis was asked for."""


@dataclass(frozen=True)
class Rejection:
    """What a threshold on the confidence keeps of words that were said, and of sound in which none of them was.

    `said` (N,) is the confidence of each word said, -1 where it was not heard; `others` (M,) that of the surest word
    heard in each utterance that says none of them, -1 where nothing was heard.
    """

    said: npt.NDArray[np.float64]
    others: npt.NDArray[np.float64]

    def miss_rate(self, min_confidence: float) -> float:
        """Share of the words said that are not heard, or too little sure."""
        return float((self.said < min_confidence).mean())

    def false_alarm_rate(self, min_confidence: float) -> float:
        """Share of the other utterances in which any word is heard and sure enough."""
        return float((self.others >= min_confidence).mean())

    def equal_error(self) -> float:
        """The threshold where the two rates are nearest to each other; of several the lowest."""
        sure = np.unique(np.clip([0.0, 1.0, *self.said, *self.others], 0, 1))
        thresholds = [*sure, *(sure[1:] + sure[:-1]) / 2]  # confidences, and between them
        return float(min(thresholds, key=lambda at: (abs(self.miss_rate(at) - self.false_alarm_rate(at)), at)))

    def to_dict(self) -> dict[str, Any]:
        """Rates at the equal-error threshold and over a grid of thresholds, as plain values for JSON."""
        rows = [self._at(at) for at in THRESHOLDS]
        return {
            "words": len(self.said),
            "other_utterances": len(self.others),
            "equal_error": self._at(self.equal_error()),
            "thresholds": rows,
        }

    def to_text(self) -> str:
        """The same as a table, rates in percent."""
        values = self.to_dict()
        lines = [f"{'min confidence':>14}  {'misses':>7}  {'false alarms':>12}"]
        for row in (*values["thresholds"], values["equal_error"]):
            lines.append(f"{row['min_confidence']:14.4f}  {row['miss_rate']:7.2%}  {row['false_alarm_rate']:12.2%}")
        lines[-1] += "  equal error"
        lines.append(f"of {len(self.said)} words, and of {len(self.others)} utterances that say none of them")
        return "\n".join(lines)

    def _at(self, min_confidence: float) -> dict[str, float]:
        return {
            "min_confidence": round(min_confidence, 6),
            "miss_rate": self.miss_rate(min_confidence),
            "false_alarm_rate": self.false_alarm_rate(min_confidence),
        }


def rejection(recognizer: Recognizer, utterances: Sequence[Utterance], others: Sequence[Utterance]) -> Rejection:
    """How sure `recognizer` is of the words of `utterances`, and of what it hears in `others`, which say none of them.

    An utterance that cannot be read is one in which nothing is heard. Raises ManifestError where `utterances` say
    nothing at all.
    """
    references = {utterance.id: recognizer.card.text.normalise(utterance.text).split() for utterance in utterances}
    if not any(references.values()):
        raise ManifestError("to count misses some utterance must say a word")
    heard = _heard(recognizer, utterances)
    said: list[float] = []
    alignments = score.align(list(references.values()), [[word.text for word in heard[key]] for key in references])
    for letters, words in zip(alignments, (heard[key] for key in references), strict=True):
        sure = iter(word.confidence for word in words)
        judged = [(letter, -1.0 if letter == "D" else next(sure)) for letter in letters]
        said += [value if letter == "C" else -1.0 for letter, value in judged if letter != "I"]
    surest = [max((word.confidence for word in words), default=-1.0) for words in _heard(recognizer, others).values()]
    return Rejection(np.array(said), np.array(surest))


def _heard(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, tuple[Word, ...]]:
    """The words of each utterance, however little sure."""
    return {
        key: () if isinstance(parts, LeftOut) else recognizer.heard(parts, min_confidence=0.0).words
        for key, parts in emissions(recognizer, utterances)
    }


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda _done: None,
    heard: Iterable[tuple[str, list[str] | LeftOut]] | None = None,
) -> Evaluation:
    """Transcribe and score utterances; one that cannot be read counts as if nothing had been heard.

    References go through the model's own normalisation. `progress` is told how many more are done. `heard` is what
    `hear` gives, where that was done elsewhere.
    """

    hypotheses: dict[str, str] = {}
    unreadable: list[LeftOut] = []
    nbest: dict[str, list[str]] = {}
    for key, texts in heard or hear(recognizer, utterances, batch_size=batch_size, progress=progress):
        if isinstance(texts, LeftOut):
            unreadable.append(texts)
            hypotheses[key] = ""
        else:
            hypotheses[key] = texts[0]
            nbest[key] = texts
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    hypotheses = {key: hypotheses[key] for key in references}
    oracle = _oracle(references, nbest) if recognizer.decoding.nbest > 1 else None
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    scored = score.score(references, hypotheses, speakers=speakers)
    return Evaluation(hypotheses, references, scored, unreadable, oracle)


def hear(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda _done: None,
    threads: int = 2,
) -> Iterator[tuple[str, list[str] | LeftOut]]:
    """(id, what is said, the likeliest text first, or why it cannot be read) of each utterance, shortest first."""
    for key, parts in emissions(recognizer, utterances, batch_size=batch_size, progress=progress, threads=threads):
        if isinstance(parts, LeftOut):
            yield key, parts
        else:
            yield key, [hypothesis.text for hypothesis in recognizer.heard(parts, has_words=False).nbest]


def emissions(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda _done: None,
    threads: int = 2,
) -> Iterator[tuple[str, list[tuple[Stretch, Emission]] | LeftOut]]:
    """(id, log_probs (T, V) of its stretches, or why it cannot be read) of each utterance, shortest first.

    `threads` make frames while the network is busy; 0: it waits for them.
    """

    def read(utterance: Utterance) -> list[tuple[Stretch, Frames]] | LeftOut:
        try:
            return [(one, recognizer.finished(one)) for one in recognizer.stretches(utterance)]
        except (audio.AudioError, ManifestError) as error:
            return LeftOut(utterance.id, str(error))

    # By length, so that a batch holds little padding.
    ordered = sorted(utterances, key=lambda utterance: utterance.duration_s)
    waiting: list[tuple[str, list[tuple[Stretch, Frames]]]] = []

    def flush() -> Iterator[tuple[str, list[tuple[Stretch, Emission]]]]:
        found = iter(recognizer.emissions([frames for _, parts in waiting for _, frames in parts]))
        for key, parts in waiting:
            yield key, [(stretch, next(found)) for stretch, _ in parts]
        progress(len(waiting))
        waiting.clear()

    each = ahead(read, ordered, depth=4 * batch_size, threads=threads) if threads else map(read, ordered)
    for utterance, made in zip(ordered, each, strict=True):
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
