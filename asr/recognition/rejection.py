"""Rejection: the confidence of the words or commands that were spoken, and of those found in audio that holds none."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asr import score
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.modelfile.card import ModelError
from asr.recognition.recognizer import Options, Part, Recognizer
from asr.recognition.transcript import Transcript, Word
from asr.score.commands import Command
from asr.score.rejection import Rejection

_EVERY = Options(min_confidence=0.0, has_nearest=False)
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""That tables show."""
GARBAGE_PENALTIES = (12.0, 8.0, 6.0, 4.0, 3.0)
"""That `choose` tries, in nats: with fewer, what was spoken is taken for other speech."""
_MISSED = -1.0  # below every confidence


def rejection(
    references: Sequence[str], transcripts: Sequence[Transcript | UserError], negatives: Sequence[Transcript]
) -> Rejection:
    """Words of `transcripts` against their references, and all the words of `negatives`, audio without such words.

    All are made with a min_confidence of 0. A word that is deleted or substituted is missed whatever the threshold, and
    so are all words of what could not be recognised. Raises ScoreError where there are no words, or no negative audio.
    """
    hypotheses = [() if isinstance(transcript, UserError) else transcript.words for transcript in transcripts]
    spoken = [reference.split() for reference in references]
    alignments = score.align(spoken, [[word.text for word in words] for words in hypotheses])
    positives = [
        confidence
        for letters, words in zip(alignments, hypotheses, strict=True)
        for confidence in _confidences(letters, words)
    ]
    accepts = [word.confidence for transcript in negatives for word in transcript.words]
    hours = sum(transcript.duration_s for transcript in negatives) / 3600
    return Rejection(np.array(positives), np.array(accepts), hours)


def measure(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    found: Iterable[list[Part] | UserError],
    negatives: Iterable[list[Part]],
) -> Rejection:
    """Commands where the recogniser knows sentences, else words, of what was `found` in the utterances, and all those
    in the `negatives`, recordings without any; commands of these segment by segment.

    Raises ScoreError where there are no commands or words, or no negative audio.
    """
    spoken = [one if isinstance(one, UserError) else recognizer.transcript(one, _EVERY) for one in found]
    if recognizer.parser:
        others = [[recognizer.transcript([part], _EVERY) for part in parts] for parts in negatives]
        return of_commands(recognizer, utterances, spoken, others)
    texts = [recognizer.card.text.normalise(utterance.text) for utterance in utterances]
    return rejection(texts, spoken, [recognizer.transcript(parts, _EVERY) for parts in negatives])


def of_commands(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    transcripts: Sequence[Transcript | UserError],
    negatives: Sequence[Sequence[Transcript]],
) -> Rejection:
    """Commands of `transcripts` against those of the utterances, and all commands in `negatives`, audio without any.

    The wanted command is the utterance's, else that of its text; what has none does not count. All are made with a
    min_confidence of 0, `negatives` segment by segment. A command that is wrong is missed whatever the threshold.
    Raises ScoreError where there are no commands, or no negative audio.
    """
    positives = []
    for utterance, transcript in zip(utterances, transcripts, strict=True):
        meaning = recognizer.parser(recognizer.card.text.normalise(utterance.text)) if recognizer.parser else None
        wanted = Command.of(utterance) if utterance.intent or not meaning else Command(meaning.intent, meaning.values())
        if wanted.intent:
            if isinstance(transcript, UserError) or not wanted.is_met_by(Command.of(transcript)):
                positives.append(_MISSED)
            else:
                positives.append(transcript.confidence or 0.0)
    accepts = [one.confidence or 0.0 for segments in negatives for one in segments if one.intent is not None]
    hours = sum(segments[-1].duration_s for segments in negatives if segments) / 3600
    return Rejection(np.array(positives), np.array(accepts), hours, what="commands")


def choose(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    found: Sequence[list[Part] | UserError],
    negatives: Sequence[list[Part]],
    max_false_accepts_per_hour: float,
) -> tuple[Recognizer, Rejection]:
    """The recogniser with the garbage penalty and the min_confidence that miss least, of those with so few false
    accepts an hour; and what it rejects.

    The penalty is the configuration's where it names one, and what it was where nothing says what may be recognised;
    of equals that with the lowest threshold, which leaves most to speakers who are less clear. Raises ModelError where
    no threshold accepts so little, ScoreError as `measure`.
    """
    named, kept = recognizer.resources.config.garbage_penalty, recognizer.tuning
    penalties = [kept.garbage_penalty]
    if recognizer.constraint or recognizer.resources.lexicon:  # beside which other speech can stand
        penalties = [*penalties, *GARBAGE_PENALTIES] if named is None else [None if named == math.inf else named]
    tried = []
    for penalty in dict.fromkeys(penalties):
        candidate = recognizer.with_tuning(replace(kept, garbage_penalty=penalty))
        measured = measure(candidate, utterances, found, negatives)
        threshold = measured.threshold_for(max_false_accepts_per_hour)
        tried.append((threshold > 1, measured.at(threshold).misses, threshold, candidate, measured))
    *_, chosen, measured = min(tried, key=lambda one: one[:3])
    threshold = choose_threshold(measured, max_false_accepts_per_hour)
    return chosen.with_tuning(replace(chosen.tuning, min_confidence=threshold)), measured


def choose_threshold(measured: Rejection, max_false_accepts_per_hour: float) -> float:
    """The min_confidence that misses least of those with so few false accepts an hour.

    Raises ModelError where none does: too many words of the negative audio have the greatest confidence.
    """
    threshold = measured.threshold_for(max_false_accepts_per_hour)
    if threshold > 1:
        few = f"{max_false_accepts_per_hour:g} false accepts an hour"
        raise ModelError(
            f"no --min-confidence gives as few as {few}: at 1 there are {measured.at(1.0).false_accepts_per_hour:.1f}; "
            "calibrate the confidence on the same negatives with --tune, or train the model on such audio"
        )
    return round(threshold, 7)  # a digit more than a confidence has: half way between two of them


def to_dict(measured: Rejection, min_confidence: float) -> dict[str, Any]:
    """Misses and false accepts at `min_confidence` and over THRESHOLDS, as plain values for JSON."""
    return {
        measured.what: len(measured.positives),
        "negative_hours": measured.negative_hours,
        "min_confidence": measured.at(min_confidence).to_dict(),
        "thresholds": [measured.at(threshold).to_dict() for threshold in THRESHOLDS],
    }


def to_text(measured: Rejection, min_confidence: float) -> str:
    """The same as a table."""
    head = f"{'min confidence':>14}  {'missed':>7}  {'95 % interval':>17}  {'accepted/h':>10}  {'95 % interval':>17}"
    lines = [head]
    for threshold in (*THRESHOLDS, min_confidence):
        point = measured.at(threshold)
        missed, accepted = point.miss_range, point.false_accepts_range
        lines.append(
            f"{threshold:14.4f}  {point.miss_rate:7.2%}  {missed.low:7.2%} to {missed.high:6.2%}  "
            f"{point.false_accepts_per_hour:10.2f}  {accepted.low:7.2f} to {accepted.high:6.2f}"
        )
    lines[-1] += "  as transcribed"
    lines.append(
        f"of {len(measured.positives)} {measured.what}, and in {measured.negative_hours:.2f} hours of other audio"
    )
    return "\n".join(lines)


def _confidences(letters: str, words: Sequence[Word]) -> list[float]:
    """The confidence of each word of a reference from its alignment: C, S, D and I."""
    confidences = iter(word.confidence for word in words)
    judged = [(letter, _MISSED if letter == "D" else next(confidences)) for letter in letters]
    return [confidence if letter == "C" else _MISSED for letter, confidence in judged if letter != "I"]
