"""A node as users run it, with the real Envoy, against a DP Manager's twin."""

import asyncio
import signal
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from gatefleet import pki, rundir, sealed, snapshot
from gatefleet.node.identity import IdentityStore
from gatefleet.snapshot import HOST as HOSTS
from gatefleet.snapshot import LISTENER, ROUTES, SCOPED_ROUTES, Seal, Snapshot, entry
from tests.e2e import kit
from tests.node.conftest import HOST, Node, Slow, content, holds, kept, running
from tests.node.manager_twin import Twin, newest

pytestmark = pytest.mark.anyio


def envoy_of(node: Node) -> psutil.Process:
    """The newest Envoy of a node, whoever its parent is."""
    run = f"{rundir.find('node', node.directory)}/"
    found = [p for p in psutil.process_iter(["name", "cmdline"]) if run in " ".join(p.info["cmdline"] or ())]
    return max((p for p in found if p.info["name"].startswith("envoy")), key=psutil.Process.create_time)


async def proven(twin: Twin, revision: int) -> bool:
    return bool(twin.beats) and newest(twin.beats[-1]) == revision


def gone(process: psutil.Process) -> bool:
    """Whether it ended; whoever is its parent by now may not have buried it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_it_serves_reports_and_leaves_nothing_behind(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        assert await node.until_status("/status/ready", 200) == '{"status":"ok"}'
        assert (await node.get("/none")).json() == {"error_msg": "404 Route Not Found"}
        run, envoy = rundir.find("node", directory), envoy_of(node)
        assert run
        assert {f.stat().st_mode & 0o077 for f in (run, *run.rglob("*"))} == {0}
        assert node.process.returncode is None

        async def told() -> bool:
            return bool(twin.beats) and twin.beats[-1].applied_revision == 1

        assert await holds(told)
        beat = twin.beats[-1]
        assert (beat.applied_revision, beat.problems, beat.leaving) == (1, {}, False)
        assert beat.envoy in ("LIVE", "INITIALIZING")
        assert await node.stop() == 0
        assert gone(envoy)
        assert not run.exists()
        assert twin.beats[-1].leaving
    assert {f.stat().st_mode & 0o077 for f in directory.iterdir()} == {0}


async def test_changes_are_live_at_once_and_consumers_too(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a", keys=("one",)), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200, apikey="one")
        twin.publish(content(slow, "/a", "/b", keys=("one",)), 2)
        await node.until("/b", 200, apikey="one")
        twin.publish(content(slow, "/a", "/b", keys=("one", "two")), 3)
        await node.until("/a", 200, apikey="two")
        twin.publish(content(slow, "/a", "/b", keys=("two",)), 4)
        await node.until("/a", 401, apikey="one")
        assert (await node.get("/a", apikey="two")).status_code == 200
        metrics = (await node.client.get(node.url("metrics", "/apisix/prometheus/metrics"))).text
        assert 'apisix_node_info{hostname="' in metrics


async def counts(node: Node, wanted: int) -> bool:
    """Whether metrics come to say so many requests of /b, all of them with how long they and the upstream took."""

    async def found() -> bool:
        page = (await node.client.get(node.url("metrics", "/apisix/prometheus/metrics"))).text
        lines = [line for line in page.splitlines() if 'route="r1",service="s"' in line]
        numbers = {line.rpartition(" ")[0]: int(float(line.rpartition(" ")[2])) for line in lines if "_sum" not in line}
        statuses = [n for of, n in numbers.items() if of.startswith('apisix_http_status{code="200"')]
        times = [n for of, n in numbers.items() if of.startswith("apisix_http_latency_count")]
        return (sum(statuses), *times) == ((wanted,) * 3 if wanted else (0,))

    return await holds(found)


async def test_metrics_go_on_under_another_agent_and_begin_anew_with_another_envoy(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a", "/b"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        for _ in range(10):
            assert (await node.get("/b")).status_code == 200
        assert await counts(node, 10)
        await node.stop(signal.SIGKILL)
        async with running(directory, offset=node.offset) as again:
            await again.until_status("/status/ready", 200)
            assert (await again.get("/b")).status_code == 200
            assert await counts(again, 11)
            envoy_of(again).kill()
            await again.until("/a", 200)
            assert await counts(again, 0)
            assert (await again.get("/b")).status_code == 200
            assert await counts(again, 1)
            await again.stop(signal.SIGKILL)
        async with running(directory, "--drain-timeout", "1", offset=node.offset) as other:
            await other.said("the envoy before has ended")
            assert await counts(other, 0)
            assert (await other.get("/b")).status_code == 200
            assert await counts(other, 1)


async def test_restarted_without_a_control_plane_it_serves_its_last_configuration(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a", keys=("one",)), 5)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200, apikey="one")
        await kept(directory, 5)
    await twin.stop()
    async with running(directory) as node:
        await node.until("/a", 200, apikey="one")
        assert (await node.get("/a")).status_code == 401
        await node.until_status("/status", 200)
        await node.tells("/status/ready", "no connection to the DP Manager")


async def test_a_changed_copy_is_refused_and_said_so(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 5)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await kept(directory, 5)
    await twin.stop()
    body = bytearray((directory / "snapshot.bin").read_bytes())
    body[len(body) // 2] ^= 1
    (directory / "snapshot.bin").write_bytes(body)
    async with running(directory) as node:
        await node.tells("/status", "the copy on disk is refused: the copy was changed")
        assert "the copy on disk is refused" in node.log()


async def test_an_agent_killed_and_started_again_touches_no_traffic(
    twin: Twin, directory: Path, upstream: Slow
) -> None:
    twin.publish(content(upstream.port, "/a", "/wait"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        envoy, offset = envoy_of(node), node.offset
        waiting = asyncio.create_task(node.get("/wait"))
        await upstream.waits_for(1)
        await node.stop(signal.SIGKILL)
        assert (await node.get("/a")).status_code == 200
        upstream.go_on.set()
        assert (await waiting).status_code == 200
        async with running(directory, offset=offset) as again:
            twin.publish(content(upstream.port, "/a", "/b"), 2)
            await again.until("/b", 200)
            assert envoy_of(again).pid == envoy.pid
        assert gone(envoy)


async def test_an_envoy_killed_is_back_with_the_same_configuration(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a", keys=("one",)), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200, apikey="one")
        envoy_of(node).kill()
        await node.until("/a", 200, apikey="one")


async def test_asked_to_stop_it_finishes_what_runs(twin: Twin, directory: Path, upstream: Slow) -> None:
    twin.publish(content(upstream.port, "/a", "/wait"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        await node.until_status("/status/ready", 200)
        running_requests = [asyncio.create_task(node.get("/wait")) for _ in range(5)]
        await upstream.waits_for(5)
        stopping = asyncio.create_task(node.stop())
        await node.tells("/status/ready", "shutting down")
        upstream.go_on.set()
        assert [(await r).status_code for r in running_requests] == [200] * 5
        assert await stopping == 0


async def test_a_resource_envoy_refuses_keeps_its_last_good_version(twin: Twin, directory: Path, slow: int) -> None:
    good = content(slow, "/a", hosts=(HOST, "other.test"))
    twin.publish(good, 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        assert await holds(lambda: proven(twin, 1))
        newer = content(slow, "/a", "/b", hosts=(HOST, "other.test"))
        routes = {**newer.of(ROUTES), f"scope:{HOST}": entry(b"\x0a\x0escope:node.test\x12\x02\x0a\x00")}
        twin.publish(Snapshot({**newer.entries, ROUTES: routes}), 2)
        await node.until("/b", 200, host="other.test")
        assert (await node.get("/a")).status_code == 200
        assert await holds(lambda: proven(twin, 2))
        beat = twin.beats[-1]
        assert [name.rpartition("/")[2] for name in beat.problems] == [f"scope:{HOST}"]
        assert beat.proven
        assert beat.proven[-1].rejected == beat.problems
        assert (beat.proven[-1].proof.probed, beat.proven[-1].proof.scopes) == (1, 1)  # the other host's
        envoy_of(node).kill()
        await node.until("/a", 200)
        twin.publish(newer, 3)
        await node.until("/b", 200)
        assert await holds(lambda: proven(twin, 3))
        assert twin.beats[-1].problems == {}


async def test_what_a_probe_does_not_see_is_not_reported_as_proven(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        assert await holds(lambda: proven(twin, 1))
        beat = twin.beats[-1]
        assert beat.proven
        (proof,) = (one.proof for one in beat.proven)
        assert (proof.probed, proof.scopes, beat.pending) == (2, 2, "")  # the host's, and that of no host
        assert proof.acknowledged.keys() >= {"Cluster", "Listener", "ScopedRouteConfiguration"}
        assert proof.written == {"Host": 2}
        whole = content(slow, "/a", "/b", hosts=(HOST, "other.test"))
        known = {t: {n: e for n, e in whole.of(t).items() if "other" not in n} for t in (SCOPED_ROUTES, HOSTS)}
        twin.publish(Snapshot({**whole.entries, **known}), 2)  # routes of a host that are used by no scope

        async def taken() -> bool:
            return twin.beats[-1].applied_revision == 2

        assert await holds(taken)  # the probe is patient
        assert newest(twin.beats[-1]) == 1
        assert twin.beats[-1].pending == "1 route scopes do not show their new version yet: other.test"
        twin.publish(whole, 3)
        assert await holds(lambda: proven(twin, 3))
        assert twin.beats[-1].pending == ""
        envoy = envoy_of(node)
        envoy.suspend()
        try:
            twin.publish(content(slow, "/a", "/c"), 4)
            await asyncio.sleep(1)
        finally:
            envoy.resume()
        assert await holds(lambda: proven(twin, 4))


async def test_what_is_not_sealed_right_is_not_taken(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 5)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        later, refused = content(slow, "/a", "/b"), 0
        stranger = sealed.new_snapshot_keys()
        bare = Seal(twin.group, 6, 1, snapshot.digest(later), twin.keys.key_id)
        forged = sealed.sign(bare, stranger)
        for seal in (
            Seal(**{**{f: getattr(forged, f) for f in forged.__struct_fields__}, "key_id": twin.keys.key_id}),
            sealed.sign(Seal("other", 6, 1, snapshot.digest(later), ""), twin.keys),
            sealed.sign(Seal(twin.group, 4, 1, snapshot.digest(later), ""), twin.keys),
            sealed.sign(Seal(twin.group, 6, 1, snapshot.digest(Snapshot()), ""), twin.keys),
        ):
            twin.publish_as(later, seal)
            refused += 1
            await node.said("a revision is refused", times=refused)
            assert (await node.get("/b")).status_code == 404
        twin.publish(later, 6)
        await node.until("/b", 200)
        assert node.log().count("a revision is refused") == refused


async def test_a_port_that_is_taken_is_said_on_the_status_page(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as first:
        await first.until("/a", 200)
        bundle = f"{directory.parent}/bundle.json"
        async with running(directory.with_name("second"), "--bundle", bundle, offset=first.offset) as second:
            assert await asyncio.wait_for(second.process.wait(), 60) == 1
            assert "stop what listens there, or move this node's ports with --port-offset" in second.log()


async def test_two_agents_do_not_share_a_directory(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as first:
        await first.until("/a", 200)
        async with running(directory) as second:
            assert await asyncio.wait_for(second.process.wait(), 60) == 1
        assert "another node runs on" in second.log()
        assert (await first.get("/a")).status_code == 200


async def test_plain_certificate_files_are_enough(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    bundle = twin.bundle()
    files = {"cert": bundle.certificate, "key": bundle.private_key, "ca": bundle.ca_certificate}
    options: list[str] = ["--dp-manager", bundle.dp_manager_addresses[0]]
    for name, text in files.items():
        (directory.parent / name).write_text(text)
        options += [f"--{name}", str(directory.parent / name)]
    async with running(directory, *options) as node:
        await node.until("/a", 200)
        await node.said("the certificate is renewed")


async def test_a_certificate_is_renewed_before_it_runs_out(twin: Twin, directory: Path, slow: int) -> None:
    twin.publish(content(slow, "/a"), 1)
    bundle, store = directory.parent / "bundle.json", IdentityStore(directory)
    bundle.write_bytes(twin.bundle(age=timedelta(days=21)).to_json())

    async def renewed() -> bool:
        identity = store.load()
        return identity is not None and pki.expiry(identity.certificate) > datetime.now(UTC) + timedelta(days=29)

    async with running(directory, "--bundle", f"{bundle}") as node:
        await node.until("/a", 200)
        assert await holds(renewed)
        twin.publish(content(slow, "/a", "/b"), 2)
        await node.until("/b", 200)
        bundle.unlink()
        assert await node.stop() == 0
    async with running(directory) as again:
        await again.until("/b", 200)
        await again.until_status("/status/ready", 200)


async def test_with_an_expired_certificate_it_serves_from_its_disk_and_joins_again_with_a_new_bundle(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a"), 1)
    bundle, store = directory.parent / "bundle.json", IdentityStore(directory)
    async with running(directory, "--bundle", f"{bundle}") as node:
        await kept(directory, 1)
    store.save(twin.bundle(age=timedelta(days=31)))
    bundle.write_bytes(twin.bundle(age=timedelta(days=40)).to_json())
    async with running(directory, "--bundle", f"{bundle}") as node:
        await node.until("/a", 200)
        assert await node.until_status("/status/ready", 503)
        await node.said("this node's certificate has expired: give it a new --bundle")
    bundle.write_bytes(twin.bundle().to_json())
    async with running(directory, "--bundle", f"{bundle}") as node:
        twin.publish(content(slow, "/b"), 2)
        await node.until("/b", 200)


async def test_a_client_that_keeps_its_connection_loses_nothing_when_it_stops(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a"), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        answered: list[int] = []

        async def ask() -> None:
            async with httpx.AsyncClient() as client:
                while node.process.returncode is None:
                    opened: list[str] = []  # what the pool told of a connection made for this request

                    async def note(event: str, _: object, opened: list[str] = opened) -> None:
                        if event.startswith("connection.connect_tcp"):
                            opened.append(event)

                    try:
                        answer = await client.get(
                            node.url("http", "/a"), headers={"host": HOST}, extensions={"trace": note}
                        )
                    except httpx.TransportError:
                        # The port is closed, or was before the connection had been accepted: a load balancer has
                        # long gone elsewhere. A connection that has answered before loses nothing.
                        assert opened
                        return
                    answered.append(answer.status_code)

        clients = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.3)
        assert await node.stop() == 0
        await asyncio.gather(*clients)
        assert set(answered) == {200}


async def test_certificates_are_found_by_server_name_and_replaced_at_once(
    twin: Twin, directory: Path, slow: int
) -> None:
    now = datetime.now(UTC)
    exact, wild = pki.self_signed(["a.test"], now), pki.self_signed(["*.b.test"], now)
    twin.publish(content(slow, "/a", certificates={"a.test": exact, "*.b.test": wild}), 1)
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json") as node:
        await node.until("/a", 200)
        assert await shown(node, "a.test") == exact.certificate
        assert await shown(node, "x.b.test") == wild.certificate
        assert await shown(node, "b.test") is None
        assert await shown(node, "unknown.test") is None
        for number in range(20):
            assert await shown(node, f"random{number}.test") is None
        renewed, late = pki.self_signed(["*.b.test"], now), pki.self_signed(["unknown.test"], now)

        async def show(name: str, pair: pki.Pair | None) -> bool:
            return await shown(node, name) == (pair and pair.certificate)

        twin.publish(content(slow, "/a", certificates={"a.test": exact, "*.b.test": renewed}), 2)
        assert await holds(lambda: show("x.b.test", renewed))
        twin.publish(content(slow, "/a", certificates={"a.test": exact, "unknown.test": late}), 3)
        assert await holds(lambda: show("unknown.test", late))
        assert await holds(lambda: show("x.b.test", None))


async def shown(node: Node, name: str) -> str | None:
    """The certificate that the node shows for a server name; None when it refuses the connection."""

    def ask() -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection(("127.0.0.1", kit.PORTS["https"] + node.offset), 5) as plain,
                context.wrap_socket(plain, server_hostname=name) as secure,
            ):
                return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")
        except (ssl.SSLError, ConnectionError):
            return None

    return await asyncio.to_thread(ask)


def test_listeners_are_part_of_every_snapshot() -> None:
    assert set(content(1).of(LISTENER)) == {"http", "https", "probe"}
