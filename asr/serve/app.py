"""The application: what answers at which path."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import asr
from asr.decode.decoder import DecoderConfig
from asr.recognition.live import LiveConfig
from asr.recognition.recognizer import Options
from asr.serve import replies
from asr.serve.config import ServeConfig
from asr.serve.guard import Guard
from asr.serve.metrics import Metrics
from asr.serve.models import Models, UnknownModelError
from asr.serve.recording import Recording
from asr.serve.sentences import known_sentences
from asr.serve.transcriptions import Transcriptions
from asr.serve.vosk import VoskServer
from asr.serve.work import Work

PAGE = Path(__file__).with_name("page")
_NUM_SENTENCES = 30


@dataclass(frozen=True)
class Server:
    """What a server has; `load` reads the models."""

    config: ServeConfig
    models: Models
    work: Work
    metrics: Metrics
    live: LiveConfig
    options: Options
    recording: Recording | None = None

    @classmethod
    def load(cls, config: ServeConfig, decoding: DecoderConfig | None, live: LiveConfig, options: Options) -> "Server":
        """Raises UserError where a model cannot be loaded, or a folder for takes cannot be made."""
        work = Work(config.threads, config.limits.max_waiting)
        models = Models(config.models, decoding)
        recording = Recording(config.record, models, work) if config.record else None
        return cls(config, models, work, Metrics(work), live, options, recording)

    def app(self) -> Starlette:
        """The ASGI application."""
        limits = self.config.limits
        transcriptions = Transcriptions(self.models, self.work, self.metrics, limits, self.options)
        streams = VoskServer(self.models, self.work, self.metrics, limits, self.live, self.options)
        routes: list[BaseRoute] = [
            Route("/", _page),
            WebSocketRoute("/", streams.stream),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/v1/audio/transcriptions", transcriptions.transcribe, methods=["POST"]),
            Route("/v1/models", transcriptions.models),
            Route("/v1/sentences", self._sentences),
            Route("/health", self._health),
            Route("/metrics", self._metrics_text),
            Route("/openapi.json", _openapi),
            *(self.recording.routes() if self.recording else ()),
        ]
        guard = Middleware(Guard, metrics=self.metrics, token=self.config.token)
        return Starlette(routes=routes, middleware=[guard], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        if self.recording:
            await self.recording.training.stop()
        self.work.close()

    async def _health(self, _request: Request) -> Response:
        records = self.recording is not None
        return JSONResponse(
            {"status": "ok", "version": asr.__version__, "models": self.models.names, "records": records}
        )

    async def _metrics_text(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _sentences(self, request: Request) -> Response:
        """Sentences or words that a model knows, to try."""
        try:
            recognizer = self.models.get(request.query_params.get("model") or None)
        except UnknownModelError as error:
            return replies.error(404, str(error), param="model")
        found = await self.work.block(lambda: known_sentences(recognizer, _NUM_SENTENCES))
        return JSONResponse({"sentences": found})


async def _page(_request: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


async def _openapi(_request: Request) -> Response:
    document = json.loads((PAGE.parent / "openapi.json").read_text("utf-8"))
    document["info"]["version"] = asr.__version__
    return JSONResponse(document)
