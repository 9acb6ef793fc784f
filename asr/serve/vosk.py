"""Vosk's WebSocket protocol: a configuration, blocks of 16 bits, {"eof": 1}; a reply to each block.

As alphacep/vosk-server speaks it, so that its clients work as they are. Of what is new here, `letters`, `stable`,
`intent` and `slots` are in replies only where the configuration asks for them, or the model knows sentences.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from asr.errors import UserError
from asr.files import printable
from asr.recognition.live import Event, Final, Letter, Live, LiveConfig, Partial
from asr.recognition.recognizer import Options
from asr.serve.config import Limits
from asr.serve.metrics import Metrics
from asr.serve.models import Models
from asr.serve.sound import LIVE_RATES, MAX_BLOCK
from asr.serve.work import BusyError, Work

_TRY_LATER, _UNSUPPORTED, _GOING_AWAY = 1013, 1007, 1001


class VoskServer:
    """Streams of live sound, over what the server has."""

    def __init__(
        self, models: Models, work: Work, metrics: Metrics, limits: Limits, live: LiveConfig, options: Options
    ) -> None:
        self._models, self._work, self._metrics = models, work, metrics
        self._limits, self._live, self._options = limits, live, options

    async def stream(self, socket: WebSocket) -> None:
        """One connection, from its first message to its last."""
        await socket.accept("asr" if "asr" in socket.scope.get("subprotocols", ()) else None)
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(64)
        is_over = asyncio.Event()

        async def end() -> None:
            await waiting.put({"type": "ending"})
            await is_over.wait()

        try:
            self._work.open_stream(end, self._limits.max_streams)
            await self._serve(socket, waiting)
        except BusyError as error:
            await _end(socket, _TRY_LATER, str(error))
        except UserError as error:
            await _end(socket, _UNSUPPORTED, str(error))
        except WebSocketDisconnect:
            pass
        finally:
            is_over.set()
            self._work.close_stream(end)

    async def _serve(self, socket: WebSocket, waiting: "asyncio.Queue[dict[str, Any]]") -> None:
        stream = _Stream({})
        reader = asyncio.create_task(_read(socket, waiting, self._limits.idle_s))
        try:
            while True:
                message = await waiting.get()
                if message["type"] == "websocket.disconnect":
                    return
                if message["type"] == "idle":
                    await _end(socket, _GOING_AWAY, f"nothing has come for {self._limits.idle_s:g} s")
                    return
                if message["type"] == "ending":
                    await self._finish(socket, stream, _GOING_AWAY)
                    return
                if message.get("bytes") is not None:
                    block = stream.samples(message["bytes"])
                    if stream.live is None:
                        stream.live = await self._work.block(lambda: self._started(stream))
                    events = await self._fed(stream.live, block, has_partial=waiting.empty())
                    await socket.send_text(json.dumps(stream.reply(events), ensure_ascii=False))
                    continue
                asked = _parsed(message.get("text") or "")
                if "config" in asked:
                    stream.configure(asked["config"])
                elif asked.get("eof"):
                    await self._finish(socket, stream)
                    return
                elif not asked.get("reset"):
                    raise UserError('a text message is {"config": {...}} or {"eof": 1}')
        finally:
            reader.cancel()

    async def _finish(self, socket: WebSocket, stream: "_Stream", code: int = 1000) -> None:
        live = stream.live
        finals: list[Event] = [] if live is None else list(await self._work.block(live.flush))
        await socket.send_text(json.dumps(stream.result(finals), ensure_ascii=False))
        await socket.close(code)

    def _started(self, stream: "_Stream") -> Live:
        return Live(self._models.get(stream.model), self._live, sample_rate=stream.sample_rate, options=self._options)

    async def _fed(self, live: Live, block: np.ndarray[Any, Any], *, has_partial: bool) -> list[Event]:
        began = time.perf_counter()
        events = await self._work.block(lambda: live.feed(block, has_partial=has_partial))
        self._metrics.recognition.labels("block").observe(time.perf_counter() - began)
        self._metrics.sound.labels("live").inc(len(block) / live.sample_rate)
        return events


class _Stream:
    """What one connection has asked for, and what it was last sent."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.live: Live | None = None
        self.sample_rate, self.model = 16000, None
        self._has_words, self._has_letters = True, False
        self._partial: dict[str, Any] = {"partial": ""}
        self._half = b""
        self.configure(config)

    def configure(self, config: Any) -> None:
        """A message's `config`. Raises UserError for what cannot be."""
        if not isinstance(config, dict):
            raise UserError("config is not an object")
        if self.live is not None and {"sample_rate", "model"} & set(config):
            raise UserError("sample_rate and model must come before the first block of sound")
        rate = config.get("sample_rate", self.sample_rate)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not LIVE_RATES[0] <= rate <= LIVE_RATES[1]:
            raise UserError(f"sample_rate must be a number from {LIVE_RATES[0]} to {LIVE_RATES[1]}, not {rate}")
        self.sample_rate = round(rate)
        self.model = config.get("model", self.model) if isinstance(config.get("model", ""), str) else None
        self._has_words = bool(config.get("words", self._has_words))
        self._has_letters = bool(config.get("letters", self._has_letters))

    def samples(self, data: bytes) -> np.ndarray[Any, Any]:
        """The samples of a message; half a sample waits for its other half. Raises UserError."""
        if len(data) > MAX_BLOCK:
            raise UserError(f"a block of {len(data)} bytes is larger than {MAX_BLOCK}; send the sound as it comes")
        data = self._half + data
        self._half = data[len(data) // 2 * 2 :]
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)

    def reply(self, events: Sequence[Event]) -> dict[str, Any]:
        """To a block: a result where a segment has ended, else what is recognised so far."""
        if any(isinstance(event, Final) for event in events):
            self._partial = {"partial": ""}
            return self.result(events)
        for event in events:
            if isinstance(event, Partial):
                self._partial = {"partial": event.text}
                if self._has_letters:
                    self._partial |= {"stable": event.num_stable, "letters": _letters(event.letters)}
        return self._partial

    def result(self, events: Sequence[Event]) -> dict[str, Any]:
        """What segments that have ended hold, as one result."""
        finals = [event for event in events if isinstance(event, Final)]
        words = [word for final in finals for word in final.transcript.words]
        values: dict[str, Any] = {"text": " ".join(final.text for final in finals if final.text)}
        if words and self._has_words:
            values["result"] = [
                {"conf": word.confidence, "start": word.start_s, "end": word.end_s, "word": word.text} for word in words
            ]
        if self._has_letters:
            values["letters"] = [letter for final in finals for letter in _letters(final.letters)]
        meant = next((final.transcript for final in finals if final.transcript.intent is not None), None)
        if meant:
            values |= {"intent": meant.intent, "slots": dict(meant.slots)}
        return values


def _letters(letters: Sequence[Letter]) -> list[list[Any]]:
    return [[letter.text, letter.time_s] for letter in letters]


async def _read(socket: WebSocket, waiting: "asyncio.Queue[dict[str, Any]]", idle_s: float) -> None:
    """Messages as they come, so that it is known whether another waits; a full queue lets TCP slow the client down."""
    while True:
        try:
            message = dict(await asyncio.wait_for(socket.receive(), idle_s))
        except TimeoutError:
            message = {"type": "idle"}
        await waiting.put(message)
        if message["type"] != "websocket.receive":
            return


async def _end(socket: WebSocket, code: int, reason: str) -> None:
    """Say why, then close; the reason of a close holds 123 bytes."""
    reason = printable(reason)  # it may quote what no UTF-8 can hold
    try:
        await socket.send_text(json.dumps({"error": reason}, ensure_ascii=False))
        await socket.close(code, reason.encode()[:120].decode(errors="ignore"))
    except (RuntimeError, WebSocketDisconnect):
        return  # it is gone already


def _parsed(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError("a text message that is no JSON") from None
    if not isinstance(values, dict):
        raise UserError("a text message that is no JSON object")
    return values
