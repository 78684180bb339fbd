"""Processes that hang, crash again and again, live in another hour, or come with what has expired: traffic goes on."""

import asyncio
import contextlib
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
import pytest

from gatefleet import pki, rundir
from gatefleet.node.identity import IdentityStore
from gatefleet.store.authority import authorities
from tests.e2e.failures.site import RECOVERY, Site
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import eventually

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
AGENT_ONLY = "import os, sys; del os.environ['LD_PRELOAD'], sys.argv[0]; from gatefleet.cli import main; main()"
"""Runs `gatefleet` without showing its children another hour: libfaketime and Envoy's allocator wait for each other."""
CRASHES = 6.0
"""Seconds during which Envoy is killed whenever there is one, three times at least."""


def test_a_dp_manager_that_hangs_is_left_for_another_one(site: Site) -> None:
    second = site.plane.dpm()
    site.kill_agent("far")
    site.start("far", "--dp-manager", second.url("dpm_tls"))
    eventually(site.is_whole, RECOVERY)
    site.converges("before-it-hangs")
    with traffic(site.port("near")) as near, traffic(site.port("far")) as far:
        site.dpm.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            site.change("while-it-hangs")
            eventually(lambda: site.nodes["far"].get("/while-it-hangs").status == 200, RECOVERY)
            converged = time.monotonic() - began
            assert site.nodes["near"].get("/while-it-hangs").status == 404
            eventually(lambda: b"no connection to the DP Manager" in site.ready("near").body, RECOVERY)
        finally:
            site.dpm.process.send_signal(signal.SIGCONT)
        eventually(lambda: site.nodes["near"].get("/while-it-hangs").status == 200, RECOVERY)
        second.process.terminate()
        site.converges("after-it-hung")
    told("dp manager stopped (SIGSTOP), node that knows no other", near)
    told("dp manager stopped (SIGSTOP), node that knows another", far, converged)


def test_while_an_envoy_crashes_again_and_again_another_node_serves_and_it_comes_back(site: Site) -> None:
    crashes, until = 0, time.monotonic() + CRASHES
    with traffic(site.port("near"), site.port("far")) as both:
        while time.monotonic() < until or crashes < 3:
            with contextlib.suppress(StopIteration, psutil.Error):
                envoy_of(site, "near").kill()
                crashes += 1
            time.sleep(0.1)
        began = time.monotonic()
        eventually(lambda: site.nodes["near"].get("/steady").status == 200, RECOVERY)
        converged = time.monotonic() - began
        assert site.converges("after-the-crashes") < RECOVERY
    assert crashes < 20, "it is started again, and not without pauses"
    told(f"envoy killed {crashes} times, behind a load balancer", both, converged)


def envoy_of(site: Site, node: str) -> psutil.Process:
    run = f"{rundir.find('node', site.directory / node)}/"
    found = [p for p in psutil.process_iter(["name", "cmdline"]) if run in " ".join(p.info["cmdline"] or ())]
    return next(p for p in found if p.info["name"].startswith("envoy"))


@pytest.mark.skipif(not FAKETIME, reason="there is no libfaketime")
def test_nodes_whose_clocks_are_an_hour_off_join_serve_and_take_changes(site: Site) -> None:
    shown = {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    clocks = {"behind": "-1h", "ahead": "+1h"}
    for name, offset in clocks.items():
        site.start(name, within=(sys.executable, "-c", AGENT_ONLY), environment={**shown, "FAKETIME": offset})
    try:
        for name in clocks:
            eventually(lambda name=name: site.nodes[name].get("/steady").status == 200, RECOVERY)
        with traffic(site.port("behind")) as behind, traffic(site.port("ahead")) as ahead:
            converged = site.converges("in-another-hour", nodes=4)
            listed = site.call("GET", "/api/gateway_groups/default/instances").json()["list"]
            assert [each["status"] for each in listed if each["status"] != "Offline"] == ["Healthy"] * 4
        revision = site.change("in-another-hour", desc="again")
        eventually(lambda: site.receipt(revision)["converged"], RECOVERY)
        assert 0 < site.receipt(revision)["time_to_live"]["p99_ms"] < RECOVERY * 1000
    finally:
        for name in clocks:
            node = site.nodes.pop(name)
            node.process.terminate()
            node.process.wait(40)
    told("clock an hour behind", behind)
    told("clock an hour ahead", ahead, converged)


def test_a_node_whose_certificate_has_expired_serves_and_joins_again_with_its_token(site: Site) -> None:
    with traffic(site.port("far")) as far:
        site.kill_agent("far")
        expired = asyncio.run(_expired(site))
        IdentityStore(site.directory / "far").save(expired)
        began = time.monotonic()
        site.start("far")
        eventually(site.is_whole, RECOVERY)
        site.converges("after-it-expired")
        converged = time.monotonic() - began
    fresh = IdentityStore(site.directory / "far").load()
    assert fresh
    assert pki.expiry(fresh.certificate) > datetime.now(UTC) > pki.expiry(expired.certificate)
    told("certificate expired", far, converged)


async def _expired(site: Site) -> pki.Bundle:
    """The identity of `far` with a certificate of the same CA that ended yesterday."""
    held = IdentityStore(site.directory / "far").load()
    assert held
    store = await site.store()
    try:
        async with store.transaction() as connection:
            ca = (await authorities(connection, store.cipher)).issuing
    finally:
        await store.close()
    issued = datetime.now(UTC) - pki.CLIENT_LIFE - timedelta(days=1)
    pair = pki.issue_client(ca, pki.identity_of(held.certificate), issued, pki.CLIENT_LIFE)
    return msgspec.structs.replace(held, certificate=pair.certificate, private_key=pair.key)
