"""A thousand nodes on one DP Manager: how soon a change reaches all, what each costs, how a storm of them settles."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import psutil

from bench import fleet
from bench.crowd import Said
from bench.fleet import ADMIN, GATEFLEET, GROUP, Fleet
from bench.load import cpu_ns
from bench.shape import HOST, Json, Shape, marked, path

CLIENTS: Final = 2
"""Processes that the nodes are spread over; they share the machine with what is measured."""
GROUP_SHAPE: Final = Shape(1_000)
COLD_ROUNDS: Final = 3
CHANGE_TARGET_MS: Final = 1_000.0
MEMORY_TARGET_KB: Final = 200.0
STORM_TARGET_SECONDS: Final = 10.0
LAST_NODE: Final = "a change at the last node, worst, ms"
MEMORY: Final = "kB per node"
STORM: Final = "the storm is over, s"
PATIENCE: Final = 60.0
IDLE_SECONDS: Final = 10.0
SETTLING: Final = 3.0
"""Seconds after the last connection until everything that comes of it is over."""

Found = dict[str, float]


class Nodes:
    """What the client processes say, gathered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._connected: dict[str, int] = {}
        self._times: dict[int, dict[str, Sequence[float]]] = {}
        self._clients = 0

    def listen(self, name: str, client: "subprocess.Popen[bytes]") -> None:
        self._clients += 1
        threading.Thread(target=self._read, args=(name, client), daemon=True).start()

    def _read(self, name: str, client: "subprocess.Popen[bytes]") -> None:
        assert client.stdout
        for line in client.stdout:
            said = msgspec.json.decode(line, type=Said)
            with self._changed:
                self._connected[name] = said.connected
                if said.revision:
                    self._times.setdefault(said.revision, {})[name] = said.at
                self._changed.notify_all()

    def connected(self, count: int) -> None:
        """Wait until so many are. RuntimeError when that takes too long."""
        self._until(lambda: sum(self._connected.values()) == count, f"{count} nodes are connected")

    def brought(self, revision: int) -> list[float]:
        """When each node was brought this revision (monotonic clock), once all were. RuntimeError as above."""
        self._until(lambda: len(self._times.get(revision, ())) == self._clients, f"all have revision {revision}")
        return sorted(at for times in self._times[revision].values() for at in times)

    def _until(self, check: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(check, PATIENCE):
                raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}; connected: {self._connected}")


def measure(home: Path, upstream: int, count: int, changes: int) -> Found:
    """`count` simulated nodes that follow a group of a thousand routes, and `changes` of one route each."""
    with fleet.running(home / "fleet-nodes") as bench:
        bench.fill(GROUP_SHAPE, upstream)
        before = _memory(bench)
        began = time.monotonic()
        with _simulated(home, bench, count) as nodes:
            nodes.connected(count)
            connected = time.monotonic() - began
            time.sleep(SETTLING)
            after = _memory(bench)
            found = {"nodes": float(count), "all are connected, s": connected, **_idle(bench)}
            found |= {f"{role} {MEMORY}": (after[role] - before[role]) / count / 1000 for role in after}
            found |= _changes(bench, nodes, changes) | _storm(bench, nodes, count)
    return {name: round(value, 1) for name, value in found.items()}


@contextmanager
def _simulated(home: Path, bench: Fleet, count: int) -> Generator[Nodes]:
    """So many nodes, each with a connection of its own to the DP Manager's port."""
    bundle, nodes = home / "bundle.json", Nodes()
    bundle.write_text(_told(bench, "dp_client_certificates")["bundle"])
    target = f"127.0.0.1:{7943 + bench.offset}"
    with ExitStack() as stack:
        for k in range(CLIENTS):
            share = count * (k + 1) // CLIENTS - count * k // CLIENTS
            command = [sys.executable, "-m", "bench.crowd", str(bundle), target, str(share), f"sim-{k}"]
            client = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "GRPC_VERBOSITY": "NONE"})
            stack.callback(client.wait, 10)
            stack.callback(client.kill)
            nodes.listen(str(k), client)
        yield nodes


def _changes(bench: Fleet, nodes: Nodes, count: int) -> Found:
    """From the Admin API's answer until nodes have the change whole; CPU that the DP Manager and its front spend."""
    reached: list[float] = []
    slowest: list[float] = []
    processes = _roles(bench)
    spent = {role: -cpu_ns(process.pid) for role, process in processes.items()}
    for n in range(count):
        revision, answered = _change(bench, n)
        at = nodes.brought(revision)
        reached += [(t - answered) * 1000 for t in at]
        slowest.append((at[-1] - answered) * 1000)
        time.sleep(SETTLING)
    for role, process in processes.items():
        spent[role] += cpu_ns(process.pid)
    ordered = sorted(reached)
    return {
        "a change at a node p50, ms": statistics.median(ordered),
        "a change at a node p99, ms": ordered[int(len(ordered) * 0.99)],
        "a change at the last node, median, ms": statistics.median(slowest),
        LAST_NODE: max(slowest),
        **{f"{role} CPU per change and {SETTLING:.0f} s, ms": ns / count / 1e6 for role, ns in spent.items()},
    }


def _storm(bench: Fleet, nodes: Nodes, count: int) -> Found:
    """Kill the DP Manager and change a route: until it is back, and until every node is and has the change."""
    began = time.monotonic()
    bench.processes()["dpm"][0].send_signal(signal.SIGKILL)
    revision, _ = _change(bench, count)
    back = _until_ready(f"http://127.0.0.1:{7900 + bench.offset}/readyz")
    last = nodes.brought(revision)[-1]
    nodes.connected(count)
    return {"the DP Manager is back, s": back - began, STORM: last - began}


def cold_start(home: Path, upstream: int, shape: Shape) -> Found:
    """A new node of a large group: from its start until it serves a route, with nothing and with its copy on disk."""
    fresh: list[float] = []
    again: list[float] = []
    with fleet.running(home / "fleet-cold") as bench:
        bench.fill(shape, upstream)
        for n in range(COLD_ROUNDS):
            directory = home / f"cold-{n}"
            fresh.append(_served(bench, directory, shape))
            again.append(_served(bench, directory, shape))
    found = {"new": statistics.median(fresh), "with its copy": statistics.median(again)}
    return {f"a node of {shape.routes:,} routes serves, {how}, s": round(value, 2) for how, value in found.items()}


def _served(bench: Fleet, directory: Path, shape: Shape) -> float:
    """Seconds from the start of a node until it serves; it is stopped then."""
    offset = fleet.free_offset()
    command = [str(GATEFLEET), "node", "--data-dir", str(directory), "--port-offset", str(offset)]
    join = ["--dp-manager", f"https://127.0.0.1:{7943 + bench.offset}", "--bind", "127.0.0.1", "--drain-timeout", "0"]
    environment = {**os.environ, "GATEFLEET_NODE_TOKEN": _told(bench, "instance_token")["token_plain_text"]}
    began = time.monotonic()
    node = subprocess.Popen([*command, *join], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        return _until_ready(f"http://127.0.0.1:{9080 + offset}{path(shape.routes - 1)}", host=HOST) - began
    finally:
        node.terminate()
        node.wait(20)


def _until_ready(url: str, host: str = "localhost") -> float:
    """When `url` answered 200. RuntimeError when it does not for too long."""
    ends = time.monotonic() + PATIENCE
    with httpx.Client(timeout=2, headers={"host": host}) as client:
        while time.monotonic() < ends:
            try:
                if client.get(url).status_code == 200:
                    return time.monotonic()
            except httpx.HTTPError:
                pass
            time.sleep(0.01)
    raise RuntimeError(f"not within {PATIENCE:.0f} s: {url}")


def _idle(bench: Fleet) -> Found:
    """What streams and heartbeats of all nodes cost when nothing changes, in percent of a core."""
    processes = _roles(bench)
    spent = {role: -cpu_ns(process.pid) for role, process in processes.items()}
    time.sleep(IDLE_SECONDS)
    return {
        f"{role} CPU at rest, %": (spent[role] + cpu_ns(process.pid)) / IDLE_SECONDS / 1e7
        for role, process in processes.items()
    }


def _memory(bench: Fleet) -> dict[str, int]:
    return {role: process.memory_info().rss for role, process in _roles(bench).items()}


def _roles(bench: Fleet) -> dict[str, psutil.Process]:
    found = bench.processes()
    return {"dpm": found["dpm"][0], "its front": found["dpm: its front (Envoy)"][0]}


def _change(bench: Fleet, n: int) -> tuple[int, float]:
    """Change one route; the revision that makes, and when it was answered (monotonic clock)."""
    resource, body = GROUP_SHAPE.route(n % GROUP_SHAPE.routes, marked(f"m{n}"))
    answer = _call(bench, "PUT", f"/apisix/admin/{resource}", body)
    return int(answer.headers["x-gateway-group-revision"]), time.monotonic()


def _told(bench: Fleet, what: str) -> Mapping[str, Any]:
    """What the Admin API makes for nodes that join the default group."""
    return _call(bench, "POST", f"/api/gateway_groups/default/{what}", {}).json()["value"]


def _call(bench: Fleet, method: str, url: str, body: Json) -> httpx.Response:
    """A call of the Admin API. RuntimeError when it is refused."""
    at = f"http://127.0.0.1:{bench.admin}{url}"
    answer = httpx.request(method, at, json=body, params=GROUP, auth=ADMIN, timeout=PATIENCE)
    if not answer.is_success:
        raise RuntimeError(f"{method} {url}: {answer.status_code} {answer.text}")
    return answer
