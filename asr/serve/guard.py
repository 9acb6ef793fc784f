"""What every request passes: the token, the origin, the headers that keep browsers careful, the count."""

import hmac
import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve import replies
from asr.serve.metrics import Metrics

_OPEN = ("/", "/health")
_OPEN_BELOW = "/page/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of the page: nothing from elsewhere, nothing inline."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PATHS = ("/v1/audio/transcriptions", "/v1/models", "/v1/sentences", "/health", "/metrics", "/openapi.json", "/",
          "/v1/record", "/v1/record/prompts", "/v1/record/takes", "/v1/record/training")  # fmt: skip


class Guard:
    """Middleware around all of it, HTTP and WebSocket."""

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None) -> None:
        self._app, self._metrics, self._token = app, metrics, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; of the rest say why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        is_socket = scope["type"] == "websocket"
        is_open = not is_socket and (path in _OPEN or path.startswith(_OPEN_BELOW))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = path if path in _PATHS else "other"
                self._metrics.requests.labels(known, message["status"]).inc()
                added = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    added.setdefault(name, value)
            await send(message)

        if not _is_of_here(headers):
            await _refuse(scope, receive, sent, 403, "a page of another site may not use this server")
        elif self._token is not None and not is_open and not self._has_token(headers, scope):
            await _refuse(scope, receive, sent, 401, "send the server's token: Authorization: Bearer TOKEN")
        else:
            await self._app(scope, receive, sent)

    def _has_token(self, headers: Headers, scope: Scope) -> bool:
        """As a bearer, or among the subprotocols of a WebSocket, as browsers cannot set its headers."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = [token.strip()] if kind.lower() == "bearer" else []
        given += [name.removeprefix("token.") for name in scope.get("subprotocols", ()) if name.startswith("token.")]
        return any(hmac.compare_digest(one.encode(), (self._token or "").encode()) for one in given)


def _is_of_here(headers: Headers) -> bool:
    """Whether no browser says that a page of another site sends this: programs say nothing."""
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # [ without ]
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    if scope["type"] == "http":
        await replies.error(status, message)(scope, receive, send)
        return
    if "websocket.http.response" in scope.get("extensions", {}):
        body = json.dumps({"error": {"message": message}}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": status, "headers": head})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": message})
