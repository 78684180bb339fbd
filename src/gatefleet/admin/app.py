"""The application: routers, errors, request ids and one access-log line per request."""

import re
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatefleet.admin import (
    allowances,
    approvals,
    audit,
    audit_logs,
    audit_sinks,
    catalogue,
    certificates,
    compare,
    config,
    drills,
    engine,
    exchange,
    explain,
    find,
    groups,
    health,
    identity,
    joining,
    login_options,
    nodes,
    overviews,
    prometheus,
    publish,
    receipts,
    registries,
    request_tests,
    revisions,
    rings,
    roles,
    system,
    telemetry,
    templates,
    users,
    validate,
    versions,
)
from gatefleet.admin.metrics import Metrics
from gatefleet.admin.web import NUL, Control, failure
from gatefleet.errors import Conflict, GatefleetError, Invalid, TooMany

log = structlog.get_logger("gatefleet.admin.access")
SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""For answers that are data and nothing to be shown as a page (OWASP, HTTP Headers; REST Security).

The Dashboard's files say themselves how long they keep and what their page may load.
"""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9\-_.:]{1,128}")


def create_api(control: Control) -> FastAPI:
    """The endpoints and what errors answer."""
    app = FastAPI(title="Gatefleet Admin API", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.control = control
    app.router.routes.extend(_endpoints())
    app.add_exception_handler(GatefleetError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _break)
    return app


@cache
def _endpoints() -> Sequence[BaseRoute]:
    """All there are. Made once, in a tenth of a second: which control plane is meant, a request's application says."""
    # fixed paths before those with parameters: /services/template is not the service [template]
    routers = (
        system.router(),
        identity.router(),
        login_options.router(),
        allowances.router(),
        explain.router(),
        users.router(),
        roles.router(),
        audit_logs.router(),
        audit_sinks.router(),
        overviews.router(),
        telemetry.router(),
        find.router(),
        prometheus.router(),
        groups.router(),
        nodes.router(),
        drills.router(),
        request_tests.router(),
        joining.router(),
        exchange.router(),
        templates.router(),
        publish.router(),
        versions.router(),
        approvals.router({**publish.EXECUTORS, **rings.EXECUTORS, **config.EXECUTORS, **revisions.EXECUTORS}),
        catalogue.router(),
        certificates.router(),
        config.router(),
        revisions.router(),
        receipts.router(),
        registries.router(),
        health.router(),
        rings.router(),
        compare.router(),
        validate.router(),
        *engine.routers(),
    )
    return [route for router in routers for route in router.routes]


async def _refuse(request: Request, error: Exception) -> Response:
    status, message = 500, str(error)
    if isinstance(error, GatefleetError):
        status = error.status
    elif isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail).lower()
    await audit.refused(request, status, message)
    if status >= 500:
        log.error("the request failed", error=message)
    headers = {"WWW-Authenticate": 'Basic realm="gatefleet"'} if status == 401 and _wants_basic(request) else {}
    more: dict[str, Any] = {}
    if isinstance(error, HTTPException):
        headers |= error.headers or {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, Conflict) and error.value is not None:
        more["value"] = error.value
    elif isinstance(error, Invalid) and error.errors:
        more["errors"] = error.errors
    response = failure(status, message, **more)
    response.headers.update(headers)
    return response


async def _break(request: Request, _: Exception) -> Response:
    """An error of ours nobody foresaw: the log has it all, the answer only where to look."""
    return failure(500, f"something broke on our side; the log has it under request [{request.state.request_id}]")


def _wants_basic(request: Request) -> bool:
    """Browsers that run the Dashboard must not be asked by their own dialogue; tools may."""
    return "authorization" in request.headers


class Logged:
    """Gives every request an id, answers it in X-Request-Id, and writes one line when it is done."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, seen = time.perf_counter(), {"status": 500, "bytes": 0}
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = message.setdefault("headers", [])
                headers.append((b"x-request-id", request_id.encode()))
                said = {name for name, _ in headers}
                headers.extend(header for header in SAFE if header[0] not in said)
                if scope.get("scheme") == "https":
                    headers.append((b"strict-transport-security", b"max-age=31536000"))
                if "group_revision" in scope["state"]:
                    headers.append((b"x-gateway-group-revision", str(scope["state"]["group_revision"]).encode()))
            elif message["type"] == "http.response.body":
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                app = _refused_address() if _holds_nul(scope) else self.app
                await app(scope, receive, sending)
            except Exception:
                log.exception("the request broke", path=scope["path"])
            finally:
                seconds = time.perf_counter() - began
                self.metrics.count(scope["method"], seen["status"], seconds)
                _write(scope, seen, seconds)


def _refused_address() -> ASGIApp:
    return failure(400, "the address must not hold the character U+0000")


def _holds_nul(scope: Scope) -> bool:
    """Whether path or query name what PostgreSQL cannot keep or compare."""
    return NUL in scope["path"] or b"%00" in scope["query_string"]


def _write(scope: Scope, seen: dict[str, int], seconds: float) -> None:
    caller: Any = scope["state"].get("caller")
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=seen["status"],
        bytes=seen["bytes"],
        ms=round(seconds * 1000, 1),
        client=scope["client"][0] if scope.get("client") else None,
        caller=caller.name if caller else None,
    )


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else str(uuid4())
