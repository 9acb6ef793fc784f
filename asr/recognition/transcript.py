"""What a recogniser gives: texts, words and characters with their times, and what they ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

from asr.decode.hypothesis import Hypothesis

if TYPE_CHECKING:
    from asr.grammar.intent import Meaning


@dataclass(frozen=True)
class Character:
    """A character of a word: its share of the word's time, and its mean probability in its frames."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Word:
    """A word, its time, and the probability that it is right: start_s < end_s, confidence in [0, 1]."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    characters: tuple[Character, ...] = ()
    """Only of a text that was given, and aligned."""


@dataclass(frozen=True)
class Nearest:
    """The sentence that came nearest to speech that was refused."""

    text: str
    intent: str
    slots: Mapping[str, Any]


@dataclass(frozen=True)
class Transcript:
    """The text of one recording; `nbest` holds the best hypotheses, that of the text first."""

    text: str
    duration_s: float
    words: tuple[Word, ...] = ()
    nbest: tuple[Hypothesis, ...] = ()
    intent: str | None = None
    """What the sentence asks for, where a grammar knows it; None: no grammar, or the sentence is none of its own."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    """The values of the intent's variables by name."""
    confidence: float | None = None
    """Of the intent: that of the whole sentence."""
    slot_confidences: Mapping[str, float] = field(default_factory=dict)
    """Of each value: that of its least certain word."""
    nearest: Nearest | None = None
    """Where somebody spoke, and none of the sentences."""

    def _repr_html_(self) -> str:
        """In a notebook: the text, the intent, and a table of the words."""
        asked = f"<p>{escape(self.intent)} {escape(str(dict(self.slots)))}</p>" if self.intent else ""
        rows = "".join(
            f"<tr><td>{escape(word.text)}<td>{word.start_s:.2f}<td>{word.end_s:.2f}<td>{word.confidence:.0%}"
            for word in self.words
        )
        table = f"<table><tr><th>word<th>from, s<th>to, s<th>confidence{rows}</table>" if rows else ""
        return f"<p><b>{escape(self.text) or '(empty)'}</b> ({self.duration_s:.2f} s)</p>{asked}{table}"


def meant(transcript: Transcript, meaning: "Meaning", confidence: float | None) -> Transcript:
    """The transcript of a sentence with what it asks for, and its confidence; of slots where there are words."""
    text, words = transcript.text, transcript.words
    confidences = {}
    for slot in meaning.slots if words else ():
        first = len(text[: slot.start].split())
        spoken = words[first : first + len(text[slot.start : slot.end].split())]
        confidences[slot.name] = min(word.confidence for word in spoken or words)
    return replace(
        transcript,
        intent=meaning.intent,
        slots=meaning.values(),
        confidence=confidence,
        slot_confidences=confidences,
    )


def join_transcripts(transcripts: Sequence[Transcript]) -> Transcript:
    """The transcripts of a recording's segments, in order -> that of the recording.

    Where one segment alone has a text, its other hypotheses are those of the recording. The intent is that of the first
    segment that has one.
    """
    if len(transcripts) == 1:
        return transcripts[0]
    score = sum(transcript.nbest[0].score for transcript in transcripts)
    spoken = [transcript for transcript in transcripts if transcript.nbest[0].text]
    if len(spoken) == 1:
        best = spoken[0].nbest[0].score
        nbest = tuple(replace(hypothesis, score=score - best + hypothesis.score) for hypothesis in spoken[0].nbest)
    else:
        nbest = (Hypothesis(" ".join(transcript.nbest[0].text for transcript in spoken), score),)
    words = tuple(word for transcript in transcripts for word in transcript.words)
    joined = Transcript(nbest[0].text, transcripts[-1].duration_s, words, nbest)
    meant = next((transcript for transcript in transcripts if transcript.intent is not None), joined)
    nearest = next((transcript.nearest for transcript in transcripts if transcript.nearest), None)
    return replace(
        joined,
        intent=meant.intent,
        slots=meant.slots,
        confidence=meant.confidence,
        slot_confidences=meant.slot_confidences,
        nearest=nearest if meant.intent is None else None,
    )
