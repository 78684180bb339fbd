"""The wire: request bodies in, the contract's envelopes out, and what an endpoint can reach."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import msgspec
from fastapi import Request, Response

from gatefleet.admin.passwords import Passwords
from gatefleet.errors import Invalid, TooLarge
from gatefleet.settings import AdminSettings
from gatefleet.store import Store

S = TypeVar("S", bound=msgspec.Struct)
MAX_BODY: Final = 16 << 20
NUL: Final = "\0"


@dataclass(frozen=True, slots=True)
class Control:
    """What every endpoint works with; one per process, on `app.state.control`."""

    store: Store
    settings: AdminSettings
    passwords: Passwords
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once this process is asked to stop."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def control(request: Request) -> Control:
    return cast("Control", request.app.state.control)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any value as JSON."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def value(content: Any) -> Response:
    """One object: `{"value": ...}`."""
    return answer({"value": content})


def listing(items: Sequence[Any], total: int | None = None) -> Response:
    """A list: `{"list": [...], "total": N}`; N counts all pages."""
    return answer({"list": items, "total": len(items) if total is None else total})


def failure(status: int, message: str, **more: Any) -> Response:
    """An error: `{"error_msg": ...}`."""
    return answer({"error_msg": message, **more}, status)


def nothing() -> Response:
    """What a delete below /apisix/admin answers: an empty JSON string, which every client can read."""
    return answer("")


async def read_json(request: Request) -> Any:
    """The request's body; Invalid if it is no JSON or holds what PostgreSQL cannot keep, TooLarge over MAX_BODY."""
    raw = await _read(request)
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid(f"the request's body is not valid JSON: {error}") from error
    if rb"\u0000" in raw and _holds_nul(body):
        raise Invalid("text must not hold the character U+0000")
    return body


async def read_text(request: Request) -> str:
    """The request's body as text; Invalid if it is not UTF-8."""
    try:
        return (await _read(request)).decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"the request's body is not UTF-8: {error}") from error


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body as an object; no body counts as an empty one."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Invalid("value must be an object")
    return cast("dict[str, Any]", body)


async def read_shape(request: Request, shape: type[S]) -> S:
    """The request's body as a struct; unknown keys are ignored, Invalid names what does not fit."""
    try:
        return msgspec.convert(await read_object(request), shape)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from error


async def _read(request: Request) -> bytes:
    """The body as it came; whoever decides about the request may have read it before."""
    if hasattr(request.state, "body"):
        return cast("bytes", request.state.body)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise TooLarge(f"the request's body is larger than {MAX_BODY >> 20} MiB")
        parts.append(part)
    request.state.body = b"".join(parts) or b"{}"
    return request.state.body


def _holds_nul(node: Any) -> bool:
    if isinstance(node, str):
        return NUL in node
    if isinstance(node, dict):
        return any(NUL in key or _holds_nul(item) for key, item in cast("dict[str, Any]", node).items())
    return isinstance(node, list) and any(_holds_nul(item) for item in cast("list[Any]", node))


def unix(moment: datetime) -> int:
    """Unix seconds."""
    return int(moment.timestamp())
