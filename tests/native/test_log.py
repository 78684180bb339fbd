"""The module's log under the sanitizers, read as the agent reads it: whatever clients send, entries are JSON."""

import json
import subprocess
from pathlib import Path

import pytest
from native.kit import compiled

from gatefleet.native.ring import Ring


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("log") / "log", "log.c", "host.c")


def write(logs: Path, run_dir: Path, count: int, size: int) -> None:
    command = [str(logs), str(run_dir), str(count), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


def opened(run_dir: Path) -> Ring:
    ring = Ring.open(run_dir)
    assert ring
    return ring


def test_entries_are_json_whatever_clients_send(logs: Path, tmp_path: Path) -> None:
    assert Ring.open(tmp_path) is None
    write(logs, tmp_path, 300, 400)
    ring = opened(tmp_path)
    found = ring.take(1000)
    assert len(found) == 300
    for sink, entry in found:
        assert json.loads(sink) == {"kind": "test"}
        read = json.loads(entry.decode())  # strict UTF-8
        assert read.keys() == {"headers", "in", "body", "one"}
        assert set(read["in"]) == {"two", "query", "uri"}
        assert read["headers"]["twice"] == ["a", "b"]
    assert ring.take(1000) == []
    assert ring.lost == 0
    ring.close()


def test_a_full_ring_loses_and_counts_and_goes_on(logs: Path, tmp_path: Path) -> None:
    kept = 0
    for turn in range(1, 4):
        write(logs, tmp_path, 120, 150_000)  # more than the ring holds: it wraps around in each turn
        ring = opened(tmp_path)
        found = [entry for part in iter(lambda: ring.take(7), []) for entry in part]  # noqa: B023 - used at once
        kept += len(found)
        assert 0 < len(found) < 120
        assert kept + ring.lost == 120 * turn
        assert all(json.loads(entry.decode())["one"] == 1 for _, entry in found)
        ring.close()
