"""What the gateway instances have served, as the Admin API tells it: to each only what he may read."""

import time
from typing import Any
from uuid import uuid4

import pytest
from admin_api import Api
from sqlalchemy import insert

from gatefleet.admin.access import digest
from gatefleet.figures import FIELDS, Figures
from gatefleet.store import telemetry
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.tables import token, user
from gatefleet.store.telemetry import FINE, MINUTE, Cell
from tests.contract.calls import Caller

pytestmark = pytest.mark.anyio
DAY = 24 * 3600
PATH = "/api/telemetry"


def figures(**given: int) -> Figures:
    return tuple(given.get(field, 0) for field in FIELDS)


GOOD = figures(status_2xx=90, bytes_in=10, bytes_out=20, latency_us=90_000, bucket_1=90)
"""Ninety requests of half a millisecond to one."""
BAD = figures(status_5xx=10, latency_us=10_000_000, bucket_17=10)
"""Ten of 0.75 to 1 s."""


async def serve(served: Api, group: str) -> int:
    """Two routes of `s` and one of `t` are used by three consumers, and what no route serves; when."""
    at = int(time.time()) // 60 * 60 - 120
    routes: dict[tuple[str, str], Figures] = {("s", "r1"): GOOD, ("s", "r2"): BAD, ("t", "r3"): GOOD, ("", ""): BAD}
    names = {
        "route": {},
        "consumer": {"r1": "jack", "r3": "jill", "r2": ""},
        "instance": dict.fromkeys(("r1", "r2"), "i"),
    }
    cells: dict[Cell, Figures] = {}
    for dimension, named in names.items():
        for (service, route), one in routes.items():
            cell = (at, group, dimension, service, named.get(route, route if dimension == "route" else ""))
            cells[cell] = tuple(map(sum, zip(one, cells.get(cell, figures()), strict=True)))  # type: ignore[index]
    entry = {
        "group_id": group,
        "instance_id": "i",
        "method": "GET",
        "host": "a.test",
        "path": "/",
        "upstream": "10.0.0.1:80",
    }
    entry |= {"latency_us": 1500, "bytes_in": 1, "bytes_out": 2, "details": "via_upstream"}
    entries = [
        {**entry, "at": at + number, "service_id": service, "route_id": route, "consumer": "jack", "status": status}
        for number, (service, route, status) in enumerate((("s", "r1", 200), ("s", "r2", 503), ("t", "r3", 404)))
    ]
    async with served.store.transaction() as connection:
        for resolution in (FINE, MINUTE):
            await telemetry.add(connection, resolution, cells)
        await telemetry.add_entries(connection, entries)
    return at


async def asked(caller: Caller, group: str, query: str = "") -> dict[str, Any]:
    answer = await caller.get(f"{PATH}/traffic?gateway_group_id={group}{query}")
    found: dict[str, Any] = answer["value"]
    return found


async def test_figures_are_told_by_group_service_route_consumer_and_instance(group: Caller, served: Api) -> None:
    mine = str(group.group)
    await group.put("services/s", {"name": "Shop"})
    await group.put("routes/r1", {"name": "Cart", "service_id": "s", "paths": ["/"]})
    at = await serve(served, mine)
    whole = await asked(group, mine)
    total = whole["total"]["sum"]
    assert (total["requests"], total["error_ratio"]) == (200, 0.1)
    assert total["status"] == {"other": 0, "2xx": 180, "3xx": 0, "4xx": 0, "5xx": 20}
    assert (total["bytes_in"], total["bytes_out"]) == (20, 40)
    assert 0.5 < total["latency_p50_ms"] <= 1
    assert 750 < total["latency_p99_ms"] <= 1000
    points = whole["total"]["points"]
    assert sum(points["requests"]) == points["requests"][whole["at"].index(at // whole["step"] * whole["step"])] == 200
    for by, names in {
        "gateway_group": {mine},
        "service": {"s", "t", ""},
        "route": {"r1", "r2", "r3", ""},
        "consumer": {"jack", "jill", ""},
        "instance": {"i", ""},
    }.items():
        split = await asked(group, mine, f"&by={by}")
        assert {series["id"] for series in split["series"]} == names
        assert sum(series["sum"]["requests"] for series in split["series"]) == 200
    (named,) = [series for series in (await asked(group, mine, "&by=route"))["series"] if series["id"] == "r1"]
    assert (named["name"], named["service_id"], named["gateway_group_id"]) == ("Cart", "s", mine)
    top = (await asked(group, mine, "&by=service&top=1&step=60"))["series"]
    assert [(series["id"], series["name"], series["sum"]["requests"]) for series in top] == [
        ("s", "Shop", 100),
        ("*", "others", 100),
    ]
    assert sum(top[1]["points"]["requests"]) == 100
    for query, count in {
        "service_id=s": 100,
        "route_id=r2": 10,
        "consumer=jill": 90,
        "service_id=s&instance_id=i": 100,
    }.items():
        assert (await asked(group, mine, f"&{query}"))["total"]["sum"]["requests"] == count


async def test_what_cannot_be_told_is_refused_with_the_reason(group: Caller) -> None:
    now = int(time.time())
    for query, reason in {
        "by=planet": "by must be one of",
        "by=route&consumer=jack": "consumer and route cannot be combined",
        "from=5&to=9": "24 hours",
        "step=7": "multiple of 15",
        f"step=15&from={now - 80_000}": "multiple of 60",
        f"step=60&from={now - DAY}&top=51": "top must be",
        f"step=60&from={now - DAY}&by=route": "more than 7500 points",
        "from=x": "from must be",
    }.items():
        assert reason in await group.refused(400, "GET", f"{PATH}/traffic?{query}")
    assert "5xx" in await group.refused(400, "GET", f"{PATH}/access_log?gateway_group_id=default&status=6xx")
    assert "gateway_group_id" in await group.refused(400, "GET", f"{PATH}/access_log")


async def test_the_fleet_now_is_told_in_one_call(group: Caller, served: Api) -> None:
    await serve(served, str(group.group))
    rows = {row["gateway_group_id"]: row for row in (await group.get(f"{PATH}/gateway_groups"))["list"]}
    mine = rows[str(group.group)]
    assert (mine["requests"], mine["requests_per_second"], mine["error_ratio"]) == (200, 0.667, 0.1)
    assert mine["latency_p99_ms"] > 750
    assert rows["default"]["requests"] == 0
    assert rows["default"]["latency_p99_ms"] is None


async def test_single_requests_are_listed_latest_first(group: Caller, admin_key: Caller, served: Api) -> None:
    mine = str(group.group)
    at = await serve(served, mine)
    path = f"{PATH}/access_log?gateway_group_id={mine}"
    whole = await group.get(path)
    assert [(row["route_id"], row["status"]) for row in whole["list"]] == [("r3", 404), ("r2", 503), ("r1", 200)]
    assert whole["list"][1]["latency_ms"] == 1.5
    for query, routes in {
        "status=5xx": ["r2"], "status=404": ["r3"], "service_id=s": ["r2", "r1"], "route_id=r1": ["r1"],
        "consumer=jill": [], "page_size=2&page=2": ["r1"], f"to={at + 1}": ["r1"],
    }.items():  # fmt: skip
        assert [row["route_id"] for row in (await group.get(f"{path}&{query}"))["list"]] == routes
    assert (await admin_key.get(f"{PATH}/access_log"))["total"] == 3
    await admin_key.refused(403, "GET", f"{PATH}/access_log?gateway_group_id=default")


async def test_who_is_limited_sees_the_traffic_of_what_he_may_read(
    group: Caller, admin_key: Caller, served: Api
) -> None:
    mine = str(group.group)
    for name in ("s", "t"):
        await group.put(f"services/{name}", {"name": name})
    await serve(served, mine)
    await serve(served, "default")
    shop = f"arn:api7:gateway:gatewaygroup/{mine}/publishedservice/s"
    limited = await limited_to(served, shop, "gateway:GetPublishedService")
    assert (await asked(limited, mine))["total"]["sum"]["requests"] == 100
    assert {one["id"] for one in (await asked(limited, mine, "&by=service"))["series"]} == {"s"}
    assert (await limited.get(f"{PATH}/traffic"))["value"]["total"]["sum"]["requests"] == 100
    assert [row["gateway_group_id"] for row in (await limited.get(f"{PATH}/gateway_groups"))["list"]] == [mine]
    for refused in ("traffic?gateway_group_id=default", f"traffic?gateway_group_id={mine}&by=consumer",
                    f"access_log?gateway_group_id={mine}"):  # fmt: skip
        await limited.refused(403, "GET", f"{PATH}/{refused}")
    assert (await asked(admin_key, mine))["total"]["sum"]["requests"] == 200
    await admin_key.refused(403, "GET", f"{PATH}/traffic?gateway_group_id=default")


async def limited_to(served: Api, resource: str, action: str) -> Caller:
    """A user who may do this and nothing else."""
    id_, secret = str(uuid4()), f"a7ee-{uuid4()}"
    statement = [{"effect": "allow", "resources": [resource], "actions": [action]}]
    values = {"id": id_, "username": id_, "password_hash": "", "must_change_password": False, "roles": [id_]}
    async with served.store.transaction() as connection:
        await connection.execute(insert(permission_policy).values(id=id_, name=id_, statement=statement))
        await connection.execute(insert(role).values(id=id_, name=id_, policies=[id_]))
        await connection.execute(insert(user).values(values))
        await connection.execute(
            insert(token).values(id=id_, user_id=id_, name="t", token_hash=digest(secret), prefix=secret[:12])
        )
    return Caller(served.raw, {"X-API-KEY": secret})
