"""Load on one port by wrk, and what the process behind it spent on each request."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

SCRIPT: Final = Path(__file__).with_name("requests.lua")
CORES: Final = sorted(os.sched_getaffinity(0))
PROXY_CORE: Final = CORES[0]
"""Where what is measured runs, alone; everything else of the load runs on the last core."""
LOAD_CORE: Final = CORES[-1]
CONNECTIONS: Final = 32


class Sample(msgspec.Struct, frozen=True):
    """One short run against one contender."""

    cpu_us: float
    """CPU time of the proxy per request, in µs; neighbours on the machine hardly change it."""
    per_second: float
    p50_ms: float
    p99_ms: float


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
    command = [
        *("taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"),
        *("-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", str(routes)),
        *(word for pair in headers.items() for word in pair),
    ]
    before = cpu_ns(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    spent = cpu_ns(pid) - before
    told = msgspec.json.decode(done.stdout.splitlines()[-1], type=_Told)
    if told.refused or told.errors or not told.requests:
        raise RuntimeError(f"port {port}: {told.refused} answers were refusals, {told.errors} errors: {done.stdout}")
    return Sample(
        cpu_us=spent / 1000 / told.requests,
        per_second=told.requests / told.us * 1e6,
        p50_ms=told.p50_us / 1000,
        p99_ms=told.p99_us / 1000,
    )


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far, in ns (proc(5), /proc/<pid>/task/<tid>/schedstat)."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in _tasks(pid))


def pin(pid: int, core: int) -> None:
    """Have all threads of a process run on one core."""
    for task in _tasks(pid):
        os.sched_setaffinity(int(task.name), {core})


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())
