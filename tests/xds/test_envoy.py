"""The server feeds the very Envoy we ship: clusters, endpoints, listener, scoped routes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc.aio
import pytest

from gatefleet.envoy import binary
from gatefleet.envoy.process import EnvoyProcess, Options
from gatefleet.errors import Invalid, Unreachable
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.bootstrap.v3 import Bootstrap
from gatefleet.protos.envoy.config.cluster.v3 import Cluster
from gatefleet.protos.envoy.config.endpoint.v3 import ClusterLoadAssignment
from gatefleet.protos.envoy.config.listener.v3 import Listener
from gatefleet.protos.envoy.config.route.v3 import RouteConfiguration, ScopedRouteConfiguration
from gatefleet.protos.envoy.extensions.filters.http.router.v3 import Router
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManager
from gatefleet.protos.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions
from gatefleet.snapshot import (
    CLUSTER,
    ENDPOINTS,
    HOST,
    LISTENER,
    ROUTES,
    SCOPED_ROUTES,
    Snapshot,
    snapshot_of,
)  # fmt: skip
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED
from tests.ports import free_port
from tests.xds.xds_client import until

if TYPE_CHECKING:
    from google.protobuf.message import Message

pytestmark = pytest.mark.anyio

TYPES: Final = (CLUSTER, LISTENER, SCOPED_ROUTES)
ADS: Final[dict[str, Any]] = {"ads": {}, "resource_api_version": "V3"}


@dataclass
class Proxy:
    """One Envoy under our server, in front of an upstream that answers "up"."""

    folder: Path
    port: int
    upstream: int
    server: Server = field(default_factory=lambda: Server(stepwise=True))
    envoy: EnvoyProcess = field(init=False)
    listener: grpc.aio.Server | None = None

    def __post_init__(self) -> None:
        admin = self.folder / "a.sock"
        binary.write(bootstrap(admin, self.folder / "x.sock"), self.folder / "b.pb")
        self.envoy = EnvoyProcess(
            Options(self.folder / "b.pb", admin, self.folder, concurrency=1, log=self.folder / "log")
        )

    async def serve(self) -> None:
        async def key_of(_: Context) -> str:
            return "envoy"

        self.listener = grpc.aio.server(options=UNLIMITED)
        self.listener.add_generic_rpc_handlers(self.server.handlers(key_of))
        self.listener.add_insecure_port(f"unix:{self.folder}/x.sock")
        await self.listener.start()

    async def push(self, routes: Mapping[str, str], clusters: Mapping[str, int]) -> bool:
        """`routes`: scope to "=answer", "bad" or a cluster; `clusters`: name to connect timeout."""
        return await self.acknowledged(self.server.publish("envoy", self.snapshot(routes, clusters)))

    async def acknowledged(self, generation: int) -> bool:
        return await self.server.acknowledged("envoy", generation, types=TYPES)

    async def get(self, scope: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"GET / HTTP/1.1\r\nhost: x\r\nscope: {scope}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split()[0]) if "content-length" in head else 0
            return int(head.split()[1]), (await reader.readexactly(length)).decode()
        finally:
            writer.close()

    def snapshot(self, routes: Mapping[str, str], clusters: Mapping[str, int]) -> Snapshot:
        messages: list[tuple[str, str, Message]] = [(LISTENER, "http", public_listener(self.port))]
        for name, timeout in clusters.items():
            messages += [(CLUSTER, name, cluster(name, timeout)), (ENDPOINTS, name, endpoints(name, self.upstream))]
        for scope, to in routes.items():
            messages += [(SCOPED_ROUTES, scope, scoped(scope)), (ROUTES, scope, table(scope, to))]
        bodies = [(kind, name, m.SerializeToString(deterministic=True)) for kind, name, m in messages]
        return snapshot_of([*bodies, (HOST, "not for envoy", b"")])


@pytest.fixture
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup")
        await writer.drain()
        writer.close()

    upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
    proxy = Proxy(tmp_path_factory.mktemp("p"), free_port(), upstream.sockets[0].getsockname()[1])
    await proxy.serve()
    generation = proxy.server.publish("envoy", proxy.snapshot({"a": "=one", "c": "c"}, {"c": 1}))
    await proxy.envoy.start()
    assert await proxy.envoy.ready()
    assert await proxy.acknowledged(generation)
    yield proxy
    await proxy.envoy.stop(0)
    assert proxy.listener
    await proxy.listener.stop(0)
    upstream.close()


async def test_what_is_acknowledged_is_live(proxy: Proxy) -> None:
    assert [await proxy.get(scope) for scope in "acz"] == [(200, "=one"), (200, "up"), (404, "")]
    for n in range(5):
        assert await proxy.push({"a": f"={n}", f"new{n}": f"n{n}"}, {f"n{n}": 1})
        assert await proxy.get("a") == (200, f"={n}")
        assert await proxy.get(f"new{n}") == (200, "up")
        assert await proxy.get(f"new{n - 1}") == (404, "")
    assert "n3::" not in (await proxy.envoy.ask("/clusters")).text


async def test_requests_go_on_while_clusters_change_appear_and_go(proxy: Proxy) -> None:
    statuses: list[int] = []

    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            statuses.append((await proxy.get("c"))[0])

    task = asyncio.create_task(load())
    for n in range(1, 15):
        name = f"c{n % 3}"  # each turn another cluster, each time with another timeout
        assert await proxy.push({"c": name}, {name: n})
    done.set()
    await task
    assert len(statuses) > 10
    assert set(statuses) == {200}


async def test_a_route_that_envoy_refuses_is_named_and_the_others_go_live(proxy: Proxy) -> None:
    routes = {f"s{n}": f"={n}" for n in range(9)}
    assert await proxy.push({**routes, "a": "bad", "c": "=two"}, {})
    assert proxy.server.rejected("envoy") == {(ROUTES, "a"): "missing ): ("}
    assert await proxy.get("a") == (200, "=one")  # the last good one
    assert await proxy.get("c") == (200, "=two")
    assert [await proxy.get(scope) for scope in routes] == [(200, to) for to in routes.values()]
    assert await proxy.push({"a": "=good again"}, {})
    assert not proxy.server.rejected("envoy")
    assert await proxy.get("a") == (200, "=good again")


async def test_a_killed_envoy_is_back_with_the_same_configuration(proxy: Proxy) -> None:
    assert proxy.envoy.pid
    os.kill(proxy.envoy.pid, signal.SIGKILL)
    await until(lambda: proxy.envoy.starts == 2)
    assert await proxy.envoy.ready()
    assert await proxy.get("c") == (200, "up")
    assert proxy.envoy.last_exit == "signal SIGKILL"


async def test_envoy_serves_on_without_a_server_and_follows_it_when_it_is_back(proxy: Proxy) -> None:
    assert proxy.listener
    await proxy.listener.stop(0)
    assert await proxy.get("c") == (200, "up")
    proxy.server = Server(stepwise=True)
    await proxy.serve()
    assert await proxy.push({"c": "=back"}, {})
    assert await proxy.get("c") == (200, "=back")


async def test_a_cluster_that_changed_while_the_server_was_away_has_its_endpoints(proxy: Proxy) -> None:
    assert proxy.listener
    await proxy.listener.stop(0)
    proxy.server = Server(stepwise=True)
    generation = proxy.server.publish("envoy", proxy.snapshot({"c": "c"}, {"c": 9}))
    await proxy.serve()
    assert await proxy.acknowledged(generation)
    assert await proxy.get("c") == (200, "up")
    assert "cluster_manager.warming_clusters: 0" in (await proxy.envoy.ask("/stats?filter=warming_clusters")).text


async def test_connections_are_let_finish_when_it_stops(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nscope: a\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"=one")
    stopping = asyncio.create_task(proxy.envoy.stop(5))
    await asyncio.sleep(0.3)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nscope: a\r\n\r\n")
    assert b"connection: close" in (await reader.readuntil(b"=one")).lower()
    writer.close()
    await asyncio.wait_for(stopping, 2)
    assert not proxy.envoy.alive


async def test_a_bootstrap_that_envoy_refuses_is_said_with_its_words(tmp_path: Path) -> None:
    bad = bootstrap(tmp_path / "a.sock", tmp_path / "x.sock")
    bad.static_resources.clusters[0].name = ""
    with pytest.raises(Invalid, match="Envoy refuses the configuration"):
        binary.validate(bad)
    binary.write(bad, tmp_path / "b.pb")
    process = EnvoyProcess(Options(tmp_path / "b.pb", tmp_path / "a.sock", tmp_path, log=tmp_path / "log"))
    with pytest.raises(Unreachable, match="exit code 1"):
        await process.start()


def bootstrap(admin: Path, xds: Path) -> Bootstrap:
    http2 = HttpProtocolOptions(explicit_http_config={"http2_protocol_options": {}})
    grpc_services = [{"envoy_grpc": {"cluster_name": "xds"}}]
    return Bootstrap(
        node={"id": "n", "cluster": "c"},
        admin={"address": {"pipe": {"path": str(admin)}}},
        dynamic_resources={
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": grpc_services},
            "cds_config": ADS,
            "lds_config": ADS,
        },
        static_resources={
            "clusters": [
                Cluster(
                    name="xds",
                    typed_extension_protocol_options={
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(http2)
                    },
                    load_assignment=load("xds", {"pipe": {"path": str(xds)}}),
                )
            ]
        },
    )


def load(name: str, address: dict[str, Any]) -> ClusterLoadAssignment:
    return ClusterLoadAssignment(cluster_name=name, endpoints=[{"lb_endpoints": [{"endpoint": {"address": address}}]}])


def endpoints(name: str, port: int) -> ClusterLoadAssignment:
    return load(name, {"socket_address": {"address": "127.0.0.1", "port_value": port}})


def cluster(name: str, timeout: int) -> Cluster:
    return Cluster(name=name, type="EDS", eds_cluster_config={"eds_config": ADS}, connect_timeout={"seconds": timeout})


def scoped(scope: str) -> ScopedRouteConfiguration:
    return ScopedRouteConfiguration(
        name=scope, route_configuration_name=scope, key={"fragments": [{"string_key": scope}]}
    )


def table(scope: str, to: str) -> RouteConfiguration:
    action: dict[str, Any] = {"route": {"cluster": to}}
    if to.startswith("="):
        action = {"direct_response": {"status": 200, "body": {"inline_string": to}}}
    if to == "bad":
        action = {"route": {"cluster": "c", "regex_rewrite": {"pattern": {"regex": "("}, "substitution": "x"}}}
    routes = [{"match": {"prefix": "/"}, **action}]
    return RouteConfiguration(name=scope, virtual_hosts=[{"name": "v", "domains": ["*"], "routes": routes}])


def public_listener(port: int) -> Listener:
    manager = HttpConnectionManager(
        stat_prefix="t",
        scoped_routes={
            "name": "s",
            "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": "scope", "index": 0}}]},
            "rds_config_source": ADS,
            "scoped_rds": {"scoped_rds_config_source": ADS},
        },
        http_filters=[{"name": "router", "typed_config": pack(Router())}],
    )
    return Listener(
        name="http",
        address={"socket_address": {"address": "127.0.0.1", "port_value": port}},
        filter_chains=[{"filters": [{"name": "hcm", "typed_config": pack(manager)}]}],
    )
