"""A control plane and two nodes that faults befall: a database behind a bad network, a node behind another one."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import postgres as pg

from gatefleet.node.copies import DiskCopy, Revision
from gatefleet.node.identity import IdentityStore
from gatefleet.settings import KeySettings
from gatefleet.store import Store, master_key
from tests.e2e import kit
from tests.e2e.failures.proxy import FAIR, Proxy, proxy
from tests.e2e.kit import GatewayNode, eventually
from tests.e2e.roles import ControlPlane, Role, control_plane

RECOVERY = 60.0
"""Seconds within which everything must be as before; it takes a few on a machine at rest."""


@dataclass
class Site:
    """`near` reaches the DP Manager directly, `far` through a network that can be bad; so does all to PostgreSQL."""

    directory: Path
    database: pg.Frail
    to_database: Proxy
    plane: ControlPlane
    admin: Role
    dpm: Role
    to_dpm: Proxy
    join: tuple[str, ...]
    """Options of a node that joins, but for the address."""
    nodes: dict[str, GatewayNode] = field(default_factory=dict[str, GatewayNode])
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def port(self, name: str) -> int:
        return kit.PORTS["http"] + self.nodes[name].offset

    def address(self, name: str) -> str:
        """Where a node reaches the DP Manager."""
        return f"https://127.0.0.1:{self.to_dpm.port}" if name == "far" else self.dpm.url("dpm_tls")

    def start(
        self,
        name: str,
        *more: str,
        within: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> GatewayNode:
        """A node, or one of that name again on the same ports and disk."""
        before = self.nodes.get(name)
        options = ["--dp-manager", self.address(name), *self.join, "--envoy-concurrency", "1", *more]
        offset = before.offset if before else None
        running = kit.node(self.directory / name, *options, offset=offset, within=within, environment=environment)
        self.nodes[name] = self.stack.enter_context(running)
        return self.nodes[name]

    def kill_agent(self, name: str) -> None:
        """Kill -9 of a node's agent; its Envoy goes on."""
        self.nodes[name].process.kill()
        self.nodes[name].process.wait(10)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.plane.call(self.admin, method, path, body, **more)

    def change(self, name: str, **more: Any) -> int:
        """One more route; the revision that brings it. AssertionError if it is refused."""
        body = {"name": name, "service_id": "steady", "paths": [f"/{name}"], **more}
        answer = self.call("PUT", f"/apisix/admin/routes/{name}", body)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["x-gateway-group-revision"])

    def converges(self, name: str, nodes: int = 2) -> float:
        """Seconds until a change is made and this many nodes have proven it, and nobody has failed to."""
        began = time.monotonic()
        revision = eventually(lambda: self.change(name), RECOVERY)
        eventually(lambda: self.receipt(revision)["text"] == f"{nodes} of {nodes} instances live", RECOVERY)
        for node in self.nodes.values():
            assert node.get(f"/{name}").status == 200
        return time.monotonic() - began

    def receipt(self, revision: int) -> dict[str, Any]:
        path = f"/api/gateway_groups/default/revisions/{revision}/receipt?wait=5"
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    async def store(self) -> Store:
        """The control plane's store, to be closed."""
        keys = KeySettings(encryption_key_file=self.plane.key)
        return await Store.open(self.plane.dsn, master_key(keys), pool_size=1)

    def copy(self, name: str) -> Revision:
        """What a node has on its disk, fully checked."""
        directory = self.directory / name
        identity = IdentityStore(directory).load()
        assert identity
        found = DiskCopy(directory).read(identity)
        assert found
        return found

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def ready(self, name: str) -> kit.Answer:
        return self.nodes[name].status("/status/ready")

    def is_whole(self) -> bool:
        """Nothing is left of the last fault."""
        for role in (self.admin, self.dpm):
            assert role.process.poll() is None, role.log.read_text()[-4000:]
        roles = (self.admin.url("admin", "/readyz"), self.dpm.url("dpm", "/readyz"))
        assert [self.plane.client.get(url).status_code for url in roles] == [200, 200]
        assert [self.ready(name).status for name in self.nodes] == [200] * len(self.nodes)
        return True


@contextlib.contextmanager
def site(upstream: int) -> Iterator[Site]:
    """The whole of it, serving /steady."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(kit.workspace())
        database = stack.enter_context(pg.frail())
        to_database = stack.enter_context(proxy(database.socket))
        dsn = f"postgresql://gatefleet@127.0.0.1:{to_database.port}/postgres"
        plane = stack.enter_context(control_plane(dsn, directory / "plane"))
        offset = kit.free_offset()
        to_dpm = stack.enter_context(proxy(kit.PORTS["dpm_tls"] + offset))
        dpm = plane.dpm(offset=offset, addresses=f"https://127.0.0.1:{to_dpm.port}")
        found = Site(directory, database, to_database, plane, plane.admin(), dpm, to_dpm, ())
        stack.callback(found.stack.close)
        stack.callback(to_database.set, FAIR)
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        service = {"name": "steady", "upstream": {"nodes": nodes}}
        assert found.call("PUT", "/apisix/admin/services/steady", service).status_code == 200
        token = found.call("POST", "/api/gateway_groups/default/instance_token", {}).json()["value"]
        found.join = ("--token", token["token_plain_text"])
        found.start("near", "--peer-port", "7944")
        found.start("far")
        found.converges("steady")
        yield found
