"""How long a change takes from the Admin API's answer until clients of the gateway see it."""

import http.client
import json
import random
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from bench.fleet import ADMIN, GROUP, Fleet
from bench.shape import Json, Shape, marked, path
from bench.watcher import Watcher

PATIENCE: Final = 10.0
"""Seconds after which a change counts as lost."""
PAUSES: Final = (0.05, 0.15)
"""Seconds between two changes, drawn anew each time, so that they do not keep step with anything in the product."""


class Timing(msgspec.Struct, frozen=True):
    """One change, in ms. `published` and `turn` are what the DP Manager says of it, None where it said it of two."""

    answer: float
    """The PUT itself."""
    live: float
    """From the answer until a client sees the change."""
    published: float | None
    """From the answer until the DP Manager has handed the new revision to its streams; may be before the answer."""
    turn: float | None
    """Of which: reading, compiling, signing."""
    receipt: float
    """What the change's receipt says: from the change's transaction until the node saw its Envoy serve it."""


def measure(fleet: Fleet, shape: Shape, count: int) -> list[Timing]:
    """Change `count` routes one after the other, and take it back. RuntimeError when one is refused or never live."""
    log_starts = fleet.log.stat().st_size
    admin = http.client.HTTPConnection("127.0.0.1", fleet.admin, timeout=2 * PATIENCE)
    raw: list[tuple[float, float, float, int]] = []
    touched: set[int] = set()
    with Watcher(fleet.gateway) as watcher:
        for change in range(count):
            time.sleep(random.uniform(*PAUSES))
            n = random.randrange(shape.routes)
            watcher.aim(shape.host(n), path(n))
            began = time.monotonic()
            at, revision = _put(admin, *shape.route(n, marked(str(change))))
            answered = time.monotonic()
            live = watcher.until(str(change), PATIENCE)
            raw.append((answered - began, live - answered, at, revision))
            touched.add(n)
    receipts = [_receipt(admin, revision) for *_, revision in raw]
    fleet.put(shape.route(n, {}) for n in sorted(touched))
    published = list(_published(fleet, log_starts))
    timed = zip(raw, receipts, strict=True)
    return [_timing(answer, live, at, published, receipt) for (answer, live, at, _), receipt in timed]


def summary(timings: Sequence[Timing]) -> dict[str, float]:
    """p50 and p99 of each part, in ms."""
    columns = {
        "live": [t.live for t in timings],
        "answer": [t.answer for t in timings],
        "answer to published": [t.published for t in timings if t.published is not None],
        "dpm turn": [t.turn for t in timings if t.turn is not None],
        "receipt": [t.receipt for t in timings],
    }
    found: dict[str, float] = {}
    for name, values in columns.items():
        if values:
            ordered = sorted(values)
            found[f"{name} p50"] = round(statistics.median(ordered), 2)
            found[f"{name} p99"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2)
    return found


def _put(admin: http.client.HTTPConnection, resource: str, body: Json) -> tuple[float, int]:
    """Change one document; the wall clock at its answer, which is what logs go by, and the revision it made."""
    query = f"gateway_group_id={GROUP['gateway_group_id']}"
    answer, _ = _call(admin, "PUT", f"/apisix/admin/{resource}?{query}", json.dumps(body))
    return time.time(), int(answer.headers["x-gateway-group-revision"])


def _receipt(admin: http.client.HTTPConnection, revision: int) -> float:
    """The time to live of a revision, ms."""
    path = f"/api/gateway_groups/{GROUP['gateway_group_id']}/revisions/{revision}/receipt?wait={PATIENCE:.0f}"
    _, said = _call(admin, "GET", path)
    return float(json.loads(said)["value"]["time_to_live"]["p50_ms"])


def _call(
    admin: http.client.HTTPConnection, method: str, path: str, body: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    headers = {
        "Authorization": "Basic " + b64encode(":".join(ADMIN).encode()).decode(),
        "Content-Type": "application/json",
    }
    admin.request(method, path, body, headers)
    answer = admin.getresponse()
    said = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {said.decode()}")
    return answer, said


def _published(fleet: Fleet, since: int) -> Iterator[tuple[float, float]]:
    """(wall clock, ms of the turn) of each revision that the DP Manager published."""
    with fleet.log.open("rb") as log:
        log.seek(since)
        for line in log:
            said = _line(line)
            if said.get("event") == "published":
                yield datetime.fromisoformat(said["timestamp"]).timestamp(), float(said["ms"])


def _line(line: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _timing(answer: float, live: float, at: float, published: Sequence[tuple[float, float]], receipt: float) -> Timing:
    near = [(when, ms) for when, ms in published if at - answer <= when <= at + live]
    when, turn = near[0] if len(near) == 1 else (None, None)
    return Timing(
        answer=answer * 1000,
        live=live * 1000,
        published=None if when is None else (when - at) * 1000,
        turn=turn,
        receipt=receipt,
    )
