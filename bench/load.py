"""Load on one port by wrk, and what the process behind it spent on each request."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

SCRIPT: Final = Path(__file__).with_name("requests.lua")
TURNS: Final = Path(__file__).with_name("turns.lua")
CORES: Final = sorted(os.sched_getaffinity(0))
PROXY_CORE: Final = CORES[0]
"""Where what is measured runs, alone; everything else of the load runs on the last core."""
LOAD_CORE: Final = CORES[-1]
CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Peer:
    """A running proxy or upstream."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, but for its host."""

    path: str
    headers: Mapping[str, str | Sequence[str]]
    """Of several values each request has another."""
    method: str = "GET"
    body: bytes = b""


class Sample(msgspec.Struct, frozen=True):
    """One short run against one contender."""

    cpu_us: float
    """CPU time of the proxy per request, in µs; neighbours on the machine hardly change it."""
    per_second: float
    p50_ms: float
    p99_ms: float


class Turn(msgspec.Struct, frozen=True):
    """Requests for one of two hosts, right after as many for the other."""

    cpu_us: float
    """CPU time of the proxy per request, in µs."""
    per_second: float


class _Turns(msgspec.Struct):
    """What the wrk script of turns prints at its end."""

    failed: int
    requests: int
    """Of each turn."""
    turns: list[tuple[int, int]]
    """CPU time and time, in ns."""


class _Told(msgspec.Struct):
    """What the wrk script prints at its end."""

    requests: int
    us: int
    refused: int
    errors: int
    p50_us: int
    p99_us: int


def run(pid: int, port: int, *, routes: int, seconds: float, headers: Mapping[str, str]) -> Sample:
    """Ask for random ones of `routes` paths for some seconds.

    Raises RuntimeError when an answer was not a 2xx or 3xx, or a connection failed: such a run measures nothing.
    """
    before = cpu_ns(pid)
    said = _wrk(SCRIPT, port, seconds, [str(routes)], headers)
    spent = cpu_ns(pid) - before
    told = msgspec.json.decode(said, type=_Told)
    if told.refused or told.errors or not told.requests:
        raise RuntimeError(f"port {port}: {told.refused} answers were refusals, {told.errors} errors: {said}")
    return Sample(
        cpu_us=spent / 1000 / told.requests,
        per_second=told.requests / told.us * 1e6,
        p50_ms=told.p50_us / 1000,
        p99_ms=told.p99_us / 1000,
    )


def in_turns(peer: Peer, hosts: tuple[str, str], asked: Asked, seconds: float) -> list[Turn]:
    """Ask the same of two hosts for some seconds, in short turns, of which the first is the first host's.

    From one turn to the next the machine hardly changes, whatever its neighbours do. Raises RuntimeError when an answer
    was not a 2xx or 3xx, a connection failed, or there was no time for three turns: such a run measures nothing.
    """
    words = [str(peer.pid), str(CONNECTIONS), *hosts, asked.method, asked.path, asked.body.hex()]
    told = msgspec.json.decode(_wrk(TURNS, peer.port, seconds, words, asked.headers), type=_Turns)
    if told.failed:
        raise RuntimeError(f"port {peer.port}: {told.failed} answers for {hosts} were refusals or errors")
    if len(told.turns) < 3:
        raise RuntimeError(f"{seconds} s were too short for three turns of {told.requests} requests for {hosts}")
    return [Turn(cpu / 1000 / told.requests, told.requests / time * 1e9) for cpu, time in told.turns]


def _wrk(
    script: Path, port: int, seconds: float, words: Sequence[str], headers: Mapping[str, str | Sequence[str]]
) -> str:
    """The last line that wrk prints after loading a port with a script."""
    command = [
        *("taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"),
        *("-s", str(script), f"http://127.0.0.1:{port}", "--", *words),
        *(word for name, own in headers.items() for value in _several(own) for word in (name, value)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    return done.stdout.splitlines()[-1]


def _several(values: str | Sequence[str]) -> Sequence[str]:
    return (values,) if isinstance(values, str) else values


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far, in ns (proc(5), /proc/<pid>/task/<tid>/schedstat)."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in _tasks(pid))


def pin(pid: int, core: int) -> None:
    """Have all threads of a process run on one core."""
    for task in _tasks(pid):
        os.sched_setaffinity(int(task.name), {core})


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())
