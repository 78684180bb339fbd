"""What a node answers about itself: /status and /status/ready for load balancers, metrics for Prometheus."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn

from gatefleet.errors import Conflict

Answer = tuple[int, str, bytes]
"""Status code, content type, body."""
Page = Callable[[], Awaitable[Answer]]
JSON: Final = "application/json"
_NOT_FOUND: Final[Answer] = (404, JSON, b'{"error_msg":"404 Not Found"}')


@dataclass(slots=True)
class Status:
    """What the last turn of the loop found."""

    serving: bool = False
    ready: bool = False
    reason: str = "the node is starting"
    warning: str = ""
    """What does not work though the node serves."""
    metrics: Page | None = None
    """Where the metrics come from, once there is an Envoy to ask."""

    async def metrics_page(self) -> Answer:
        return await self.metrics() if self.metrics else _answer(False, self.reason)  # noqa: FBT003

    secrets: Page | None = None
    """How the secrets kept outside are, once there is an agent to ask."""

    async def secrets_page(self) -> Answer:
        return await self.secrets() if self.secrets else _answer(False, self.reason)  # noqa: FBT003

    async def alive_page(self) -> Answer:
        return _answer(self.serving, self.reason, self.warning)

    async def ready_page(self) -> Answer:
        return _answer(self.ready, self.reason, self.warning)


def _answer(good: bool, reason: str, warning: str = "") -> Answer:  # noqa: FBT001  (the one thing it is about)
    if good:
        said = {"status": "ok"} | ({"warning": warning} if warning else {})
        return 200, JSON, json.dumps(said, separators=(",", ":")).encode()
    return 503, JSON, json.dumps({"status": "error", "error": reason}).encode()


@dataclass(slots=True)
class Pages:
    """A small web server: GET only, exact paths."""

    bind: str
    port: int
    purpose: str
    pages: Mapping[str, Page]
    _server: "_Quiet | None" = field(default=None)
    _task: "asyncio.Task[None] | None" = field(default=None)

    async def start(self) -> None:
        """Listen. Conflict when somebody else does already."""
        found = _listen(self.bind, self.port, self.purpose)
        config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", ws="none",
            log_config=None, access_log=False, server_header=False, proxy_headers=False,
        )  # fmt: skip
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[found]), name=self.purpose)

    async def stop(self) -> None:
        if self._server and self._task:
            self._server.should_exit = self._server.force_exit = True
            await self._task

    async def _app(
        self,
        scope: Mapping[str, Any],
        _receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        page = self.pages.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        code, kind, body = await page() if page else _NOT_FOUND
        head = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": code, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handlers: the node has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listen(bind: str, port: int, purpose: str) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((bind, port))
    except OSError as error:
        found.close()
        raise Conflict(
            f"cannot listen on {bind} port {port} ({purpose}): {error.strerror}; "
            "stop what listens there, or move this node's ports with --port-offset"
        ) from error
    found.listen(128)
    found.setblocking(False)  # noqa: FBT003  (the standard library's way)
    return found
