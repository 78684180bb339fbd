"""The small web server on a unix socket that Envoy's scripts ask; nobody else can reach it.

Each kind of question has a desk of its own, so that a flood of one does not keep the others waiting. What cannot be
answered is an error status, and the scripts make a refusal of that.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn

from gatefleet.errors import GatefleetError, Invalid
from gatefleet.outbound import Outbound
from gatefleet.signin import bearer, ldap
from gatefleet.signin.desk import Desk
from gatefleet.signin.login import Login
from gatefleet.signin.provider import Providers
from gatefleet.signin.questions import Introspection, KeysQuestion, SessionQuestion

log = structlog.get_logger()

READY: Final = "/ready"
MOST_BYTES: Final = 256 * 1024
"""Of a question: a configuration and the cookies of one request."""
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class App:
    """POST of a question to its desk's path; GET /ready says that the process is there."""

    def __init__(self, desks: Mapping[str, Desk]) -> None:
        self._desks = desks

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        status, body = await self._answer(scope["path"], receive)
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: str, receive: Receive) -> tuple[int, bytes]:
        if path == READY:
            return 200, b"{}"
        desk = self._desks.get(path)
        if desk is None:
            return 404, b"{}"
        try:
            return 200, await desk.ask(await _body(receive))
        except GatefleetError as error:
            log.warning("a question was not answered", question=path, reason=str(error))
            return error.status, b"{}"
        except Exception:
            log.exception("a question was not answered", question=path)
            return 500, b"{}"


def desks(key: bytes, outbound: Outbound) -> Mapping[str, Desk]:
    """All desks; `key` is what the nodes of the gateway group, and nobody else, have in common.

    `outbound`: what must not be connected to.
    """
    providers = Providers(outbound)
    return {
        "/ldap-auth": Desk(ldap.Question, partial(ldap.answer, outbound), most=64, patience=10.0),
        "/openid-connect/keys": Desk(KeysQuestion, bearer.Bearer(providers).keys, most=64, patience=30.0),
        "/openid-connect/token": Desk(Introspection, bearer.Bearer(providers).introspect, most=128, patience=30.0),
        "/openid-connect/session": Desk(SessionQuestion, Login(providers, key).decide, most=128, patience=60.0),
    }


async def serve(path: Path, key: bytes, outbound: Outbound) -> None:
    """Answer on the unix socket `path` until a signal asks to stop."""
    config = uvicorn.Config(
        App(desks(key, outbound)), interface="asgi3", lifespan="off", ws="none",
        log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=75,
    )  # fmt: skip
    await uvicorn.Server(config).serve(sockets=[_listen(path)])


async def _body(receive: Receive) -> bytes:
    whole = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("the question was taken back")
        whole += message.get("body", b"")
        more = bool(message.get("more_body"))
        if len(whole) > MOST_BYTES:
            raise Invalid(f"a question has at most {MOST_BYTES} bytes")
    return whole


def _listen(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        found.bind(str(path))
    finally:
        os.umask(mask)
    found.listen(1024)
    found.setblocking(False)  # noqa: FBT003  (the standard library's way)
    return found
