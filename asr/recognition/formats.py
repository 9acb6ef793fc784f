"""Transcripts as files: JSON, trn, CTM, SubRip, WebVTT, Praat's TextGrid."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict

from asr.recognition.transcript import Character, Transcript, Word

_PAUSE_S, _LONGEST_S, _WIDEST = 0.8, 6.0, 42  # of a subtitle: the silence that ends it, seconds, characters


def to_json(path: str, _key: str, transcript: Transcript) -> str:
    """One line: path, text, duration_s, words with times and confidence; the n-best, an intent with its slots."""
    return json.dumps({"path": path} | record(transcript), ensure_ascii=False)


def record(transcript: Transcript) -> dict[str, object]:
    """What JSON holds of a transcript."""
    nbest = [{"text": hypothesis.text, "score": round(hypothesis.score, 4)} for hypothesis in transcript.nbest]
    values: dict[str, object] = {
        "text": transcript.text,
        "duration_s": transcript.duration_s,
        "words": [_record(word) for word in transcript.words],
    }
    if len(nbest) > 1:
        values["nbest"] = nbest
    if transcript.intent is not None:
        values |= {"intent": transcript.intent, "slots": dict(transcript.slots)}
        if transcript.confidence is not None:
            values |= {"confidence": transcript.confidence, "slot_confidences": dict(transcript.slot_confidences)}
    if transcript.nearest:
        values |= {"intent": None, "nearest": asdict(transcript.nearest)}
    return values


def _record(word: Word) -> dict[str, object]:
    values = asdict(word)
    return {name: value for name, value in values.items() if name != "characters" or value}


def to_trn(_path: str, key: str, transcript: Transcript) -> str:
    """NIST's trn: the words, then the id in parentheses."""
    return f"{transcript.text} ({key})"


def to_ctm(_path: str, key: str, transcript: Transcript) -> str:
    """NIST's CTM: id, channel, start and length in seconds, word, confidence; a line each, none without words."""
    return "\n".join(
        f"{key} 1 {word.start_s:.3f} {word.end_s - word.start_s:.3f} {word.text} {word.confidence:.4f}"
        for word in transcript.words
    )


def to_srt(_path: str, _key: str, transcript: Transcript) -> str:
    """SubRip: numbered subtitles; lines end as it wants them when written as text."""
    cues = [
        f"{number}\n{_clock(cue[0].start_s, ',')} --> {_clock(cue[-1].end_s, ',')}\n{_caption(cue)}\n"
        for number, cue in enumerate(subtitles(transcript.words), start=1)
    ]
    return "\n".join(cues)


def to_vtt(_path: str, _key: str, transcript: Transcript) -> str:
    """WebVTT (W3C): a header, then the subtitles, with its three reserved characters escaped."""
    cues = ["WEBVTT\n"]
    for cue in subtitles(transcript.words):
        text = _caption(cue).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(cue[0].start_s, '.')} --> {_clock(cue[-1].end_s, '.')}\n{text}\n")
    return "\n".join(cues)


def to_textgrid(_path: str, _key: str, transcript: Transcript) -> str:
    """Praat's TextGrid, long format: a tier of words, and one of characters where they have times.

    The intervals of a tier cover the whole duration without gaps.
    """
    end_s = max([transcript.duration_s, 0.001, *(word.end_s for word in transcript.words)])
    tiers: dict[str, Sequence[Word | Character]] = {"words": transcript.words}
    if any(word.characters for word in transcript.words):
        tiers["characters"] = [character for word in transcript.words for character in word.characters]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, parts) in enumerate(tiers.items(), start=1):
        intervals: list[tuple[float, float, str]] = []
        reached = 0.0
        for part in parts:
            if part.start_s > reached:
                intervals.append((reached, part.start_s, ""))
            intervals.append((part.start_s, part.end_s, part.text))
            reached = part.end_s
        if reached < end_s:
            intervals.append((reached, end_s, ""))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {end_s}",
            f"        intervals: size = {len(intervals)}",
        ]
        for interval, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines += [
                f"        intervals [{interval}]:",
                f"            xmin = {start}",
                f"            xmax = {end}",
                f'            text = "{quoted}"',
            ]
    return "\n".join(lines)


WRITERS: dict[str, Callable[[str, str, Transcript], str]] = {
    "json": to_json,
    "trn": to_trn,
    "ctm": to_ctm,
    "srt": to_srt,
    "vtt": to_vtt,
    "textgrid": to_textgrid,
}
"""By name of the format: (path of the sound, its id, its transcript) -> text without a line feed at its end."""

SUFFIXES = {
    "json": ".json",
    "trn": ".trn",
    "ctm": ".ctm",
    "srt": ".srt",
    "vtt": ".vtt",
    "textgrid": ".TextGrid",
    "text": ".txt",
}
ONE_EACH = ("srt", "vtt", "textgrid")  # formats that hold one recording to a file


def subtitles(words: Sequence[Word]) -> list[list[Word]]:
    """Words that are shown together: a pause, six seconds or two full lines begin another subtitle."""
    cues: list[list[Word]] = []
    for word in words:
        if (
            not cues
            or word.start_s - cues[-1][-1].end_s > _PAUSE_S
            or word.end_s - cues[-1][0].start_s > _LONGEST_S
            or len(_caption([*cues[-1], word])) > 2 * _WIDEST
        ):
            cues.append([])
        cues[-1].append(word)
    return cues


def _caption(cue: Sequence[Word]) -> str:
    """The words of a subtitle on one line, or two of like length."""
    text = " ".join(word.text for word in cue)
    breaks = [space.start() for space in re.finditer(" ", text)]
    if len(text) <= _WIDEST or not breaks:
        return text
    middle = min(breaks, key=lambda index: abs(index - len(text) / 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
