"""Ordering a request to be tried: what is refused, and what is said when nothing comes back."""

import asyncio
from typing import Any

import pytest
from admin_api import Api
from sqlalchemy import select

from gatefleet import fleet
from gatefleet.fleet import Heartbeat, Machine
from gatefleet.pki import Identity
from gatefleet.store import request_tests
from gatefleet.store.fleet_tables import request_test
from gatefleet.store.heartbeats import Said, record

pytestmark = pytest.mark.anyio
PATH = "/api/gateway_groups/default/request_tests"
NODE = Identity("default", "n1")
MACHINE = Machine("h", "127.0.0.1", "0.1.0")
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "path"),
    ({"path": "no-slash"}, "/path"),
    ({"path": "/a b"}, "/path"),
    ({"path": "/a\r\nx: y"}, "/path"),
    ({"path": "/", "method": "CONNECT"}, "/method"),
    ({"path": "/", "method": "GET /x"}, "/method"),
    ({"path": "/", "host": "a/b"}, "/host"),
    ({"path": "/", "scheme": "ftp"}, "scheme"),
    ({"path": "/", "headers": {"Transfer-Encoding": "chunked"}}, "/headers/Transfer-Encoding"),
    ({"path": "/", "headers": {"Host": "other"}}, "/headers/Host"),
    ({"path": "/", "headers": {"a b": "c"}}, "/headers"),
    ({"path": "/", "headers": {":path": "/x"}}, "/headers"),
    ({"path": "/", "headers": {"a": "b\r\nc: d"}}, "/headers/a"),
    ({"path": "/", "headers": {"a": ["b"] * 101}}, "/headers"),
    ({"path": "/", "headers": {"a": "b" * 50_000}}, "/headers"),
    ({"path": "/", "body": "\u00e9" * 32_769}, "/body"),
]


@pytest.fixture
async def healthy(api: Api) -> Api:
    """With an instance on record that nobody has a connection to."""
    async with api.store.transaction() as connection:
        await record(connection, [Said(NODE, Heartbeat(MACHINE, envoy="LIVE"))])
    return api


async def tried(api: Api, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await api.call("POST", PATH, {"path": "/", **more}))["value"]
    return found


async def test_what_no_client_could_send_is_refused_by_name(healthy: Api) -> None:
    for wanted, why in WRONG:
        assert why in await healthy.refused("POST", PATH, wanted, status=400), wanted


async def test_it_is_refused_where_no_instance_could_make_it(healthy: Api) -> None:
    assert "[n2]" in await healthy.refused("POST", PATH, {"path": "/", "instance_id": "n2"}, status=404)
    async with healthy.store.transaction() as connection:
        await record(connection, [Said(NODE, Heartbeat(MACHINE, leaving=True))])
    assert "no healthy instance" in await healthy.refused("POST", PATH, {"path": "/"}, status=409)
    assert "[n1] is" in await healthy.refused("POST", PATH, {"path": "/", "instance_id": "n1"}, status=409)


async def test_a_request_that_reaches_no_instance_is_lost_and_nothing_of_it_stays(healthy: Api) -> None:
    found = await tried(healthy, instance_id="n1", headers={"authorization": "secret"})
    assert (found["state"], found["instance_id"], found["plugins"]) == ("lost", "n1", [])
    assert "could not be asked within 5 seconds" in found["reason"]
    async with healthy.store.reading() as connection:
        assert (await connection.execute(select(request_test))).all() == []


async def test_an_answer_comes_at_once_and_only_from_the_instance_that_was_asked(healthy: Api) -> None:
    asked = asyncio.create_task(tried(healthy, path="/x?y", body="z"))
    store, cipher = healthy.store, healthy.store.cipher
    taken: list[Any] = []
    while not taken:
        await asyncio.sleep(0.02)
        async with store.transaction() as connection:
            waiting = await request_tests.waiting(connection)
            taken += await request_tests.take(connection, cipher, list(waiting))
    ((who, order),) = taken
    assert (who, order.target, order.body) == (NODE, "/x?y", b"z")
    async with store.transaction() as connection:
        row = (await connection.execute(select(request_test))).one()
        assert "/x?y" not in row.sealed_order
        assert await request_tests.take(connection, cipher, [order.id]) == []
        await request_tests.record(connection, cipher, Identity("default", "n2"), fleet.Tested(order.id, status=500))
        answer = fleet.Tested(order.id, status=200, body=b"\xff", seen=False, reason="an older build")
        await request_tests.record(connection, cipher, NODE, answer)
    found = await asyncio.wait_for(asked, 10)
    assert (found["state"], found["reason"]) == ("answered", "an older build")
    assert (found["response"]["status"], found["response"]["body"]) == (200, "/w==")
    assert found["response"]["body_encoding"] == "base64"
    assert "answered_by" not in found
