"""The module's counting under the sanitizers, read as the agent reads it: nothing is lost, nothing counted twice."""

import subprocess
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from native.kit import compiled

from gatefleet.figures import BOUNDS_MS, FIELDS, Figures, requests, total
from gatefleet.native.traffic import Name, TrafficFile

STATUSES = ("other", "other", "2xx", "3xx", "4xx", "5xx")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("traffic") / "traffic", "traffic.c", "host.c")


def begin(traffic: Path, run_dir: Path, *numbers: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([traffic, run_dir, *map(str, numbers)], stderr=subprocess.PIPE)


def opened(run_dir: Path) -> TrafficFile:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for path in run_dir.glob("traffic.*"):
            if file := TrafficFile.open(path):
                return file
        time.sleep(0.01)
    pytest.fail("nothing is counted")


def ended(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()[-4000:]


def expected(count: int, threads: int) -> Figures:
    """The sum that the program's requests have."""
    sums = Counter[str]()
    for number in range(count):
        took = number * number % 40_000_000
        sums[f"status_{STATUSES[number % 6]}"] += threads
        sums["bytes_in"] += threads * number
        sums["bytes_out"] += threads * 2 * number
        sums["latency_us"] += threads * took
        sums[f"bucket_{bisect_left(BOUNDS_MS, took / 1000)}"] += threads
    return tuple(sums[field] for field in FIELDS)


def of(kind: str, counted: Mapping[Name, Figures]) -> Figures:
    return total(figures for name, figures in counted.items() if name[0] == kind)


def test_every_request_counts_once_by_route_and_once_by_consumer(traffic: Path, tmp_path: Path) -> None:
    ended(begin(traffic, tmp_path, 3, 5000, 20, 0))
    file = opened(tmp_path)
    file.flip()
    counted = file.figures()
    assert of("r", counted) == of("c", counted) == expected(5000, 3)
    assert requests(counted["r", "s1", "r7"]) == 3 * len(
        [n for n in range(5000) if n % 60 == 7 and n % 11 and n % 5 != 4]
    )
    assert requests(counted["r", "", ""]) == 3 * len(range(0, 5000, 11))  # no route has served them
    assert requests(counted["r", "", "*"]) == 3 * len([n for n in range(5000) if n % 5 == 4 and n % 11])  # too long
    assert {name[2] for name in counted if name[0] == "c"} == {f"c{number}" for number in range(7)}
    assert not file.alive
    file.empty()
    assert not file.figures()
    assert not list(file.samples())
    file.close()


def test_names_that_find_no_room_are_counted_together(traffic: Path, tmp_path: Path) -> None:
    ended(begin(traffic, tmp_path, 2, 6000, 5000, 0))
    file = opened(tmp_path)
    file.flip()
    counted = file.figures()
    assert of("r", counted) == of("c", counted) == expected(6000, 2)
    assert len(counted) <= 2 * 2048
    file.close()


def test_nothing_is_lost_while_the_halves_are_told_in_turn(traffic: Path, tmp_path: Path) -> None:
    process = begin(traffic, tmp_path, 4, 20_000, 50, 50)
    file, seen = opened(tmp_path), list[Mapping[Name, Figures]]()
    while process.poll() is None:
        file.flip()
        time.sleep(0.3)
        seen.append(file.figures())
        file.empty()
    ended(process)
    for _ in range(2):
        file.flip()
        seen.append(file.figures())
        file.empty()
    assert len(seen) > 3
    for kind in "rc":
        assert total(of(kind, counted) for counted in seen) == expected(20_000, 4)
    file.close()


def test_the_request_of_a_watched_port_is_shown_and_no_other(traffic: Path, tmp_path: Path) -> None:
    process = begin(traffic, tmp_path, 1, 20_000, 20, 50)
    file = opened(tmp_path)
    before = file.watch(15)
    end = time.monotonic() + 20
    while (sample := file.shown(before)) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert sample
    assert (sample.plugin, sample.details, sample.path) == ("mocking", "via_upstream", "/a")
    assert sample.at % 1_000_000 == 0
    assert sample.latency_us % 1000 == 196  # 14, 1014, ... squared
    file.watch(0)
    ended(process)
    count = file.watch(0)
    assert count > before
    file.close()


def test_samples_are_few_and_hold_no_secrets(traffic: Path, tmp_path: Path) -> None:
    ended(begin(traffic, tmp_path, 1, 10_000, 20, 0))  # a thousand a second
    file = opened(tmp_path)
    file.flip()
    samples = list(file.samples())
    failed = [sample for sample in samples if sample.status in (0, 503)]
    assert 10 <= len(failed) <= 20
    assert 10 <= len(samples) - len(failed) <= 20
    assert {sample.path for sample in samples} == {"/a"}
    assert "secret" not in repr(samples)
    assert {sample.details for sample in samples} == {"via_upstream"}
    assert len({sample.at // 1_000_000 for sample in samples}) == 10
    file.close()
