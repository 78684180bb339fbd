"""The runbooks of the high-availability guide, as they are written, on two of everything under load."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import httpx
import postgres as pg
import pytest

from tests.e2e import kit
from tests.e2e.kit import PORTS, GatewayNode, eventually
from tests.e2e.roles import ControlPlane, Role, control_plane
from tests.e2e.runbooks import Machine, blocks

PAGE = "high-availability.md"
LOOK = 0.1
"""Seconds between a load balancer's looks at who is ready."""
PAUSE = 0.02
"""Seconds between two requests of one client."""
WRITE_PAUSE = 0.15
"""Seconds between two writes of one: each is a revision that every node takes; a restart still meets a dozen."""
Ask = Callable[[httpx.Client, int], int]
"""Sends a request to one of several; the status of its answer."""


@dataclass
class Site:
    """Two of everything over one PostgreSQL."""

    directory: Path
    database: pg.Server
    name_of_database: str
    plane: ControlPlane
    admins: Sequence[Role]
    dpms: Sequence[Role]
    nodes: Sequence[GatewayNode]

    def machine(self, *parts: Role | GatewayNode) -> Machine:
        """A machine that runs these, whose own ports stand for those on the page."""
        words = {f"{PORTS['admin']}": f"{PORTS['admin'] + self.admins[0].offset}"}
        units = {}
        for part in parts:
            name = self.name(part)
            units[f"gatefleet-{name}"] = acting(part)
            ports = {"admin": (7080, 7081), "dpm": (7900,), "node": (7085,)}[name]
            words |= {f"{port}": f"{port + part.offset}" for port in ports}
        return Machine(units, words, self.directory)

    def name(self, part: Role | GatewayNode) -> str:
        return "node" if isinstance(part, GatewayNode) else "admin" if part in self.admins else "dpm"

    def put(self, name: str, client: httpx.Client, base: str) -> int:
        """Make a route by one replica; the status, or 0 when nobody answered."""
        body = {"name": name, "service_id": "steady", "paths": [f"/{name}"]}
        url = f"{base}/apisix/admin/routes/{name}?gateway_group_id=default"
        return client.put(url, json=body, auth=("admin", "admin")).status_code


def acting(part: Role | GatewayNode) -> Callable[[str], None]:
    """What systemd does for the units in `deploy/systemd`."""

    def act(verb: str) -> None:
        if verb == "reload":
            part.process.send_signal(signal.SIGUSR2)
            time.sleep(0.2)  # until it has heard
            return
        if verb == "restart":
            part.process.send_signal(signal.SIGTERM)
            assert part.process.wait(60) == 0
        if verb == "crash":  # KillMode=process: nobody else goes with it
            part.process.kill()
            part.process.wait(30)
        if part.process.poll() is not None:
            part.begin()

    return act


@pytest.fixture(scope="module")
def site(upstream: int) -> Iterator[Site]:
    with ExitStack() as stack:
        folder = stack.enter_context(kit.workspace())
        database = stack.enter_context(pg.running())
        dsn = database.database()
        plane = stack.enter_context(control_plane(dsn, folder / "plane"))
        offsets = [kit.free_offset(), kit.free_offset()]
        told = ",".join(f"https://127.0.0.1:{PORTS['dpm_tls'] + offset}" for offset in offsets)
        admins = [plane.admin(GATEFLEET_ADMIN_DRAIN_SECONDS="1") for _ in range(2)]
        dpms = [plane.dpm(offset=offset, addresses=told) for offset in offsets]
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        service = {"name": "steady", "upstream": {"nodes": nodes}}
        assert plane.call(admins[0], "PUT", "/apisix/admin/services/steady", service).status_code == 200
        token = plane.call(admins[0], "POST", "/api/gateway_groups/default/instance_token", {}).json()
        join = ["--dp-manager", told, "--token", token["value"]["token_plain_text"], "--drain-timeout", "3"]
        running = [stack.enter_context(kit.node(folder / f"node{n}", *join)) for n in range(2)]
        found = Site(folder, database, dsn.split("@/")[1].partition("?")[0], plane, admins, dpms, running)
        with httpx.Client(timeout=60) as client:
            assert found.put("steady", client, admins[0].url("admin")) == 200
        for node in running:
            eventually(lambda node=node: node.get("/steady").status == 200)
        yield found


class Balanced:
    """Requests as through a load balancer: each to one of those that were ready a moment ago."""

    def __init__(self, ready: Sequence[str], ask: Ask, *, tries: int = 1, pause: float = PAUSE) -> None:
        """`ready` are the pages to look at; what fails is sent `tries` times in all, each time to another one."""
        self.sent = 0
        self.failed: list[str] = []
        self._pages, self._ask, self._tries, self._pause = ready, ask, tries, pause
        self._there = range(len(ready))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._look, self._send, self._send)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _look(self) -> None:
        with httpx.Client(timeout=1) as client:
            while not self._stop.wait(LOOK):
                self._there = [n for n, page in enumerate(self._pages) if answers(client, page)] or self._there

    def _send(self) -> None:
        anew = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(timeout=60, limits=anew) as client:
            while not self._stop.wait(self._pause):
                self.sent += 1
                first = self._there[self.sent % len(self._there)]
                wrong = [self._once(client, first)]
                while wrong[-1] and len(wrong) < self._tries:
                    wrong.append(self._once(client, (first + len(wrong)) % len(self._pages)))
                if wrong[-1]:
                    self.failed.append("; ".join(wrong))

    def _once(self, client: httpx.Client, which: int) -> str:
        """What went wrong; empty when nothing did."""
        try:
            status = self._ask(client, which)
        except httpx.HTTPError as error:
            return repr(error)
        return "" if status == 200 else f"{status}"


def answers(client: httpx.Client, page: str) -> bool:
    try:
        return client.get(page).status_code == 200
    except httpx.HTTPError:
        return False


def traffic(site: Site) -> Balanced:
    def ask(client: httpx.Client, which: int) -> int:
        addresses = [f"http://127.0.0.1:{PORTS['http'] + node.offset}/steady" for node in site.nodes]
        try:
            return client.get(addresses[which]).status_code
        except httpx.ConnectError:  # nothing was sent yet: every balancer asks the next one then
            return client.get(addresses[which - 1]).status_code

    return Balanced([f"http://127.0.0.1:{PORTS['status'] + node.offset}/status" for node in site.nodes], ask)


def changes(site: Site) -> Balanced:
    """Writes may be repeated, as every PUT may."""

    def ask(client: httpx.Client, which: int) -> int:
        return site.put("again", client, site.admins[which].url("admin"))

    return Balanced(
        [f"http://127.0.0.1:{7081 + admin.offset}/readyz" for admin in site.admins], ask, tries=2, pause=WRITE_PAUSE
    )


def goes_live(site: Site, admin: Role, name: str) -> None:
    """A change by this replica is served by every node."""
    with httpx.Client(timeout=60) as client:
        assert site.put(name, client, admin.url("admin")) == 200
    for node in site.nodes:
        eventually(lambda node=node: node.get(f"/{name}").status == 200)


def test_every_part_is_restarted_and_reloaded_under_load_without_a_failed_request(site: Site) -> None:
    admin, dpm, node = blocks(PAGE, "Rolling restart")
    (reload,) = blocks(PAGE, "Upgrade")
    with traffic(site) as requests, changes(site) as writes:
        for block, parts in ((admin, site.admins), (dpm, site.dpms), (node, site.nodes), (reload, site.nodes)):
            for part in parts:
                before = part.process.pid
                site.machine(part).run(block)
                assert (part.process.pid == before) == (block is reload)
        goes_live(site, site.admins[0], "restarted")
    print(f"sent {requests.sent} and {writes.sent}, failed {len(requests.failed)} and {len(writes.failed)}")  # noqa: T201
    assert requests.failed == []
    assert writes.failed == []
    assert min(requests.sent, writes.sent) > 100


def test_a_crashed_agent_takes_no_request_along(site: Site) -> None:
    node = site.nodes[0]
    address = f"http://127.0.0.1:{PORTS['http'] + node.offset}/steady"
    with Balanced([address], lambda client, _: client.get(address).status_code) as requests:
        before = requests.sent
        acting(node)("crash")
        goes_live(site, site.admins[0], "crashed")
        eventually(lambda: requests.sent > before + 20)
    assert requests.failed == []


def test_a_session_and_every_stream_outlive_a_replica_and_the_runbook_brings_it_back(site: Site) -> None:
    look, start, _ = blocks(PAGE, "A control plane that fails")
    with httpx.Client(timeout=60) as browser, traffic(site) as requests:
        account = {"username": "admin", "password": "admin"}
        assert browser.post(site.admins[0].url("admin", "/api/login"), json=account).status_code == 200
        site.admins[0].kill()
        site.dpms[0].kill()
        assert browser.get(site.admins[1].url("admin", "/api/me")).status_code == 200
        goes_live(site, site.admins[1], "replica")
        there = site.machine(site.admins[1], site.dpms[1])

        def taken_over() -> bool:
            told = there.run(look)
            return "gatefleet_leader 1.0" in told and 'gatefleet_group_streams{gateway_group="default"} 2.0' in told

        eventually(taken_over, every=0.5)
        site.machine(site.admins[0], site.dpms[0]).run(start)
        goes_live(site, site.admins[0], "back")
    assert requests.failed == []


def test_a_gateway_that_fails_is_found_started_again_or_shut_out(site: Site) -> None:
    silent, start, shut_out = blocks(PAGE, "A gateway that fails")
    lost, machine = site.nodes[1], site.machine(site.nodes[1])
    instance = (lost.directory / "instance").read_text()
    lost.kill()
    aged = f"update instance set last_heartbeat_at = now() - interval '31 s' where id = '{instance}'"  # noqa: S608
    site.database.sql(aged, site.name_of_database)
    assert [found["id"] for found in json.loads(machine.run(silent))["list"]] == [instance]
    machine.run(start)
    assert lost.get("/steady").status == 200
    lost.kill()
    told = json.loads(replace(machine, words={**machine.words, "ID": instance}).run(shut_out))
    assert len(told["value"]["revoked"]) >= 1
    assert site.nodes[0].get("/steady").status == 200
