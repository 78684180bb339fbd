"""What the gateway instances have served in the last day: figures over time, figures now, and single requests.

Who is limited by policies sees the traffic of the services that he may read, consumers and instances by their names
only where he may list these, and nothing of requests that no service has served.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import figures
from gatefleet.admin import openapi
from gatefleet.admin.access import Access, Reach, asked_group, caller_of, held_by, visible_groups
from gatefleet.admin.endpoint import add
from gatefleet.admin.overviews import readable_documents
from gatefleet.admin.query import number
from gatefleet.admin.telemetry_shapes import BY, ENTRIES_QUERY, ENTRY, GROUP_NOW, MOST_ENTRIES, TRAFFIC, TRAFFIC_QUERY
from gatefleet.admin.web import control, listing, value
from gatefleet.errors import Forbidden, Invalid
from gatefleet.figures import NOTHING, Figures
from gatefleet.resources.ring_rules import Traffic
from gatefleet.store import telemetry
from gatefleet.store.fleet_tables import instance
from gatefleet.store.tables import gateway_group, resource
from gatefleet.store.telemetry import FINE, MINUTE, OTHERS, Ask, Dimension, EntryAsk

PATH: Final = "/api/telemetry"
STEPS: Final = (15, 60, 300, 900, 1800, 3600)
"""Seconds of a step that are chosen from when none is asked for."""
USUAL_POINTS: Final = 120
MOST_POINTS: Final = 7500
"""Of all series of an answer together."""
HOUR: Final = 3600
NOW: Final = 300
"""Seconds that count as now."""
LATE: Final = 30
"""Seconds after which everybody has reported."""
DIMENSIONS: Final[Mapping[str, Dimension]] = {
    "route_id": "route",
    "consumer": "consumer",
    "instance_id": "instance",
}


def router() -> APIRouter:
    api = APIRouter(tags=["telemetry"])
    get = Access("GetTraffic", Reach.ANY)
    listed = Access("ListAccessLog", Reach.ANY)
    add(api, "GET", f"{PATH}/traffic", _traffic, get, answers=openapi.one(TRAFFIC), query=TRAFFIC_QUERY)
    add(api, "GET", f"{PATH}/gateway_groups", _groups, get, answers=openapi.many(GROUP_NOW, paged=False))
    many = openapi.many(ENTRY, paged=False)
    add(api, "GET", f"{PATH}/access_log", _entries, listed, answers=many, query=ENTRIES_QUERY)
    return api


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose traffic the caller may see: of these groups, and of these (group, service); None for all."""

    groups: Collection[str] | None
    services: Collection[tuple[str, str]] | None = None


async def _traffic(request: Request) -> Response:
    """Requests, status codes, latencies and bytes over time, of the last 24 hours, in one series or several.

    Figures are exact and at most half a minute late; percentiles are read off a histogram. Route, consumer and
    instance cannot be combined with each other: figures are kept by each of them, not by two at once.
    """
    params = request.query_params
    by = params.get("by") or "none"
    if by not in BY:
        raise Invalid(f"by must be one of {', '.join(BY)}")
    began, ended = _span(request)
    step, resolution = _step(request, began, ended)
    dimension, name = _dimension(request, by)
    top = number("top", request.query_params.get("top") or "10", 50)
    at = range(began // step * step, ended, step)
    if len(at) * (1 if by == "none" else 1 + top) > MOST_POINTS:
        raise Invalid(f"that makes more than {MOST_POINTS} points; ask for longer steps, less time or fewer series")
    async with control(request).store.moment() as connection:
        sight = await _sight(request, connection, dimension)
        ask = Ask(resolution, at.start, ended, dimension, sight.groups, sight.services, params.get("service_id"), name)
        found = await _series(connection, ask, at, by, top)
    return value({"from": at.start, "to": ended, "step": step, "at": list(at), **found})


async def _groups(request: Request) -> Response:
    """How each gateway group is doing: its traffic of the last five minutes."""
    ended = int(time.time()) - LATE
    async with control(request).store.moment() as connection:
        sight = await _sight(request, connection, "route")
        ask = Ask(FINE, ended - NOW, ended, "route", sight.groups, sight.services)
        sums = await telemetry.sums(connection, ask, BY["gateway_group"])
        rows = (await connection.execute(select(gateway_group).order_by(gateway_group.c.created_order))).all()
    seen = [row for row in rows if sight.groups is None or row.id in sight.groups]
    shown = [
        {"gateway_group_id": row.id, "name": row.name, "window_seconds": NOW, **_sum(sums.get((row.id,), NOTHING), NOW)}
        for row in seen
    ]
    return listing(shown)


async def _entries(request: Request) -> Response:
    """Single requests of the last 24 hours, latest first: a few of all, more of those that failed.

    They hold no headers, no query and no client addresses.
    """
    params = request.query_params
    group = asked_group(request) or caller_of(request).group_id
    if not group:
        raise Invalid("the query parameter gateway_group_id is missing")
    began, ended = _span(request)
    low, high = _statuses(params.get("status"))
    page_size = min(number("page_size", params.get("page_size") or "50"), MOST_ENTRIES)
    async with control(request).store.moment() as connection:
        sight = await _sight(request, connection, "consumer")
        ask = EntryAsk(
            group,
            began,
            ended,
            None if sight.services is None else [service for _, service in sight.services],
            *(params.get(name) for name in ("service_id", "route_id", "consumer", "instance_id")),
            low=low,
            high=high,
        )
        rows, count = await telemetry.entries(connection, ask, number("page", params.get("page") or "1"), page_size)
    return listing([_entry(row) for row in rows], count)


def _entry(row: Mapping[Any, Any]) -> dict[str, Any]:
    texts = ("instance_id", "service_id", "route_id", "consumer", "method", "host", "path", "upstream", "details")
    counts = ("status", "bytes_in", "bytes_out")
    kept = {name: row[name] for name in (*texts, *counts)}
    return {"at": row["at"].timestamp(), "latency_ms": row["latency_us"] / 1000, **kept}


# What is asked for


def _span(request: Request) -> tuple[int, int]:
    """Begin and end, within the last day and up to now."""
    now = int(time.time())
    day = int(MINUTE.kept.total_seconds())
    ended = min(_seconds(request, "to", now), now)
    began = max(_seconds(request, "from", ended - HOUR), now - day)
    if began >= ended:
        raise Invalid("from must be before to, and to within the last 24 hours: older figures are not kept")
    return began, ended


def _seconds(request: Request, name: str, otherwise: int) -> int:
    text = request.query_params.get(name)
    return number(name, text, 2**40) if text else otherwise


def _step(request: Request, began: int, ended: int) -> tuple[int, telemetry.Resolution]:
    fine = began >= time.time() - FINE.kept.total_seconds()
    finest = FINE.step if fine else MINUTE.step
    text = request.query_params.get("step")
    usual = next((s for s in STEPS if s >= finest and (ended - began) / s <= USUAL_POINTS), STEPS[-1])
    step = number("step", text) if text else usual
    if step % finest:
        raise Invalid(f"step must be a multiple of {finest} seconds in this range")
    return step, FINE if step % MINUTE.step else MINUTE


def _dimension(request: Request, by: str) -> tuple[Dimension, str | None]:
    """Which figures are asked for, and of which route, consumer or instance only."""
    named = {kind: name for key, kind in DIMENSIONS.items() if (name := request.query_params.get(key)) is not None}
    wanted = {*named, *({by} & set(DIMENSIONS.values()))}
    if len(wanted) > 1:
        raise Invalid(f"{' and '.join(sorted(wanted))} cannot be combined: figures are kept by one of them at a time")
    dimension = cast("Dimension", next(iter(wanted), "route"))
    return dimension, named.get(dimension)


def _statuses(text: str | None) -> tuple[int, int]:
    if not text:
        return 0, 999
    if len(text) != 3 or text[0] not in "12345" or not (text[1:] == "xx" or (text.isascii() and text.isdigit())):
        raise Invalid("status must be a code as 503 or a class as 5xx")
    return (int(text[0]) * 100, int(text[0]) * 100 + 99) if text[1:] == "xx" else (int(text), int(text))


async def _sight(request: Request, connection: AsyncConnection, dimension: Dimension) -> Sight:
    """What the caller may see; Forbidden if he asks for a gateway group of which he may see nothing."""
    asked, caller = asked_group(request), caller_of(request)
    if caller.group_id is not None:
        if asked not in {None, caller.group_id}:
            raise Forbidden(f"gateway group [{asked}] is not yours to read")
        return Sight([caller.group_id])
    held = await held_by(caller, connection)
    if held is None:
        return Sight([asked] if asked else None)
    pairs = [
        (row.group_id, row.id)
        for row in await readable_documents(connection, held, "services", [asked] if asked else None)
    ]
    needed = {"consumer": "ListConsumer", "instance": "ListInstances"}.get(dimension)
    if needed:
        named = set(await visible_groups(request, needed) or ())
        pairs = [pair for pair in pairs if pair[0] in named]
    groups = {group for group, _ in pairs}
    if asked and asked not in groups:
        raise Forbidden(f"nothing of the traffic of gateway group [{asked}] is yours to read")
    return Sight(groups, pairs)


# What is told


async def _series(connection: AsyncConnection, ask: Ask, at: range, by: str, top: int) -> Mapping[str, Any]:
    """`total` and the `series`: those with most requests, and all others as one."""
    whole = (await telemetry.sums(connection, ask))[()]
    points = (await telemetry.series(connection, ask, at.step)).get((), {})
    seconds = ask.ended - ask.began
    total = {"id": "", "name": "", **_told(whole, points, at, seconds)}
    if by == "none":
        return {"total": total, "series": []}
    sums = await telemetry.sums(connection, ask, BY[by])
    ranked = sorted(sums, key=lambda key: (key[-1] == OTHERS, -figures.requests(sums[key]), key))
    chosen = [key for key in ranked if key[-1] != OTHERS][:top]
    lines = await telemetry.series(connection, ask, at.step, BY[by], chosen)
    names = await _names(connection, by, chosen)
    told = [
        {**_about(by, key), "name": names.get(key, key[-1]), **_told(sums[key], lines.get(key, {}), at, seconds)}
        for key in chosen
    ]
    if len(chosen) < len(ranked):
        left = {moment: _left(here, lines, moment) for moment, here in points.items()}
        others = figures.rest(whole, [sums[key] for key in chosen])
        told.append({"id": OTHERS, "name": "others", **_told(others, left, at, seconds)})
    return {"total": total, "series": told}


def _left(whole: Figures, lines: Mapping[tuple[str, ...], Mapping[int, Figures]], moment: int) -> Figures:
    return figures.rest(whole, [line.get(moment, NOTHING) for line in lines.values()])


def _about(by: str, key: tuple[str, ...]) -> dict[str, str]:
    columns = {"group_id": "gateway_group_id", "service_id": "service_id", "name": "id"}
    return {"id": key[-1], **{columns[column]: part for column, part in zip(BY[by], key, strict=True)}}


async def _names(
    connection: AsyncConnection, by: str, keys: Sequence[tuple[str, ...]]
) -> Mapping[tuple[str, ...], str]:
    """What these are called now; nothing for what is gone, or is named as it is."""
    groups, ids = {key[0] for key in keys}, {key[-1] for key in keys}
    match by:
        case "gateway_group":
            statement = select(gateway_group.c.id, gateway_group.c.id.label("key"), gateway_group.c.name)
            statement = statement.where(gateway_group.c.id.in_(ids))
        case "service" | "route":
            columns = (resource.c.group_id, resource.c.id.label("key"), resource.c.body["name"].astext.label("name"))
            here = resource.c.group_id.in_(groups) & resource.c.id.in_(ids) & (resource.c.kind == f"{by}s")
            statement = select(*columns).where(here)
        case "instance":
            columns = (instance.c.group_id, instance.c.id.label("key"), instance.c.hostname.label("name"))
            statement = select(*columns).where(instance.c.group_id.in_(groups), instance.c.id.in_(ids))
        case _:
            return {}
    known = {(row[0], row.key): row.name for row in await connection.execute(statement)}
    return {key: name for key in keys if (name := known.get((key[0], key[-1])))}


def _told(whole: Figures, points: Mapping[int, Figures], at: range, seconds: int) -> dict[str, Any]:
    each = [points.get(moment, NOTHING) for moment in at]
    named = [_sum(one, at.step) for one in each]
    columns = ("requests", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "bytes_in", "bytes_out")
    listed: dict[str, Any] = {column: [one[column] for one in named] for column in columns}
    listed["status"] = {name: [one["status"][name] for one in named] for name in figures.CLASSES}
    return {"sum": _sum(whole, seconds), "points": listed}


def _sum(whole: Figures, seconds: int) -> dict[str, Any]:
    requests, by_status = figures.requests(whole), figures.statuses(whole)
    traffic = Traffic(requests, by_status["5xx"], figures.latency(whole))
    counted = dict(zip(figures.FIELDS, whole, strict=True))
    return {
        "requests": requests,
        "requests_per_second": round(requests / seconds, 3),
        "status": by_status,
        "error_ratio": round(traffic.error_ratio, 6),
        **{f"latency_p{part}_ms": _milliseconds(traffic.quantile(part / 100)) for part in (50, 95, 99)},
        **{name: counted[name] for name in figures.BYTES},
    }


def _milliseconds(found: float | None) -> float | None:
    return None if found is None else round(found, 3)
