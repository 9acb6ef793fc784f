"""Transcripts of the utterances of a manifest against their references."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import score
from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.errors import UserError
from asr.recognition.recognizer import Options, Recognizer
from asr.recognition.transcript import Transcript, Word
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


def rejection(
    references: Sequence[str], transcripts: Sequence[Transcript | UserError], others: Sequence[Transcript | UserError]
) -> Rejection:
    """How confident the words of `transcripts` are, against their references, and those of `others`, non-target speech.

    All are made with a min_confidence of 0; what could not be recognised has no words. Raises ManifestError where no
    reference has a word.
    """
    spoken = [reference.split() for reference in references]
    if not any(spoken):
        raise ManifestError("to count misses some utterance must have a word")
    words, negatives = ([_words(transcript) for transcript in each] for each in (transcripts, others))
    targets: list[float] = []
    alignments = score.align(spoken, [[word.text for word in hypothesis] for hypothesis in words])
    for letters, hypothesis in zip(alignments, words, strict=True):
        confidences = iter(word.confidence for word in hypothesis)
        judged = [(letter, -1.0 if letter == "D" else next(confidences)) for letter in letters]
        targets += [value if letter == "C" else -1.0 for letter, value in judged if letter != "I"]
    highest = [max((word.confidence for word in hypothesis), default=-1.0) for hypothesis in negatives]
    return Rejection(np.array(targets), np.array(highest))


def _words(transcript: Transcript | UserError) -> tuple[Word, ...]:
    return () if isinstance(transcript, UserError) else transcript.words


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
    unreadable: list[LeftOut] = []
    nbest: dict[str, list[str]] = {}
    for utterance, transcript in zip(utterances, transcripts, strict=True):
        if isinstance(transcript, UserError):
            unreadable.append(LeftOut(utterance.id, str(transcript)))
            hypotheses[utterance.id] = ""
        else:
            hypotheses[utterance.id] = transcript.text
            nbest[utterance.id] = [hypothesis.text for hypothesis in transcript.nbest]
    references = {utterance.id: recognizer.card.text.normalise(utterance.text) for utterance in utterances}
    oracle = _oracle(references, nbest) if recognizer.resources.config.nbest > 1 else None
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    scored = score.score(references, hypotheses, speakers=speakers)
    return Evaluation(hypotheses, references, scored, unreadable, oracle)


def _oracle(references: dict[str, str], nbest: dict[str, list[str]]) -> ErrorCount:
    """Word errors of the hypothesis of each utterance that has the fewest."""
    best = []
    for key, text in references.items():
        texts = nbest.get(key, [""])
        counts = score.count([text.split()] * len(texts), [hypothesis.split() for hypothesis in texts])
        best.append(counts[counts[:, 1:].sum(axis=1).argmin()])
    return score.total(np.array(best).reshape(-1, 4))
