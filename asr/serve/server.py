"""The server in the foreground: HTTP, WebSocket and Wyoming in one event loop, until a signal ends it."""

import asyncio
import logging
import signal
import socket

import uvicorn

from asr.errors import UserError
from asr.serve.app import Server
from asr.serve.wyoming import WyomingServer

_logger = logging.getLogger(__name__)
_GRACE_S = 30  # for what is being answered when the end comes
_STREAM_GRACE_S = 5  # for the last results of live sound
_BACKLOG = 512


def run(server: Server) -> None:
    """Serve until SIGINT or SIGTERM; what has been asked is answered first. Raises UserError where it cannot listen."""
    listening = _listen(server.config.host, server.config.port)
    # uvicorn raises again, at its end, the signal that ended it: that is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    asyncio.run(_run(server, listening))


class _Http(uvicorn.Server):
    """uvicorn, which would close streams before they have been given what was spoken."""

    def __init__(self, settings: uvicorn.Config, server: Server) -> None:
        super().__init__(settings)
        self._work = server.work

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then all the rest."""
        await self._work.end_streams(_STREAM_GRACE_S)
        await super().shutdown(sockets)


async def _run(server: Server, listening: socket.socket) -> None:
    settings = uvicorn.Config(
        server.app(),
        log_level="warning",
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=1 << 21,
        ws_ping_interval=20,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
        server_header=False,
    )
    http = _Http(settings, server)
    wyoming = WyomingServer(server) if server.config.wyoming_port is not None else None
    if wyoming:
        await wyoming.start()
        _logger.info("Wyoming at tcp://%s:%d", server.config.host, wyoming.port)
    host, port = listening.getsockname()[:2]
    _logger.info("listening at http://%s:%d", f"[{host}]" if ":" in host else host, port)
    await http.serve(sockets=[listening])
    if wyoming:
        await wyoming.stop()
    _logger.info("ended")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # who reads the address may connect at once, before the server's loop runs
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot listen there: {error.strerror}; choose another --port") from None
    return listening
