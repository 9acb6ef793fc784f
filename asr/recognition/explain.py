"""Why a sound was recognised, refused, or taken for something else."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asr.check import sound as checks
from asr.check.sound import Measured
from asr.decode import align
from asr.errors import UserError
from asr.recognition import source
from asr.recognition.recognizer import Options, Part, Recognizer
from asr.recognition.transcript import Transcript

_NUM_LOSSES = 5
_OPTIONS = Options()


@dataclass(frozen=True)
class Loss:
    """A character of the expected words that the network gives less than it gives another one there."""

    character: str
    start_s: float
    log_probability: float
    instead: str
    """What it gives most there; empty: the blank."""
    instead_log_probability: float


@dataclass(frozen=True)
class Expected:
    """What was spoken, beside what is recognised: log-probabilities of the best alignments of both, in nats."""

    text: str
    log_probability: float | None
    """None: the alphabet or the length of the sound do not allow it; `why` says which."""
    recognised_log_probability: float | None
    losses: tuple[Loss, ...] = ()
    """Where the expected words lose most, the worst first."""
    why: str = ""


@dataclass(frozen=True)
class Explanation:
    """All of it."""

    measured: Measured
    speech_s: tuple[tuple[float, float], ...]
    """Where somebody speaks."""
    transcript: Transcript
    expected: Expected | None
    min_confidence: float
    parts: Sequence[Part] = ()
    """What the network gave, for a picture."""
    aligned: Transcript | None = None
    """Where the expected words would lie."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sound": asdict(self.measured),
            "speech_s": self.speech_s,
            "text": self.transcript.text,
            "words": [asdict(word) for word in self.transcript.words],
            "alternatives": [asdict(one) for one in self.transcript.nbest],
            "expected": asdict(self.expected) if self.expected else None,
        }

    def lines(self) -> list[str]:
        """As it is read."""
        one = self.measured
        troubles = [name for name in ("silent", "clipped", "narrow", "cut") if getattr(one, f"is_{name}")]
        spoken = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in self.speech_s)
        made = [
            f"sound: {one.duration_s:.2f} s at {one.sample_rate} Hz, peak {one.peak_db:.0f} dB"
            + (f"; it is {', '.join(troubles)}" if troubles else ""),
            f"speech: {spoken or 'none was found'}",
            f"recognised: {self.transcript.text!r}",
        ]
        made += [
            f"  {word.start_s:.2f} s  {word.text}  confidence {word.confidence:.2f}" for word in self.transcript.words
        ]
        if self.min_confidence:
            made.append(f"words below a confidence of {self.min_confidence:.2f} are refused")
        made += [f"alternative: {other.text!r}  {other.score:.2f}" for other in self.transcript.nbest]
        if self.expected is None:
            return made
        if self.expected.why:
            return [*made, f"expected: {self.expected.text!r} cannot be: {self.expected.why}"]
        values = (self.expected.log_probability, self.expected.recognised_log_probability)
        shown = ["none" if value is None else f"{value:.2f}" for value in values]
        made.append(f"expected: {self.expected.text!r} {shown[0]} nats, against {shown[1]} of what is recognised")
        return made + [
            f"  {loss.start_s:.2f} s  {loss.character!r} {loss.log_probability:.2f}, where "
            f"{loss.instead or 'blank'!r} has {loss.instead_log_probability:.2f}"
            for loss in self.expected.losses
        ]


def explain(
    recognizer: Recognizer, given: source.Source, expected: str | None = None, options: Options = _OPTIONS
) -> Explanation:
    """Explain a sound. Raises a UserError that names it where it cannot be read."""
    features = recognizer.card.features
    sound = source.open(given, features).held(features.sample_rate)
    measured = checks.measure_waveform(sound.waveform(), features.sample_rate)
    (result,) = recognizer.recognise([sound])
    if isinstance(result, UserError):
        raise result
    _, parts = result
    transcript = recognizer.transcript(parts, options)
    speech = tuple((part.start_s, part.end_s) for part, _ in parts if part.is_speech)
    found = _expected(recognizer, parts, expected, transcript.text) if expected is not None else None
    min_confidence = options.min_confidence
    if min_confidence is None:
        min_confidence = recognizer.tuning.min_confidence or 0.0
    aligned = recognizer.alignment(parts, expected) if expected and found and not found.why else None
    return Explanation(measured, speech, transcript, found, min_confidence, parts, aligned)


def _expected(recognizer: Recognizer, parts: Sequence[Part], text: str, recognised: str) -> Expected:
    card = recognizer.card
    text = card.text.normalise(text)
    segment, emission = recognizer.network.join(parts)

    def aligned(words: str) -> tuple[float, list[align.TokenSpan]]:
        spans = align.align(emission, card.tokenizer.encode(words))
        return _log_probability(emission, spans), list(spans)

    try:
        value, spans = aligned(text)
    except UserError as error:
        return Expected(text, None, None, why=str(error))
    losses = []
    for span in spans:
        rows = emission[span.start_frame : span.end_frame]
        best = int(rows.mean(axis=0).argmax())
        if best != span.token:
            start_s = segment.origin_s + span.start_frame * card.features.frame_ms / 1000
            instead = card.tokenizer.decode([best]) if best else ""
            ours, theirs = float(rows[:, span.token].max()), float(rows[:, best].max())
            losses.append(Loss(card.tokenizer.decode([span.token]), round(start_s, 2), ours, instead, theirs))
    losses.sort(key=lambda loss: loss.log_probability - loss.instead_log_probability)
    try:
        other: float | None = aligned(recognised)[0]
    except UserError:
        other = None
    return Expected(text, value, other, tuple(losses[:_NUM_LOSSES]))


def _log_probability(emission: Any, spans: Sequence[align.TokenSpan]) -> float:
    """Of the path that spans say: blanks between them."""
    path = np.zeros(len(emission), np.int64)
    for span in spans:
        path[span.start_frame : span.end_frame] = span.token
    return float(emission[np.arange(len(emission)), path].sum())
