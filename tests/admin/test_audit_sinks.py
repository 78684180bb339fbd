"""The audit log reaches others: in order, at least once, also across restarts, and not where it must not."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from admin_api import Api
from conftest import certificate

from gatefleet.dpm.forward import Forwarder
from gatefleet.outbound import Outbound
from gatefleet.store import audit
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio


@dataclass
class Receiver:
    """A listener that remembers what it was sent, or refuses it."""

    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    status: int = 200

    async def syslog(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size = int(await reader.readuntil(b" "))
                self.seen.append(await reader.readexactly(size))
        writer.close()

    async def webhook(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        body = await reader.readexactly(size)
        if self.status == 200:
            self.seen.append(head + body)
        writer.write(f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()


@asynccontextmanager
async def listening(kind: str, context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(getattr(found, kind), "127.0.0.1", 0, ssl=context)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


def events(messages: Sequence[bytes]) -> list[str]:
    """Ids of what was done, of syslog messages."""
    found = []
    for message in messages:
        head, _, body = message.partition(b" - {")
        entry: dict[str, Any] = json.loads(b"{" + body)
        assert head.startswith(b"<109>1 20"), "facility 13 (log audit), severity 5 (notice), version 1"
        assert head.split(b" ")[3:] == [b"gatefleet", b"-", entry["event_type"].encode()]
        found.append(entry["resource_id"])
    return found


async def seal(api: Api) -> None:
    async with api.store.transaction() as connection:
        await audit.seal(connection)


async def change(api: Api, *names: str) -> None:
    for name in names:
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name})
    await seal(api)


async def test_syslog_over_tcp_and_tls_gets_every_row_once_and_in_order_across_restarts(
    api: Api, tmp_path: Path
) -> None:
    pair = certificate("localhost")
    (tmp_path / "c.pem").write_text(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "c.pem")
    await change(api, "before")
    async with listening("syslog") as plain, listening("syslog", context) as secure:
        for protocol, receiver in (("tcp", plain), ("tls", secure)):
            config = {"host": "localhost", "port": receiver.port, "protocol": protocol, "ca": pair.certificate}
            body = {"name": protocol, "type": "syslog", "config": config}
            made = (await api.call("POST", "/api/audit_sinks", body))["value"]
        await seal(api)
        await change(api, "a", "b")
        await Forwarder(api.store, Outbound()).turn()
        await change(api, "c")
        await Forwarder(api.store, Outbound()).turn()
        await Forwarder(api.store, Outbound()).turn()
        for receiver in (plain, secure):
            await until(lambda receiver=receiver: events(receiver.seen)[-1:] == ["c"])
            assert events(receiver.seen)[-3:] == ["a", "b", "c"]
            assert "before" not in events(receiver.seen), "a new sink begins with what is new"
    assert (made["config"]["facility"], "failing_since" in made) == (13, False)


async def test_a_webhook_that_fails_is_tried_again_later_and_then_gets_all_of_it(api: Api) -> None:
    moment = 0.0
    forwarder = Forwarder(api.store, Outbound(), lambda: moment)
    async with listening("webhook") as receiver:
        config = {"url": f"http://127.0.0.1:{receiver.port}/in", "headers": {"X-Token": "hush"}}
        made = (await api.call("POST", "/api/audit_sinks", {"name": "w", "type": "webhook", "config": config}))["value"]
        assert made["config"]["headers"] == {"X-Token": "***"}
        await change(api, "a")
        receiver.status = 503
        await forwarder.turn()
        (found,) = (await api.call("GET", "/api/audit_sinks"))["list"]
        assert ("503" in found["last_error"], found["failing_since"] > 0) == (True, True)
        receiver.status = 200
        await forwarder.turn()
        assert receiver.seen == [], "it is left alone for a second first"
        renamed = {"name": "v", "type": "webhook", "config": made["config"]}
        await api.call("PUT", f"/api/audit_sinks/{made['id']}", renamed)
        moment = 1.5
        await forwarder.turn()
        (sent,) = receiver.seen
        head, _, body = sent.partition(b"\r\n\r\n")
        assert b"x-token: hush" in head.lower(), "stars kept what was stored"
        entries = json.loads(body)["list"]
        assert [entry["resource_id"] for entry in entries if entry["resource_kind"] == "consumers"] == ["a"]
        assert b"hush" not in body
        (found,) = (await api.call("GET", "/api/audit_sinks"))["list"]
        assert "failing_since" not in found
    elsewhere = {"name": "w", "type": "webhook", "config": {**made["config"], "url": "http://127.0.0.1:9/other"}}
    refused = await api.refused("PUT", f"/api/audit_sinks/{made['id']}", elsewhere)
    assert "/config/headers/X-Token" in refused, "what is stored for one address is sent to no other"
    rows = (await api.call("GET", "/api/audit_logs?event_type=CreateAuditSink"))["list"]
    assert rows[0]["http_request"]["body"]["config"]["headers"] == {"X-Token": "***"}


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        ("webhook", {"url": "http://169.254.169.254/"}, 'Error at "/config/url": [169.254.169.254]'),
        ("webhook", {"url": "file:///etc/passwd"}, "/config/url"),
        ("webhook", {"url": "http://a.test/", "headers": {"X": "a\r\nb: c"}}, "/config/headers/X"),
        ("webhook", {"url": "http://127.0.0.1/", "headers": {"X": "***"}}, "none is"),
        ("syslog", {"host": "[fe80::1]", "protocol": "tcp"}, "/config/host"),
        ("syslog", {"host": "127.0.0.1", "port": 0}, "/config/host"),
        ("syslog", {"host": "127.0.0.1", "facility": 99}, "/config/facility"),
        ("syslog", {"host": "127.0.0.1", "app_name": "a b"}, "/config/app_name"),
        ("syslog", {"hosts": []}, "/config"),
    ],
)
async def test_sinks_that_make_no_sense_or_lead_inside_are_refused(
    api: Api, kind: str, config: dict[str, Any], problem: str
) -> None:
    assert problem in await api.refused("POST", "/api/audit_sinks", {"name": "x", "type": kind, "config": config})


async def test_what_is_told_is_written_down_and_long_bodies_are_cut(api: Api) -> None:
    for path in ("/api/gateway_groups/default/config", "/api/audit_logs/export"):
        response = await api.raw.get(path, headers=api.headers)
        assert response.status_code == 200
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s", "desc": "x" * 65536})
    await api.refused("PUT", "/apisix/admin/services/s", {"name": 1})
    found = (await api.call("GET", "/api/audit_logs?direction=asc"))["list"]
    assert [entry["event_type"] for entry in found] == [
        "GetConfiguration", "ExportAuditLogs", "UpdateService", "UpdateService",
    ]  # fmt: skip
    assert found[2]["http_request"]["body"]["bytes"] > 65536
    assert "must be a string" in found[3]["http_response"]["body"]["error_msg"]
