"""A user's own Prometheus, asked through the Admin API: its answers and refusals, and nothing but what may be asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from admin_api import Api
from sqlalchemy import select

from gatefleet.store.telemetry_tables import prometheus

pytestmark = pytest.mark.anyio
SETTING = "/api/system_settings/prometheus"
PROXY = "/api/control_plane/prometheus/api/v1"
FOUND = {"status": "success", "data": {"resultType": "vector", "result": []}}


@dataclass
class Prometheus:
    """Answers as Prometheus does, and remembers what it was asked."""

    port: int = 0
    status: int = 200
    said: Any = field(default_factory=lambda: FOUND)
    asked: list[str] = field(default_factory=list[str])
    head: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(self.head.split()[1])
        body = json.dumps(self.said).encode()
        more = f"location: http://127.0.0.1:{self.port}/stolen\r\n" if self.status == 302 else ""
        head = f"HTTP/1.1 {self.status} x\r\ncontent-length: {len(body)}\r\n{more}connection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[Prometheus]:
    found = Prometheus()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


async def test_queries_are_handed_on_and_answers_back(api: Api) -> None:
    assert "no Prometheus is set" in await api.refused("GET", f"{PROXY}/query?query=up", status=404)
    async with running() as there:
        url = f"http://127.0.0.1:{there.port}/behind/"
        told = await api.call("PUT", SETTING, {"url": url, "headers": {"Authorization": "Bearer secret"}})
        assert told["value"] == {"url": url, "headers": {"Authorization": "***"}, "ca": ""}
        assert (await api.call("GET", SETTING))["value"] == told["value"]
        answer = await api.call("GET", f"{PROXY}/query?query=sum(up)&time=7&db=other&gateway_group_id=x")
        assert answer == {"value": FOUND}
        assert there.asked == ["/behind/api/v1/query?query=sum%28up%29&time=7"]
        assert "authorization: bearer secret" in there.head.lower()
        assert "x-api-key" not in there.head.lower()
        await api.call("GET", f"{PROXY}/series?match[]=up&match[]=down")
        assert there.asked[1:] == ["/behind/api/v1/series?match%5B%5D=up&match%5B%5D=down"]
        await api.refused("GET", f"{PROXY}/admin/tsdb/snapshot", status=404)
        await api.refused("GET", f"{PROXY}/targets", status=404)
        await api.refused("PUT", SETTING, {"url": f"{url}elsewhere", "headers": {"Authorization": "***"}})
        await api.call("PUT", SETTING, {"url": url, "headers": {"Authorization": "***"}})
        await api.call("GET", f"{PROXY}/query?query=up")
        assert "authorization: bearer secret" in there.head.lower()
    async with api.store.reading() as connection:
        assert "secret" not in str((await connection.execute(select(prometheus))).one())
    assert "does not answer" in await api.refused("GET", f"{PROXY}/query?query=up", status=503)
    await api.call("DELETE", SETTING)
    assert (await api.call("GET", SETTING))["value"] == {}


async def test_what_it_refuses_is_told_and_redirects_lead_nowhere(api: Api) -> None:
    async with running() as there:
        await api.call("PUT", SETTING, {"url": f"http://127.0.0.1:{there.port}"})
        there.status, there.said = 400, {"status": "error", "error": "parse error"}
        assert "parse error" in await api.refused("GET", f"{PROXY}/query?query=(")
        there.status = 302
        await api.refused("GET", f"{PROXY}/query?query=up")
        assert there.asked[-1] == "/api/v1/query?query=up"
        there.status, there.said = 200, {"AccessKeyId": "stolen"}
        told = await api.refused("GET", f"{PROXY}/query?query=up", status=503)
        assert "no Prometheus" in told
        assert "stolen" not in told
        there.said = "x" * (33 << 20)
        assert "MiB" in await api.refused("GET", f"{PROXY}/query?query=up")


async def test_it_cannot_be_where_only_the_machine_may_ask(api: Api) -> None:
    for url, reason in {
        "http://169.254.169.254/latest": "must not be connected to",
        "file:///etc/passwd": "must begin with https://",
        "http://[": "/url",
        "http://user:secret@a.test": "must hold no credentials",
        "http://a.test/metadata?": "must end with the path",
        "http://a.test/metadata#": "must end with the path",
    }.items():
        assert reason in await api.refused("PUT", SETTING, {"url": url})
    assert "headers" in await api.refused("PUT", SETTING, {"url": "http://a.test", "headers": {"a": "b\r\nc"}})
    assert "/ca" in await api.refused("PUT", SETTING, {"url": "https://a.test", "ca": "no certificate"})
    async with running() as there:
        await api.call("PUT", SETTING, {"url": f"http://localhost:{there.port}"})
        control = api.app.state.control
        denying = control.settings.model_copy(update={"outbound_deny": ("127.0.0.0/8", "::1")})
        api.app.state.control = replace(control, settings=denying)
        told = await api.refused("GET", f"{PROXY}/query?query=up", status=503)
        assert "must not be connected to" in told
        assert there.asked == []
