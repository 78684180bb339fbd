"""What a case expects of an answer and of what reached the upstream, compared in words."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.conformance.client import Answer
from tests.conformance.upstreams import Seen

Json = Mapping[str, Any]


def differences(expect: Json, answer: Answer, seen: list[Seen], took: float) -> Iterator[str]:
    """Everything that is not as expected, in words; nothing if all is well."""
    for name, wanted in expect.items():
        check = CHECKS.get(name)
        assert check is not None, f"unknown expectation [{name}]; there are {sorted(CHECKS)}"
        yield from check(wanted, answer, seen, took)


def header_differences(wanted: Json, of: Callable[[str], list[str]], where: str) -> Iterator[str]:
    """A text or number is the one value, a list all values, null means absent, {regex: …} and {contains: …} test it."""
    for name, value in wanted.items():
        found = of(name)
        match value:
            case None:
                right = not found
            case {"regex": pattern}:
                right = len(found) == 1 and re.fullmatch(str(pattern), found[0]) is not None
            case {"contains": text}:
                right = any(str(text) in one for one in found)
            case list():
                right = found == [str(one) for one in value]
            case _:
                right = found == [str(value)]
        if not right:
            yield f"{where} header {name}: {found}, not {value!r}"


def _status(wanted: int, answer: Answer, *_: object) -> Iterator[str]:
    if answer.status != wanted:
        yield f"status {answer.status}, not {wanted}; body {answer.body[:300]!r}"


def _headers(wanted: Json, answer: Answer, *_: object) -> Iterator[str]:
    yield from header_differences(wanted, answer.of, "response")


def _body(wanted: str, answer: Answer, *_: object) -> Iterator[str]:
    if answer.body.decode("latin-1") != wanted:
        yield f"body {answer.body!r}, not {wanted!r}"


def _body_json(wanted: Any, answer: Answer, *_: object) -> Iterator[str]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = answer.body
    if found != wanted:
        yield f"body {found!r}, not {wanted!r}"


def _body_regex(wanted: str, answer: Answer, *_: object) -> Iterator[str]:
    if not re.search(wanted, answer.body.decode("latin-1")):
        yield f"body {answer.body!r} does not match {wanted!r}"


def _body_size(wanted: int, answer: Answer, *_: object) -> Iterator[str]:
    if len(answer.body) != wanted:
        yield f"body of {len(answer.body)} bytes, not {wanted}"


def _websocket(wanted: str, answer: Answer, *_: object) -> Iterator[str]:
    if answer.more.decode() != wanted:
        yield f"the upgraded connection said {answer.more!r}, not {wanted!r}"


def _route(wanted: str, _: Answer, seen: list[Seen], __: float) -> Iterator[str]:
    found = seen[-1].of("x-route") if seen else None
    if found != [wanted]:
        yield f"route {found}, not [{wanted}]"


def _took(wanted: Json, _: Answer, __: list[Seen], took: float) -> Iterator[str]:
    if not float(wanted.get("at_least", 0)) <= took <= float(wanted.get("at_most", 60)):
        yield f"took {took:.2f} s, not {wanted}"


def _upstream_saw(wanted: Json | None, _: Answer, seen: list[Seen], __: float) -> Iterator[str]:
    if wanted is None:
        if seen:
            yield f"{len(seen)} requests reached an upstream, none was expected: {seen[-1]}"
        return
    if not seen:
        yield "nothing reached an upstream"
        return
    for name, value in wanted.items():
        yield from _seen(name, value, seen)


def _seen(name: str, wanted: Any, seen: list[Seen]) -> Iterator[str]:
    last = seen[-1]
    if name == "headers":
        yield from header_differences(wanted, last.of, "upstream's")
    elif name == "body_regex":
        if not re.search(wanted, last.body.decode("latin-1")):
            yield f"upstream's body {last.body!r} does not match {wanted!r}"
    else:
        found: dict[str, Any] = {"path": last.path, "method": last.method, "server": last.server, "count": len(seen)}
        found |= {"body": last.body.decode("latin-1"), "version": last.version}
        found |= {"distinct": len({one.server for one in seen})}
        found |= {"servers": sorted(one.server for one in seen)}
        if found[name] != (sorted(wanted) if name == "servers" else wanted):
            yield f"upstream's {name}: {found[name]!r}, not {wanted!r}"


def logged(wanted: Json, seen: list[Seen], file: Path) -> Iterator[str]:
    """What is not as expected of the entries that were written since the last request, at a server or into `file`."""
    posts: list[Seen] = []
    entries: list[Any] = []
    until = time.monotonic() + (30.0 if wanted["entries"] else 0.5)
    while time.monotonic() < until and (len(entries) < len(wanted["entries"]) or not wanted["entries"]):
        time.sleep(0.02)
        posts = [one for one in seen if one.path.startswith("/logs")]
        bodies = [one.body.decode() for one in posts]
        entries = [entry for body in bodies for entry in _entries(body)]
        entries += [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    if len(entries) != len(wanted["entries"]):
        yield f"{len(entries)} entries were logged, not {len(wanted['entries'])}: {entries}"
    for one, entry in zip(wanted["entries"], entries, strict=False):
        yield from _members(one, entry, "")
    request: Json = wanted.get("request") or {}
    if "path" in request and [one.path for one in posts] != [request["path"]]:
        yield f"entries came to {[one.path for one in posts]}, not {request['path']}"
    if "headers" in request:
        yield from header_differences(request["headers"], posts[-1].of, "logger's") if posts else ("nothing came",)


def _entries(body: str) -> list[Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return [json.loads(line) for line in body.splitlines()]
    return found if isinstance(found, list) else [found]


def _members(wanted: Any, found: Any, at: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and set(wanted) == {"regex"}:
        if not isinstance(found, str | int | float) or not re.fullmatch(str(wanted["regex"]), str(found)):
            yield f"logged {at}: {found!r} does not match {wanted['regex']}"
    elif isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            yield f"logged {at}: {found!r} is no object"
            return
        for name, value in wanted.items():
            if value is None:
                if name in found:
                    yield f"logged {at}/{name}: {found[name]!r}, not absent"
            else:
                yield from _members(value, found.get(name), f"{at}/{name}")
    elif found != wanted:
        yield f"logged {at}: {found!r}, not {wanted!r}"


CHECKS: Mapping[str, Callable[..., Iterator[str]]] = {
    "status": _status,
    "headers": _headers,
    "body": _body,
    "body_json": _body_json,
    "body_regex": _body_regex,
    "body_size": _body_size,
    "websocket": _websocket,
    "route": _route,
    "took": _took,
    "upstream_saw": _upstream_saw,
}
