"""Every kind of registry is asked in its own words, and what it says is taken to the letter."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from registries import PASSWORD, TOKEN, USER, Instance, Standin, standin

from gatefleet.discovery import Lookup
from gatefleet.errors import Unreachable
from gatefleet.node.registries import Found, Registry
from gatefleet.outbound import Outbound

pytestmark = pytest.mark.anyio
V2 = {"metadata": {"version": "v2"}}


@pytest.fixture
def known() -> Iterator[Standin]:
    with standin(Instance(1001), Instance(1002, metadata={"version": "v2"}), Instance(1003, healthy=False)) as running:
        yield running


def lookups(known: Standin) -> dict[str, Lookup]:
    """A lookup of `web` in each kind of registry."""
    nacos = {"hosts": ["http://127.0.0.1:1", known.url], "auth": {"username": USER, "password": PASSWORD}}
    server = known.url.removeprefix("http://").split(":")
    configs: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
        "nacos v1": ("nacos", {**nacos, "prefix": "/nacos/v1"}, "dev", "team", "web"),
        "nacos v2": ("nacos", {**nacos, "prefix": "/nacos/v2"}, "dev", "team", "web"),
        "nacos token": ("nacos", {"hosts": [known.url], "auth": {"token": TOKEN}}, "dev", "team", "web"),
        "consul": ("consul", {"hosts": [known.url], "token": TOKEN}, "-", "", "web"),
        "kubernetes": (
            "kubernetes",
            {
                "service": {"schema": "http", "host": server[0], "port": int(server[1])},
                "client": {"token": TOKEN},
            },
            "dev",
            "",
            "web:http",
        ),
        "eureka": ("eureka", {"hosts": [known.url]}, "-", "", "web"),
        "dns": ("dns", {"servers": [f"127.0.0.1:{known.dns_port}"]}, "-", "", "web.dev.test:8080"),
    }
    return {
        name: Lookup("r", kind, config, 2, namespace, group, service, {}, 80)  # type: ignore[arg-type]
        for name, (kind, config, namespace, group, service) in configs.items()
    }


KINDS = ("nacos v1", "nacos v2", "nacos token", "consul", "kubernetes", "eureka", "dns")


@asynccontextmanager
async def registry(lookup: Lookup, outbound: Outbound | None = None) -> AsyncIterator[Registry]:
    made = Registry(lookup.type, lookup.config, lookup.patience, outbound)
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_serves_is_found_and_what_does_not_is_not(known: Standin, kind: str) -> None:
    lookup = lookups(known)[kind]
    async with registry(lookup) as asked:
        found = await asked.find(lookup)
        again = await asked.find(lookup)
    ports = [8080] if kind == "dns" else [1001, 1002]
    assert [(one.host, one.port) for one in found] == [("127.0.0.1", port) for port in ports]
    assert found == again
    assert known.refused == []


@pytest.mark.parametrize("kind", ["nacos v1", "nacos v2", "consul", "eureka"])
async def test_metadata_narrows_what_is_taken(known: Standin, kind: str) -> None:
    lookup = lookups(known)[kind]
    narrowed = Lookup(*(getattr(lookup, name) for name in lookup.__struct_fields__[:7]), {"version": "v2"}, 80)
    async with registry(narrowed) as asked:
        assert [one.port for one in await asked.find(narrowed)] == [1002]


async def test_srv_records_tell_ports_of_their_own(known: Standin) -> None:
    plain = lookups(known)["dns"]
    lookup = Lookup(*(getattr(plain, n) for n in plain.__struct_fields__[:6]), "_web._tcp.dev.test", {}, 80)
    async with registry(lookup) as asked:
        assert await asked.find(lookup) == (Found("127-0-0-1.dev.test", 1001), Found("127-0-0-1.dev.test", 1002))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_registry_that_is_gone_or_refuses_us_says_why(known: Standin, kind: str) -> None:
    lookup = lookups(known)[kind]
    wrong = {
        "nacos": {"hosts": [known.url], "auth": {"username": USER, "password": "wrong"}},
        "consul": {"hosts": [known.url]},
        "kubernetes": {**lookup.config, "client": {"token": "wrong"}},
        "eureka": {"hosts": ["http://127.0.0.1:1"]},
        "dns": {"servers": ["127.0.0.1:1"]},
    }[lookup.type]
    spoilt = Lookup("r", lookup.type, wrong, 1, lookup.namespace, lookup.group, lookup.service, {}, 80)
    async with registry(spoilt) as asked:
        with pytest.raises(Unreachable):
            await asked.find(spoilt)


async def test_a_name_server_is_not_asked_where_the_node_must_not_connect_to(known: Standin) -> None:
    lookup = lookups(known)["dns"]
    async with registry(lookup, Outbound(["127.0.0.0/8"])) as asked:
        with pytest.raises(Unreachable, match="must not be connected to"):
            await asked.find(lookup)


async def test_neither_a_file_of_the_node_nor_its_own_token_goes_to_an_api_server_somebody_named(
    known: Standin, tmp_path: Path
) -> None:
    lookup = lookups(known)["kubernetes"]
    for file in (tmp_path / "token", Path("/etc/passwd"), Path("/var/run/secrets/../../../etc/passwd")):
        config = {**lookup.config, "client": {"token_file": str(file)}}
        async with registry(msgspec.structs.replace(lookup, config=config)) as asked:
            with pytest.raises(Unreachable, match="token files are read below"):
                await asked.find(lookup)
    denied = {**lookup.config, "service": {"schema": "http", "host": "169.254.169.254", "port": 80}}
    async with registry(msgspec.structs.replace(lookup, config=denied)) as asked:
        with pytest.raises(Unreachable, match="must not be connected to"):
            await asked.find(lookup)
