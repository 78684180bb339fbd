"""Calls of the Admin API: a client that asserts what it gets, and the language in which tests say what they expect."""

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import httpx


class Mark(enum.Enum):
    """What no JSON value can say."""

    ABSENT = "in a shape: this key must not be there"
    NOTHING = "a request without a body"


ABSENT: Final = Mark.ABSENT
NOTHING: Final = Mark.NOTHING


class Each(NamedTuple):
    """A list, empty or not, whose items all have this shape."""

    shape: Any


def misfit(actual: Any, shape: Any, at: str = "") -> str | None:
    """Why `actual` does not have the shape, or None.

    A type stands for any value of it, a pattern for text that holds it, a dict for an object with at least these
    keys, a list for a list of exactly these items; anything else for itself.
    """
    match shape:
        case dict():
            return _misfit_object(actual, shape, at)
        case list():
            return _misfit_items(actual, shape, at)
        case Each():
            return _misfit_items(actual, [shape.shape] * len(actual) if isinstance(actual, list) else [shape], at)
        case type():
            right = isinstance(actual, shape) and not (shape is int and isinstance(actual, bool))
        case re.Pattern():
            right = isinstance(actual, str) and shape.search(actual)
        case _:
            right = actual == shape and isinstance(actual, bool) == isinstance(shape, bool)
    return None if right else f"{at}: {actual!r} is not {shape!r}"


def _misfit_object(actual: Any, shape: Mapping[str, Any], at: str) -> str | None:
    if not isinstance(actual, dict):
        return f"{at}: {actual!r} is not an object"
    for key, part in shape.items():
        if part is ABSENT:
            if key in actual:
                return f"{at}/{key}: {actual[key]!r} should be absent"
        elif key not in actual:
            return f"{at}/{key}: missing in {sorted(actual)}"
        elif problem := misfit(actual[key], part, f"{at}/{key}"):
            return problem
    return None


def _misfit_items(actual: Any, shapes: list[Any], at: str) -> str | None:
    if not isinstance(actual, list) or len(actual) != len(shapes):
        return f"{at}: {actual!r} is not a list of {len(shapes)}"
    pairs = enumerate(zip(actual, shapes, strict=True))
    return next(filter(None, (misfit(item, shape, f"{at}/{number}") for number, (item, shape) in pairs)), None)


def value(shape: Any) -> dict[str, Any]:
    """The envelope of one object."""
    return {"value": shape, "list": ABSENT, "error_msg": ABSENT}


def listed(*items: Any) -> dict[str, Any]:
    """The envelope of a list of exactly these."""
    return {"list": list(items), "total": len(items), "error_msg": ABSENT}


def error(text: str = ".") -> dict[str, Any]:
    """The envelope of an error whose message holds this text."""
    return {"error_msg": re.compile(text if text == "." else re.escape(text)), "detail": ABSENT}


class Call(NamedTuple):
    """One line of a table: what is sent and what must come back."""

    method: str
    path: str
    body: Any = NOTHING
    status: int = 200
    shape: Any = object


@dataclass(frozen=True)
class Caller:
    """A client with a credential. A path without a leading slash stands below /apisix/admin of the caller's group.

    `group` is what it says in `gateway_group_id`; a caller with the admin key of a group says nothing.
    """

    http: httpx.AsyncClient
    credential: Mapping[str, str]
    group: str | None = None

    async def send(self, method: str, path: str, body: Any = NOTHING, **params: Any) -> httpx.Response:
        """The answer, whatever it is."""
        if not path.startswith("/"):
            path = f"/apisix/admin/{path}"
        url = httpx.URL(path)
        if self.group and path.startswith("/apisix/admin/"):
            url = url.copy_add_param("gateway_group_id", self.group)
        for name, part in params.items():
            url = url.copy_add_param(name, part)
        content = {} if body is NOTHING else {"content": json.dumps(body)}
        kind = {} if body is NOTHING else {"content-type": "application/json"}
        return await self.http.request(method, url, headers={**self.credential, **kind}, **content)

    async def expect(self, call: Call, **params: Any) -> Any:
        """The answer's body, which must fit."""
        answer = await self.send(call.method, call.path, call.body, **params)
        said = f"{call.method} {call.path}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code == call.status, said
        assert answer.headers["content-type"].startswith("application/json"), said
        problem = misfit(answer.json(), call.shape)
        assert problem is None, f"{problem} in {said}"
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        return await self.expect(Call("GET", path), **params)

    async def put(self, path: str, body: Any = NOTHING) -> Any:
        return await self.expect(Call("PUT", path, body))

    async def post(self, path: str, body: Any = NOTHING) -> Any:
        return await self.expect(Call("POST", path, body))

    async def delete(self, path: str) -> Any:
        return await self.expect(Call("DELETE", path))

    async def expect_value(self, method: str, path: str, shape: Any, body: Any = NOTHING) -> Any:
        """The one object of an answer with status 200, which must fit."""
        return (await self.expect(Call(method, path, body, 200, value(shape))))["value"]

    async def refused(self, status: int, method: str, path: str, body: Any = NOTHING) -> str:
        """The message of an error."""
        return (await self.expect(Call(method, path, body, status, error())))["error_msg"]

    async def ids(self, path: str, **params: Any) -> list[str]:
        """The ids of a list, in its order."""
        items = (await self.get(path, **params))["list"]
        return [item.get("id", item.get("username")) for item in items]


async def login(visitor: Caller, username: str, password: str) -> Caller:
    """A browser's session: the first `name=value` of Set-Cookie, echoed with every request."""
    answer = await visitor.send("POST", "/api/login", {"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    visitor.http.cookies.clear()
    return Caller(visitor.http, {"Cookie": cookie.partition(";")[0]})
