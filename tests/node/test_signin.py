"""The sign-in process starts when a configuration asks for it, comes back when it dies; nobody passes meanwhile."""

import base64
import signal
from pathlib import Path

import psutil
import pytest

from gatefleet.compile.compiler import Compiler
from gatefleet.resources import Document
from gatefleet.snapshot import Snapshot
from tests import directory as slapd
from tests.node.conftest import HOST, Node, content, running
from tests.node.manager_twin import Twin
from tests.node.test_node import gone

pytestmark = pytest.mark.anyio
USER = {"authorization": "Basic " + base64.b64encode(b"user01:password1").decode()}


def guarded(upstream: int, ldap: int) -> Snapshot:
    """A group whose route /a lets in whom the directory knows."""
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    service = {"name": "s", "hosts": [HOST], "upstream": {"type": "roundrobin", "scheme": "http", "nodes": nodes}}
    plugins = {"ldap-auth": {"base_dn": slapd.BASE, "ldap_uri": f"127.0.0.1:{ldap}"}}
    credential = {"name": "c", "plugins": {"ldap-auth": {"user_dn": f"cn=user01,{slapd.BASE}"}}}
    compiled = Compiler().update([
        Document("services", "s", None, service),
        Document("routes", "r", "s", {"name": "r", "paths": ["/a"], "service_id": "s", "plugins": plugins}),
        Document("consumers", "foo", None, {"username": "foo"}),
        Document("credentials", "c", "foo", credential),
    ])  # fmt: skip
    assert not compiled.problems
    return compiled.snapshot


def process_of(node: Node) -> psutil.Process | None:
    for child in psutil.Process(node.process.pid).children(recursive=True):
        if "gatefleet.signin" in " ".join(child.cmdline()):
            return child
    return None


async def test_it_connects_to_nothing_that_the_node_must_not(twin: Twin, directory: Path, slow: int) -> None:
    denied = ("--outbound-deny", "127.0.0.0/8,169.254.0.0/16")
    with slapd.running() as found:
        twin.publish(guarded(slow, found.port), 1)
        async with running(directory, "--bundle", f"{directory.parent}/bundle.json", *denied) as node:
            await node.until("/a", 401)
            assert (await node.get("/a", **USER)).status_code == 401
    assert "must not be connected to" in directory.with_suffix(".log").read_text()


async def test_it_is_started_when_asked_for_and_nobody_passes_without_it(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a"), 1)
    with slapd.running() as found:
        async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
            await node.until("/a", 200)
            assert process_of(node) is None
            twin.publish(guarded(slow, found.port), 2)
            await node.until("/a", 401)
            assert (await node.get("/a", **USER)).status_code == 200

            first = process_of(node)
            assert first
            node.process.send_signal(signal.SIGSTOP)  # who would start it again
            first.kill()
            answer = await node.get("/a", **USER)
            node.process.send_signal(signal.SIGCONT)
            assert (answer.status_code, answer.json()) == (500, {"error_msg": "500 Internal Server Error"})
            await node.until("/a", 200, **USER)
            again = process_of(node)
            assert again
            assert again.pid != first.pid

            assert await node.stop() == 0
            assert gone(again)
