"""Wyoming, the protocol of Home Assistant: speech to text, and wake words where a model knows sentences or words.

`describe`, `transcribe` and audio events in, `info` and `transcript` out; after `detect`, `detection` as soon as one of
the names that are asked for is recognised, of live sound.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.wake import Detect, Detection, NotDetected

import asr
from asr.errors import UserError
from asr.files import printable
from asr.recognition.live import Event as Recognised
from asr.recognition.live import Final, Live, LiveConfig
from asr.serve.app import Server
from asr.serve.models import UnknownModelError
from asr.serve.sentences import known_sentences
from asr.serve.sound import LIVE_RATES, MAX_BLOCK

_logger = logging.getLogger(__name__)
_ATTRIBUTION = Attribution(name="asr", url="")
_MAX_WORDS = 100  # that a model may know, for its words to be wake words


def _check(chunk: AudioChunk) -> None:
    """Raises UserError for sound that cannot be converted."""
    if len(chunk.audio) > MAX_BLOCK:
        raise UserError(f"a chunk of {len(chunk.audio)} bytes is larger than {MAX_BLOCK}")
    form = (chunk.rate, chunk.width, chunk.channels)
    if not all(type(value) is int for value in form) or not (
        LIVE_RATES[0] <= chunk.rate <= LIVE_RATES[1] and chunk.width in (1, 2, 3, 4) and chunk.channels in (1, 2)
    ):
        raise UserError(
            f"a chunk with a rate of {chunk.rate!r}, a width of {chunk.width!r} and {chunk.channels!r} channels: send "
            f"{LIVE_RATES[0]} to {LIVE_RATES[1]} samples a second of 1 to 4 bytes, in one channel or two"
        )
    if len(chunk.audio) % (chunk.width * chunk.channels):
        raise UserError(f"a chunk of {len(chunk.audio)} bytes ends within a sample")


class WyomingServer:
    """A TCP server beside HTTP's, over the same models."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tcp = AsyncTcpServer(server.config.host, server.config.wyoming_port or 0)

    @property
    def port(self) -> int:
        """Where it listens."""
        listening: Any = self._tcp._server
        return int(listening.sockets[0].getsockname()[1]) if listening else self._tcp.port

    async def start(self) -> None:
        """Listen. Raises UserError where that cannot be."""
        try:
            await self._tcp.start(lambda reader, writer: _Handler(self._server, reader, writer))
        except OSError as error:
            raise UserError(f"Wyoming: cannot listen at port {self._tcp.port}: {error.strerror}") from None

    async def stop(self) -> None:
        """End all connections."""
        await self._tcp.stop()


class _Bounded:
    """What events are read from: no more of one than a chunk is held."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.readline, self.feed_eof = reader.readline, reader.feed_eof
        self._reader = reader

    async def readexactly(self, count: int) -> bytes:
        """Raises ValueError, which ends the connection, for more."""
        if count > MAX_BLOCK:
            raise ValueError
        return await self._reader.readexactly(count)


class _Handler(AsyncEventHandler):
    """One connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(cast(asyncio.StreamReader, _Bounded(reader)), writer)
        self._server = server
        self._model: str | None = None
        self._names: list[str] | None = None  # of wake words; None: a transcript is wanted
        self._live: Live | None = None
        self._converter: AudioChunkConverter | None = None
        self._finals: list[Final] = []
        self._is_counted = self._is_detected = False
        self._turn = asyncio.Lock()  # of an event of the client, or of the server's end

    async def run(self) -> None:
        """Events until the last one."""
        try:
            await super().run()
        except (EOFError, LookupError, TypeError, AttributeError, RecursionError) as error:  # of wyoming's own parser
            _logger.warning("Wyoming: a connection ended by what is no event: %s", type(error).__name__)

    async def handle_event(self, event: Event) -> bool:
        """An event of the client -> whether the connection goes on."""
        try:
            async with self._turn:
                return await self._handle(event)
        except UserError as error:
            await self.write_event(Error(text=printable(str(error))).event())
        except (KeyError, TypeError, ValueError) as error:
            text = f"an event of type {printable(event.type)} that is malformed: {printable(str(error))}"
            await self.write_event(Error(text=text).event())
        return False

    async def disconnect(self) -> None:
        """The client is gone, or was refused."""
        self._server.work.close_stream(self.end)
        self._is_counted = False

    async def end(self) -> None:
        """The server ends: what was spoken is answered."""
        async with self._turn:
            if self._live is not None:
                await self._finish()
        await self.stop()

    async def _handle(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            await self.write_event((await self._server.work.block(self._info)).event())
        elif Ping.is_type(event.type):
            await self.write_event(Pong(text=Ping.from_event(event).text).event())
        elif Transcribe.is_type(event.type):
            self._model, self._names = self._known(Transcribe.from_event(event).name), None
        elif Detect.is_type(event.type):
            self._names = Detect.from_event(event).names or []
        elif AudioStart.is_type(event.type):
            await self._begin()
        elif AudioChunk.is_type(event.type):
            await self._chunk(AudioChunk.from_event(event))
        elif AudioStop.is_type(event.type):
            await self._finish()
        return True

    def _known(self, name: str | None) -> str | None:
        """A model's name; of one that this server lacks, the default: Home Assistant keeps names of old."""
        try:
            self._server.models.get(name)
        except UnknownModelError as error:
            _logger.warning("Wyoming: %s; the default is taken", error)
            return None
        return name

    async def _begin(self) -> None:
        work = self._server.work
        if not self._is_counted:
            work.open_stream(self.end, self._server.config.limits.max_streams)
            self._is_counted = True
        # Partial results are asked for by nobody here.
        recognizer = await work.block(lambda: self._server.models.get(self._model))
        config = LiveConfig(**{**vars(self._server.live), "partial_ms": 0.0})
        rate = recognizer.frontend.config.sample_rate
        self._live = Live(recognizer, config, options=self._server.options)
        self._converter = AudioChunkConverter(rate=rate, width=2, channels=1)
        self._finals, self._is_detected = [], False

    async def _chunk(self, chunk: AudioChunk) -> None:
        if self._live is None or self._converter is None:
            await self._begin()
        assert self._live is not None and self._converter is not None
        _check(chunk)
        live, converter = self._live, self._converter
        events = await self._server.work.block(lambda: live.feed(_samples(converter.convert(chunk))))
        self._server.metrics.sound.labels("live").inc(chunk.seconds)
        await self._take(events)

    async def _finish(self) -> None:
        if self._live is None:
            await self._begin()
        assert self._live is not None
        await self._take(await self._server.work.block(self._live.flush))
        self._live = None
        if self._names is not None:
            if not self._is_detected:
                await self.write_event(NotDetected().event())
            return
        text = " ".join(final.text for final in self._finals if final.text)
        await self.write_event(TranscriptStart().event())
        await self.write_event(TranscriptChunk(text=text).event())
        await self.write_event(Transcript(text=text).event())
        await self.write_event(TranscriptStop().event())

    async def _take(self, events: Sequence[Recognised]) -> None:
        """What was recognised; a wake word is told at once."""
        finals = [event for event in events if isinstance(event, Final)]
        self._finals += finals
        if self._names is None:
            self._finals = self._finals[-1000:]
            return
        self._finals = []
        for final in finals:
            if final.text and (not self._names or final.text in self._names):
                self._is_detected = True
                milliseconds = round(1000 * final.end_s)
                await self.write_event(Detection(name=final.text, timestamp=milliseconds).event())

    def _info(self) -> Info:
        models = self._server.models
        described = [
            AsrModel(
                name=name, attribution=_ATTRIBUTION, installed=True, description=None, version=None, languages=["en"]
            )
            for name in models.names
        ]
        program = AsrProgram(
            name="asr", attribution=_ATTRIBUTION, installed=True, description="BiLSTM and CTC",
            version=asr.__version__, models=described, supports_transcript_streaming=True,
        )  # fmt: skip
        words = [item["text"] for item in known_sentences(models.get(), _MAX_WORDS)]
        wakes = [
            WakeModel(
                name=word, attribution=_ATTRIBUTION, installed=True, description=None, version=None, languages=["en"],
                phrase=word,
            )
            for word in words
        ]  # fmt: skip
        wake = WakeProgram(
            name="asr", attribution=_ATTRIBUTION, installed=True, description="BiLSTM and CTC",
            version=asr.__version__, models=wakes,
        )  # fmt: skip
        return Info(asr=[program], wake=[wake] if wakes else [])


def _samples(chunk: AudioChunk) -> np.ndarray[Any, Any]:
    return np.frombuffer(chunk.audio, "<i2").astype(np.int16)
