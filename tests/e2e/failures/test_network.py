"""The network between a node and the control plane fails in every way: the node serves, and follows again after it."""

import asyncio
import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import httpx
import pytest

from gatefleet.resources import Document
from gatefleet.snapshot import digest
from gatefleet.store import Author
from tests.e2e import kit
from tests.e2e.failures.proxy import FAIR, Weather, proxy
from tests.e2e.failures.site import RECOVERY, Site
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import eventually

WEATHERS = {
    "cut": Weather(cut=True),
    "silent": Weather(silent=True),
    "slow": Weather(delay=0.15),
    "lossy": Weather(loss=0.2, delay=0.01),
}
CHANGES = 1000
NOTICED = 60.0
"""Seconds within which a node must have noticed that nothing arrives any more; its pings say so after fifteen."""


@pytest.mark.parametrize("weather", ["slow", "lossy"])
def test_over_a_bad_network_a_change_arrives_later_and_nothing_else_happens(site: Site, weather: str) -> None:
    with traffic(site.port("far")) as far:
        site.to_dpm.set(WEATHERS[weather])
        try:
            converged = site.converges(f"over-a-{weather}-network")
        finally:
            site.to_dpm.set(FAIR)
    told(f"network {weather}", far, converged)


@pytest.mark.parametrize("weather", ["cut", "silent"])
def test_without_a_network_a_node_serves_and_says_so_and_follows_again_by_itself(site: Site, weather: str) -> None:
    with traffic(site.port("far")) as far:
        site.to_dpm.set(WEATHERS[weather])
        try:
            eventually(lambda: b"no connection to the DP Manager" in site.ready("far").body, NOTICED, every=0.2)
            missed = site.change(f"while-{weather}")
            eventually(lambda: site.nodes["near"].get(f"/while-{weather}").status == 200)
            eventually(lambda: site.receipt(missed)["text"] == "1 of 2 instances live")
            assert site.nodes["far"].get(f"/while-{weather}").status == 404
        finally:
            site.to_dpm.set(FAIR)
        converged = site.converges(f"after-{weather}")
        assert site.receipt(missed)["text"] == "2 of 2 instances live"
    told(f"network {weather}", far, converged)


def test_after_a_thousand_changes_while_it_was_cut_off_a_node_has_what_the_others_have_by_one_receipt(
    site: Site,
) -> None:
    site.converges("before-the-thousand")
    instance = (site.directory / "far" / "instance").read_text().strip()
    receipts = f"select revision from receipt where instance_id = '{instance}' order by revision"  # noqa: S608
    before = site.database.rows(receipts)
    with traffic(site.port("far")) as far:
        site.to_dpm.set(WEATHERS["cut"])
        try:
            last = asyncio.run(thousand(site))
            eventually(lambda: site.receipt(last)["text"] == "1 of 2 instances live", RECOVERY)
        finally:
            site.to_dpm.set(FAIR)
        began = time.monotonic()
        eventually(lambda: site.receipt(last)["text"] == "2 of 2 instances live", RECOVERY)
        converged = time.monotonic() - began
    near, far_copy = (eventually(lambda node=node: content(site, node, last)) for node in ("near", "far"))
    assert site.database.rows(receipts) == [*before, str(last)]
    assert near == far_copy
    told(f"{CHANGES} revisions while cut off, then one receipt and the same content", far, converged)


def content(site: Site, node: str, revision: int) -> str:
    """The hash of what a node has on its disk once that is this revision; the control plane's seal states the same."""
    found = site.copy(node)
    assert found.seal.revision == revision
    assert digest(found.snapshot) == found.seal.digest
    return found.seal.digest


async def thousand(site: Site) -> int:
    """Change one of ten routes a thousand times, each time by a revision of its own; the last one."""
    store = await site.store()
    try:
        for number in range(CHANGES):
            name = f"often-{number % 10}"
            body = {"name": name, "service_id": "steady", "paths": [f"/{name}"], "desc": f"change {number}"}
            async with store.change("default", Author("tester", "r")) as documents:
                await documents.put(Document("routes", name, "steady", body))
                revision = documents.revision
    finally:
        await store.close()
    return revision


@dataclass(frozen=True)
class Cables:
    """Two cables to a network namespace: one to the control plane, which is pulled, and one for traffic."""

    name: str

    def within(self) -> list[str]:
        """What a command is run by to be in the namespace."""
        return ["ip", "netns", "exec", self.name]

    def ends(self, cable: int) -> tuple[str, str]:
        """The addresses of a cable's ends, ours and theirs, of the networks for tests of devices (RFC 2544)."""
        third = int(self.name[2:4], 16)
        return f"198.18.{third}.{4 * cable + 1}", f"198.18.{third}.{4 * cable + 2}"

    def plug(self, *, in_: bool) -> None:
        ip("link", "set", f"{self.name}-1", "up" if in_ else "down")


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@cache
def refused() -> str:
    """Why there are no network namespaces here; empty where there are: only root may make them, and not everywhere."""
    try:
        with cables():
            return ""
    except OSError as error:
        return str(error)


@contextlib.contextmanager
def cables() -> Iterator[Cables]:
    """A namespace and its cables, gone at the end. OSError where it cannot be made."""
    found = Cables(f"gf{uuid.uuid4().hex[:8]}")
    ip("netns", "add", found.name)
    try:
        for cable in (1, 2):
            ours, theirs = found.ends(cable)
            here, there = f"{found.name}-{cable}", f"{found.name}+{cable}"
            ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", found.name)
            ip("addr", "add", f"{ours}/30", "dev", here)
            ip("link", "set", here, "up")
            ip("-n", found.name, "addr", "add", f"{theirs}/30", "dev", there)
            ip("-n", found.name, "link", "set", there, "up")
        ip("-n", found.name, "link", "set", "lo", "up")
        yield found
    finally:
        subprocess.run(["ip", "netns", "del", found.name], check=False)


@pytest.fixture
def pulled() -> Iterator[Cables]:
    if reason := refused():
        pytest.skip(reason)
    with cables() as found:
        yield found


def test_a_node_whose_cable_is_pulled_serves_and_follows_again_when_it_is_plugged_in(
    site: Site, pulled: Cables, upstream: int
) -> None:
    (control, _), (here, there) = pulled.ends(1), pulled.ends(2)
    with proxy(kit.PORTS["dpm_tls"] + site.dpm.offset, control) as way, proxy(upstream, here) as behind:
        service = {"name": "apart", "upstream": {"nodes": [{"host": here, "port": behind.port, "weight": 1}]}}
        assert site.call("PUT", "/apisix/admin/services/apart", service).status_code == 200
        site.change("apart", service_id="apart")
        address = f"https://{control}:{way.port}"
        more = ("--dp-manager", address, *site.join, "--envoy-concurrency", "1", "--bind", there)
        with kit.node(site.directory / "apart", *more, within=pulled.within()) as node:
            port, status = (kit.PORTS[name] + node.offset for name in ("http", "status"))

            def ready() -> str:
                return httpx.get(f"http://{there}:{status}/status/ready", timeout=20).text

            eventually(lambda: "ok" in ready(), RECOVERY)
            with traffic((there, port), path="/apart") as seen:
                pulled.plug(in_=False)
                eventually(lambda: "no connection to the DP Manager" in ready(), NOTICED, every=0.5)
                pulled.plug(in_=True)
                began = time.monotonic()
                eventually(lambda: "ok" in ready(), RECOVERY, every=0.2)
                converged = time.monotonic() - began
                seen.wait(10)
            told("cable pulled", seen, converged)
