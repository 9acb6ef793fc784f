"""What is sent of a transcript, in OpenAI's formats."""

import json
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from asr.files import printable
from asr.recognition import formats
from asr.recognition.transcript import Transcript, Word

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
GRANULARITIES = ("word", "segment")
_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt", "text": "text/plain"}


def error(status: int, message: str, *, param: str | None = None, code: str | None = None) -> JSONResponse:
    """An error as OpenAI's clients read it: one sentence."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": printable(message), "type": kind, "param": param, "code": code}}
    headers = {"Retry-After": "1"} if status == 429 else {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body, status, headers)


def transcription(transcript: Transcript, form: str, granularities: set[str], language: str) -> Response:
    """A transcript in one of FORMATS."""
    if form in ("srt", "vtt"):
        text = formats.WRITERS[form]("", "", transcript)
        return PlainTextResponse(text, media_type=_TYPES[form])
    if form == "text":
        return PlainTextResponse(transcript.text + "\n")
    if form == "json":
        return JSONResponse({"text": transcript.text})
    return JSONResponse(verbose(transcript, granularities or {"segment"}, language))


def verbose(transcript: Transcript, granularities: set[str], language: str) -> dict[str, Any]:
    """verbose_json, with two things more: the confidence of each word, and what the sentence asks for."""
    values: dict[str, Any] = {
        "task": "transcribe",
        "language": language,
        "duration": transcript.duration_s,
        "text": transcript.text,
    }
    if "word" in granularities:
        values["words"] = [word_of(word) for word in transcript.words]
    if "segment" in granularities:
        values["segments"] = [_segment(*item) for item in enumerate(formats.subtitles(transcript.words))]
    if transcript.intent is not None:
        values |= {"intent": transcript.intent, "slots": dict(transcript.slots)}
    return values


def word_of(word: Word) -> dict[str, Any]:
    """A word of verbose_json."""
    return {"word": word.text, "start": word.start_s, "end": word.end_s, "confidence": word.confidence}


def _segment(number: int, words: list[Word]) -> dict[str, Any]:
    """A segment with what OpenAI's clients expect; what a CTC model has no such thing of is zero."""
    return {
        "id": number,
        "seek": 0,
        "start": words[0].start_s,
        "end": words[-1].end_s,
        "text": " ".join(word.text for word in words),
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
        "confidence": round(sum(word.confidence for word in words) / len(words), 4),
    }


def deltas(transcript: Transcript) -> list[str]:
    """Server-sent events of a transcription: each word, then the whole."""
    words = transcript.text.split()
    parts = [word if not number else f" {word}" for number, word in enumerate(words)]
    events: list[dict[str, Any]] = [{"type": "transcript.text.delta", "delta": part} for part in parts]
    events.append({"type": "transcript.text.done", "text": transcript.text})
    return [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
