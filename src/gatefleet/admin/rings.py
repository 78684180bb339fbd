"""Rings: a publication that some instances serve first, compared with the rest, then promoted or rolled back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.approvals import Executor, Kept, ask
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.grants import Subject, group_labels, service_labels
from gatefleet.admin.query import flag, number, page_of, read_query
from gatefleet.admin.release import Plan, pinned, plan, reading
from gatefleet.admin.ring_orders import End, RingBody, RingOrder, check, check_free, chosen, start
from gatefleet.admin.visible import limited, permitted, whole
from gatefleet.admin.web import control, listing, read_shape, unix, value
from gatefleet.resources.diff import diff, sentences
from gatefleet.resources.ring_rules import Sample, Traffic, decide, series, served
from gatefleet.resources.rings import Overlay
from gatefleet.store import Author, Documents, rings
from gatefleet.store.approvals import Rule, needed
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Releases
from gatefleet.store.ring_changes import promote, roll_back
from gatefleet.store.rings import Ring
from gatefleet.store.store import changing

PATH: Final = "/api/gateway_groups/{gateway_group_id}/rings"
WINDOW: Final = 120
"""Seconds that are compared when neither the rule nor the caller says how many."""
POINTS: Final = 60
MAX_POINTS: Final = 300
MAX_WINDOW: Final = 86_400
FINEST: Final = 5
"""Seconds between two points of a chart, at least: how often the rest of the group says what it counted."""
_NUMBER: Final[openapi.Schema] = {"type": "integer", "minimum": 1}

Change = Callable[[Documents, Cipher, Ring, str, str], Awaitable[Ring]]


def router() -> APIRouter:
    """Every way to look at rings, and to start and end them."""
    api = APIRouter(tags=["rings"])
    one, path = openapi.one(), f"{PATH}/{{id}}"
    compared = (
        openapi.parameter("window", {**_NUMBER, "maximum": MAX_WINDOW}, "Seconds that are compared, up to now"),
        openapi.parameter("points", {**_NUMBER, "maximum": MAX_POINTS}, "Points of the series"),
        openapi.parameter("service_id", openapi.TEXT, "Only this service's requests"),
    )
    add(api, "POST", PATH, _start, group("CreateRing"), body=RingBody, answers=one)
    add(api, "GET", PATH, _list, group("ListRings", filtered=True), answers=openapi.many())
    add(api, "GET", path, _get, group("GetRing"), answers=one, query=compared)
    add(api, "POST", f"{path}/promote", partial(_end, promote), group("PromoteRing"), body=End, answers=one)
    add(api, "POST", f"{path}/rollback", partial(_end, roll_back), group("RollbackRing"), body=End, answers=one)
    return api


async def _start(request: Request) -> Response:
    """Have a share of the group's instances serve versions of services that the rest does not serve yet."""
    body, store = await read_shape(request, RingBody), control(request).store
    order = body.order(group_of(request))
    if body.dry_run or flag(request, "dry_run"):
        async with store.moment() as connection:
            return value(await _told(connection, store.cipher, order))
    async with (
        audit.transact(request) as connection,
        audit.in_group(request, connection, group_of(request)) as documents,
    ):
        check_free(documents)
        releases = Releases(connection, store.cipher)
        planned = await plan(releases, order.publication, {documents.group_id: documents})
        planned.refuse_duplicates()
        if rule := await needed(connection, "ring", order.publication.groups):
            return await _ask(request, releases, rule, order, planned)
        made = await start(releases, documents, order, planned, store.cipher, caller_of(request).name)
        audit.note(request, "rings", made.id, _noted(made), answer=_shown(made))
    return value(_shown(made))


async def _ask(request: Request, releases: Releases, rule: Rule, order: RingOrder, planned: Plan) -> Response:
    """Make the versions, and keep the rest until somebody else approves it."""
    check(order, planned)
    publication, caller = order.publication, caller_of(request).name
    kept = msgspec.structs.replace(order, publication=await pinned(releases, publication, planned, caller))
    return await ask(
        request,
        releases.connection,
        rule,
        "ring",
        publication.groups,
        msgspec.to_builtins(kept),
        services=[item.service_id for item in publication.items],
        note=publication.note,
    )


async def _told(connection: AsyncConnection, cipher: Cipher, order: RingOrder) -> dict[str, Any]:
    """What starting it would do: the difference on its members, and who they are."""
    releases, publication = Releases(connection, cipher), order.publication
    planned = await plan(releases, publication, await reading(connection, cipher, publication))
    group_id = check(order, planned).group_id
    rule = await needed(connection, "ring", publication.groups)
    return {
        **planned.plain(),
        "operation": "ring",
        "members": await chosen(connection, group_id, order.share),
        **({"approval_rule": rule.name} if rule else {}),
    }


async def _preview_kept(connection: AsyncConnection, cipher: Cipher, kept: Kept) -> Mapping[str, Any]:
    return await _told(connection, cipher, msgspec.convert(kept, RingOrder))


async def _run_kept(connection: AsyncConnection, cipher: Cipher, kept: Kept, author: Author) -> Mapping[str, Any]:
    order, releases = msgspec.convert(kept, RingOrder), Releases(connection, cipher)
    (group_id,) = order.publication.groups
    async with changing(connection, cipher, group_id, author) as documents:
        check_free(documents)
        planned = await plan(releases, order.publication, {group_id: documents})
        planned.refuse_duplicates()
        return {"ring": _shown(await start(releases, documents, order, planned, cipher, author.operator))}


EXECUTORS: Final = {"ring": Executor(_preview_kept, _run_kept)}
"""How rings that waited for an approval are started."""


async def _list(request: Request) -> Response:
    """The group's rings, latest first; only those of which the caller may read every service."""
    query, group_id = read_query(request), group_of(request)
    asked = whole(query) if limited(request) else query
    async with control(request).store.read(group_id) as documents:
        found, total = await rings.of_group(documents.connection, group_id, asked.page, asked.page_size)
        if limited(request):
            labels = {"gateway_group_label": (await group_labels(documents.connection)).get(group_id, {})}
            services = await service_labels(documents.connection, group_id)
            readable = permitted(
                request,
                found,
                lambda ring: [
                    Subject(group_id, each["id"], labels={**labels, "service_label": services.get(each["id"], {})})
                    for each in ring.services
                ],
            )
            found, total = page_of(readable, query), len(readable)
    return listing([_shown(ring) for ring in found], total)


async def _get(request: Request) -> Response:
    """A ring with what it changes, and its members' traffic beside that of the rest."""
    store, asked = control(request).store, request.query_params
    async with store.moment() as connection:
        ring = await rings.find(connection, request.path_params["id"], group_of(request))
        overlay = await rings.overlay(connection, store.cipher, ring.id)
        now = ring.ended_at or await rings.clock(connection)
        window = number("window", asked.get("window") or str(_window(ring)), MAX_WINDOW)
        points = number("points", asked.get("points") or str(POINTS), MAX_POINTS)
        recent = await rings.samples(connection, ring.id, now - timedelta(seconds=window))
        step = _step(ring, now, points)
        whole = await rings.coarse_samples(connection, ring.id, step)
    service = asked.get("service_id")
    compared = {**_compared(ring, recent, now, window, service), "series": _series(ring, whole, now, step, service)}
    return value({**_shown(ring), **_changes(overlay), "comparison": compared})


async def _end(change: Change, request: Request) -> Response:
    """End a ring: have the whole group serve what its members serve, or its members what the rest serves."""
    note, store = (await read_shape(request, End)).note, control(request).store
    async with audit.change_group(request) as documents:
        ring = await rings.find(documents.connection, request.path_params["id"], documents.group_id)
        ended = await change(documents, store.cipher, ring, caller_of(request).name, note)
        audit.note(request, "rings", ring.id, {**_noted(ended), "reason": note}, answer=_shown(ended))
    return value(_shown(ended))


def _shown(ring: Ring) -> dict[str, Any]:
    ended: dict[str, Any] = {}
    if ring.ended_at:
        ended = {"ended_by": ring.ended_by, "ended_at": unix(ring.ended_at), "reason": ring.reason}
    return {
        "id": ring.id,
        "gateway_group_id": ring.group_id,
        "state": ring.state,
        "revision": ring.revision,
        "services": [{**service, "service_id": service["id"]} for service in ring.services],
        "share": ring.share,
        "members": sorted(ring.members),
        "rule": msgspec.to_builtins(ring.rule) if ring.rule else None,
        "note": ring.note,
        "started_by": ring.started_by,
        "started_at": unix(ring.started_at),
        **ended,
    }


def _noted(ring: Ring) -> dict[str, Any]:
    """A ring in the audit log."""
    versions = {service["id"]: service["version"] for service in ring.services}
    return {"state": ring.state, "versions": versions, "members": sorted(ring.members), "note": ring.note}


def _changes(overlay: Overlay) -> dict[str, Any]:
    """What the members serve otherwise than the rest, as data and as sentences."""
    held = {(document.kind, document.key): document for document in overlay.present}
    after = {name: document for name, document in held.items() if name not in overlay.deletes}
    after |= {(document.kind, document.key): document for document in overlay.upserts}
    found = diff(list(held.values()), list(after.values()))
    return {"changes": [change.plain() for change in found], "text": sentences(found)}


def _window(ring: Ring) -> int:
    return ring.rule.window_seconds if ring.rule else WINDOW


def _compared(ring: Ring, samples: Sequence[Sample], now: datetime, window: int, service: str | None) -> dict[str, Any]:
    """Members and rest in the last `window` seconds; what the rule says of it while the ring runs."""
    members, rest = _split(ring, samples)
    until = now.timestamp()
    ours, theirs = served(members, until - window, until, service), served(rest, until - window, until, service)
    said: dict[str, Any] = {}
    if ring.rule and ring.state == "running" and service is None and window == ring.rule.window_seconds:
        decision = decide(ring.rule, ours, theirs, (now - ring.started_at).total_seconds())
        said = {"decision": {"action": decision.action, "reason": decision.reason}}
    return {"window_seconds": window, "ring": _figures(ours), "rest": _figures(theirs), **said}


def _step(ring: Ring, now: datetime, points: int) -> int:
    """Seconds between two points of a series over the ring's whole life."""
    return max(FINEST, -int(-(now - ring.started_at).total_seconds() // points))


def _series(
    ring: Ring, samples: Sequence[Sample], now: datetime, step: int, service: str | None
) -> list[dict[str, Any]]:
    """Members and rest from the ring's start on; `at` is the end of each step, in Unix seconds."""
    began = int(ring.started_at.timestamp()) // step * step
    edges = list(range(began, int(now.timestamp()) + step + 1, step))
    members, rest = (series(part, edges, service) for part in _split(ring, samples))
    return [
        {"at": at, "ring": _figures(ours), "rest": _figures(theirs)}
        for at, ours, theirs in zip(edges[1:], members, rest, strict=True)
    ]


def _split(ring: Ring, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    members = [sample for sample in samples if sample.instance in ring.members]
    return members, [sample for sample in samples if sample.instance not in ring.members]


def _figures(traffic: Traffic) -> dict[str, Any]:
    return {
        "requests": traffic.requests,
        "errors": traffic.errors,
        "error_ratio": traffic.error_ratio,
        "latency_p50_ms": traffic.quantile(0.5),
        "latency_p99_ms": traffic.quantile(0.99),
    }
