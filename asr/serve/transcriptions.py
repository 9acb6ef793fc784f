"""OpenAI's API of transcriptions: POST /v1/audio/transcriptions, GET /v1/models."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message

from asr.errors import UserError
from asr.recognition.recognizer import Options
from asr.recognition.transcript import Transcript
from asr.serve import replies, sound
from asr.serve.config import Limits
from asr.serve.metrics import Metrics
from asr.serve.models import Models, UnknownModelError
from asr.serve.work import BusyError, Work

_ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Names that programs for OpenAI's servers have built in: the default model."""
_FORM_BYTES = 1 << 16  # of a request beside its file


class _TooLargeError(UserError):
    pass


@dataclass(frozen=True)
class _Asked:
    """What a request asks for."""

    file: UploadFile
    model: str | None
    form: str
    granularities: set[str]
    is_stream: bool
    language: str


class Transcriptions:
    """The endpoints, over what the server has."""

    def __init__(self, models: Models, work: Work, metrics: Metrics, limits: Limits, options: Options) -> None:
        self._models, self._work, self._metrics = models, work, metrics
        self._limits, self._options = limits, options

    async def models(self, _request: Request) -> Response:
        """The models, as OpenAI lists them."""
        data = [
            {"id": name, "object": "model", "created": self._models.modified_s(name), "owned_by": "asr"}
            for name in self._models.names
        ]
        return JSONResponse({"object": "list", "data": data})

    async def transcribe(self, request: Request) -> Response:
        """A recording -> its transcript; what is wrong with the request in one sentence, with its status."""
        max_bytes = round(self._limits.max_mb * 1e6)
        too_large = f"the file is larger than the {self._limits.max_mb:g} MB that this server takes"
        try:
            length = int(request.headers.get("content-length", 0))
        except ValueError:
            length = 0
        if length > max_bytes + _FORM_BYTES:
            return replies.error(413, too_large, param="file")
        limited = Request(request.scope, _limited(request, max_bytes + _FORM_BYTES))
        try:
            async with limited.form(max_files=1, max_fields=20, max_part_size=_FORM_BYTES) as form:
                asked = _asked(form)
                data = await asked.file.read()
                if len(data) > max_bytes:
                    raise _TooLargeError
                return await self._answer(asked, data)
        except _TooLargeError:
            return replies.error(413, too_large, param="file")
        except sound.TooLongError as error:
            return replies.error(413, str(error), param="file")
        except UnknownModelError as error:
            return replies.error(404, str(error), param="model", code="model_not_found")
        except BusyError as error:
            return replies.error(429, str(error), code="rate_limit_exceeded")
        except UserError as error:
            return replies.error(400, str(error), param="file")
        except HTTPException as error:  # of starlette's parser of forms
            return replies.error(error.status_code, f"the form cannot be read: {error.detail}")

    async def _answer(self, asked: _Asked, data: bytes) -> Response:
        recognizer = await self._work.block(lambda: self._models.get(asked.model))
        name = asked.file.filename or "the file"
        rate = recognizer.frontend.config.sample_rate
        if not data:
            raise UserError(f"{name}: empty; send a sound file as `file`")
        began = time.perf_counter()
        transcript: Transcript = await self._work.recording(
            lambda: recognizer.transcribe(
                sound.opened(data, name, rate, self._limits.max_seconds), options=self._options
            )
        )
        self._metrics.recognition.labels("recording").observe(time.perf_counter() - began)
        self._metrics.sound.labels("recording").inc(transcript.duration_s)
        if asked.is_stream:
            return StreamingResponse(_sent(replies.deltas(transcript)), media_type="text/event-stream")
        return replies.transcription(transcript, asked.form, asked.granularities, asked.language)


def _limited(request: Request, max_bytes: int) -> Any:
    """What receives a request, until there are too many bytes."""
    num_bytes = 0

    async def receive() -> Message:
        nonlocal num_bytes
        message = await request.receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > max_bytes:
            raise _TooLargeError
        return message

    return receive


def _asked(form: FormData) -> _Asked:
    """Raises UserError where a field is not what OpenAI's API defines."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise UserError("send a sound file as `file` in a form of multipart/form-data")
    model, wanted = _text(form, "model"), _text(form, "response_format") or "json"
    if wanted not in replies.FORMATS:
        raise UserError(f"response_format must be one of {', '.join(replies.FORMATS)}, not {wanted}")
    keys = ("timestamp_granularities[]", "timestamp_granularities")
    granularities = {str(value) for key in keys for value in form.getlist(key)}
    if unknown := granularities - set(replies.GRANULARITIES):
        raise UserError(f"timestamp_granularities[] must be word or segment, not {min(unknown)}")
    is_stream = (_text(form, "stream") or "").lower() in ("true", "1")
    return _Asked(
        file,
        None if not model or model in _ALIASES else model,
        wanted,
        granularities,
        is_stream,
        _text(form, "language") or "en",
    )


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


async def _sent(events: list[str]) -> AsyncIterator[str]:
    for event in events:
        yield event
