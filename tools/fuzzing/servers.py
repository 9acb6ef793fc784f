"""What reads messages of strangers: the servers' protocols, without a network between."""

import asyncio
import io
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from asr.modelfile.locate import SHIPPED
from asr.recognition.live import LiveConfig
from asr.recognition.recognizer import Options
from asr.serve.app import Server
from asr.serve.config import RecordConfig, ServeConfig
from asr.serve.wyoming import _Handler
from fuzzing.readers import Reader, reader

_BOUNDARY = b"----x"
_BETWEEN = b"\n--\n"  # messages of one connection


def _server(takes: Path | None = None) -> Server:
    config = ServeConfig({"digits": SHIPPED}, threads=1, record=RecordConfig(takes) if takes else None)
    server = Server.load(config, None, LiveConfig(), Options())
    server.models.get(None)
    return server


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(np.arange(400, dtype="<i2").tobytes())
    return file.getvalue()


def _form(*parts: tuple[str, bytes, str]) -> bytes:
    """Headers and body of a request that sends a form."""
    body = b""
    for name, value, more in parts:
        head = f'\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        body += b"--" + _BOUNDARY + head + value + b"\r\n"
    body += b"--" + _BOUNDARY + b"--\r\n"
    kind = b"content-type: multipart/form-data; boundary=" + _BOUNDARY
    return kind + b"\ncontent-length: %d\norigin: http://x:80\nhost: x:80\n\n" % len(body) + body


def _requests(app: Any, method: str, path: str) -> Callable[[bytes], object]:
    """A reader of requests: headers by line, an empty line, the body. A status of 500 is an escape."""
    loop = asyncio.new_event_loop()

    def read(data: bytes) -> object:
        head, _, body = data.partition(b"\n\n")
        lines = (line.partition(b":") for line in head.split(b"\n"))
        headers = [(name.strip().lower(), value.strip()) for name, _, value in lines]
        # What a server refuses before it asks an application.
        headers = [(name, value) for name, value in headers if name != b"content-length" or value.isdigit()]
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        scope = {"type": "http", "method": method, "path": path, "headers": headers,
                 "query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("x", 80)}  # fmt: skip
        statuses: list[int] = []

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        loop.run_until_complete(app(scope, receive, send))
        if max(statuses) >= 500:
            raise RuntimeError(f"status {max(statuses)}")
        return statuses

    return read


@reader
def server_form(_folder: Path) -> Reader:
    """Requests for transcriptions: the headers, the form and its file."""
    more = (("model", b"whisper-1"), ("response_format", b"verbose_json"), ("timestamp_granularities[]", b"word"),
            ("stream", b"true"))  # fmt: skip
    form = _form(("file", _wav(), '; filename="a.wav"'), *((name, value, "") for name, value in more))
    read = _requests(_server().app(), "POST", "/v1/audio/transcriptions")
    return Reader(read, (form, b"content-type: application/json\n\n{}"))


@reader
def server_take(folder: Path) -> Reader:
    """Requests that keep a take of one's own words."""
    server = _server(folder)
    assert server.recording
    server.recording._takes.set_prompts(["one"])
    form = _form(("file", _wav(), '; filename="a.wav"'), ("speaker", b"anna", ""), ("text", b"one", ""))
    return Reader(_requests(server.app(), "POST", "/v1/record/takes"), (form,))


@reader
def server_prompts(folder: Path) -> Reader:
    """Requests that say which words are to be recorded."""
    seeds = (b'host: x\n\n{"prompts": ["one", "two three"]}', b"origin: http://x\nhost: x\n\n{}")
    return Reader(_requests(_server(folder).app(), "PUT", "/v1/record/prompts"), seeds)


@reader
def server_stream(_folder: Path) -> Reader:
    """Vosk's messages. What is not text is sound."""
    app = _server().app()
    loop = asyncio.new_event_loop()

    def read(data: bytes) -> object:
        messages: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        for message in data.split(_BETWEEN):
            kind = "bytes" if message[:1] == b"\x00" else "text"
            value = message[1:] if kind == "bytes" else message.decode("utf-8", "replace")
            messages.append({"type": "websocket.receive", kind: value})
        messages.append({"type": "websocket.disconnect", "code": 1000})
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": [],
                 "scheme": "ws", "server": ("x", 80)}  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0)
            return messages.pop(0) if messages else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Any) -> None:
            sent.append(message)

        loop.run_until_complete(app(scope, receive, send))
        return sent

    config = json.dumps({"config": {"sample_rate": 8000, "words": True, "letters": False, "model": "digits"}}).encode()
    block = b"\x00" + np.arange(400, dtype="<i2").tobytes()
    return Reader(read, (_BETWEEN.join([config, block, block, b'{"reset": 1}', b'{"eof": 1}']), config))


class _Writer:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, lines: Any) -> None:
        self.written += lines

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None: ...


@reader
def server_wyoming(_folder: Path) -> Reader:
    """Wyoming's events, as bytes of a connection."""
    server = _server()
    loop = asyncio.new_event_loop()

    def read(data: bytes) -> object:
        writer = _Writer()

        async def served() -> None:
            stream = asyncio.StreamReader()
            stream.feed_data(data)
            stream.feed_eof()
            await _Handler(server, stream, cast(Any, writer)).run()

        loop.run_until_complete(served())
        return writer.written

    sound = np.arange(400, dtype="<i2").tobytes()
    form = {"rate": 8000, "width": 2, "channels": 1}
    events: list[tuple[str, dict[str, Any], bytes]] = [
        ("transcribe", {"name": "digits", "language": "en"}, b""),
        ("audio-start", form, b""),
        ("audio-chunk", {**form, "timestamp": 0}, sound),
        ("audio-stop", {}, b""),
    ]
    asked: list[tuple[str, dict[str, Any], bytes]] = [
        ("describe", {}, b""), ("ping", {"text": "x"}, b""), ("detect", {"names": ["one"]}, b"")]  # fmt: skip
    return Reader(read, tuple(b"".join(_event(*event) for event in some) for some in (events, asked + events[1:])))


def _event(kind: str, data: dict[str, Any], payload: bytes) -> bytes:
    values = json.dumps(data).encode()
    head = {"type": kind, "version": "1", "data_length": len(values), "payload_length": len(payload)}
    return json.dumps(head).encode() + b"\n" + values + payload
