"""What the module counts in series, under the sanitizers, is what the agent reads."""

import resource
import struct
import subprocess
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native.kit import compiled

from gatefleet.errors import Invalid
from gatefleet.native import series
from gatefleet.native.series import OTHER, Counted, Latency

BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, inf)
"""Milliseconds, as APISIX documents them."""
CODES = 24
ASKED = struct.Struct("=QQqqqIHH")


@dataclass(frozen=True, slots=True)
class Request:
    of: str = "2:s1r1"
    consumer: str = ""
    status: int = 200
    bytes_in: int = 0
    bytes_out: int = 0
    total: int = 1
    last_tx: int = -1
    first_rx: int = -1

    @property
    def packed(self) -> bytes:
        of, consumer = self.of.encode(), self.consumer.encode()
        numbers = (self.bytes_in, self.bytes_out, self.total, self.last_tx, self.first_rx, self.status)
        return ASKED.pack(*numbers, len(of), len(consumer)) + of + consumer

    @property
    def upstream(self) -> int:
        """Nanoseconds from the request's end to the answer's begin; below 0: no upstream has answered."""
        return self.first_rx - self.last_tx if 0 <= self.last_tx <= self.first_rx else -1


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("series") / "series", "series.c", "host.c")


def counted(program: Path, run_dir: Path, requests: Iterable[Request], *, threads: int = 1, most: int = -1) -> Counted:
    """What the agent reads once these requests are over; no file grows beyond `most` bytes."""
    told = run_dir / "requests"
    told.write_bytes(b"".join(request.packed for request in requests))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    process = subprocess.Popen(
        [program, run_dir, str(threads), told],
        stderr=subprocess.PIPE,
        restore_signals=False,  # which is where SIGXFSZ is ignored
        preexec_fn=limit,  # noqa: PLW1509  (no threads here)
    )
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()[-4000:]
    return series.read(run_dir, process.pid)


def latency(times: Sequence[int]) -> Latency:
    times = [time for time in times if time >= 0]
    found = Counter(bisect_left(BOUNDS, time / 1e6) for time in times)
    sums = accumulate(found[bucket] for bucket in range(len(BOUNDS)))
    return Latency(sum(time // 1000 for time in times), tuple(zip(BOUNDS, sums, strict=True)))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
TIMES = st.integers(0, 100_000_000_000) | st.sampled_from([round(b * 1e6) + d for b in BOUNDS[:-1] for d in (-1, 0, 1)])
REQUESTS = st.builds(
    Request,
    of=st.sampled_from(["2:s1r1", "2:s1r2", "0:"]) | NAMES,
    consumer=st.sampled_from(["", "jack"]) | NAMES,
    status=st.sampled_from([0, 200, 404, 503]) | st.integers(100, 599),
    bytes_in=st.integers(0, 1 << 40),
    bytes_out=st.integers(0, 1 << 40),
    total=TIMES | st.just(-1),
    last_tx=TIMES | st.just(-1),
    first_rx=TIMES | st.just(-1),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(REQUESTS, max_size=60), st.integers(1, 3))
def test_what_is_counted_is_what_is_read(program: Path, requests: Sequence[Request], threads: int) -> None:
    with TemporaryDirectory() as folder:
        found = counted(program, Path(folder), requests, threads=threads)
    groups: dict[tuple[str, str], list[Request]] = {}
    for request in requests * threads:
        groups.setdefault((request.of, request.consumer), []).append(request)
    assert found.lost == 0
    assert {(one.of, one.consumer) for one in found.series} == groups.keys()
    assert len(found.series) == len(groups)
    for one in found.series:
        those = groups[one.of, one.consumer]
        assert (one.bytes_in, one.bytes_out) == (sum(r.bytes_in for r in those), sum(r.bytes_out for r in those))
        codes = Counter(str(r.status) for r in those)
        kept = {code: count for code, count in one.codes.items() if code != OTHER}
        assert kept.items() <= codes.items()
        assert len(kept) == min(len(codes), CODES)
        assert sum(one.codes.values()) == len(those)
        assert one.request == latency([r.total for r in those])
        assert one.upstream == latency([r.upstream for r in those])


def test_a_series_with_too_many_codes_counts_the_rest_together(program: Path, tmp_path: Path) -> None:
    found = counted(program, tmp_path, [Request(status=200 + number % 30) for number in range(300)])
    assert found.series[0].codes == {**{str(200 + number): 10 for number in range(CODES)}, OTHER: 60}


def test_what_finds_no_room_is_told_and_what_has_a_series_goes_on(program: Path, tmp_path: Path) -> None:
    many = [Request(of=f"2:s1r{number}") for number in range(40_000)]
    found = counted(program, tmp_path, [*many, *many[:100], Request(of="2:s1" + "long" * 2000)])
    assert 20_000 < len(found.series) < 40_000
    assert found.lost == 40_001 - len(found.series)
    assert [sum(one.codes.values()) for one in found.series] == [2] * 100 + [1] * (len(found.series) - 100)
    assert (tmp_path / series.NAME).stat().st_size < 20 << 20


def test_a_full_disk_ends_nothing(program: Path, tmp_path: Path) -> None:
    found = counted(program, tmp_path, (Request(of=f"2:s1r{number}") for number in range(5000)), most=1 << 20)
    assert 1000 < len(found.series) < 5000
    assert found.lost == 5000 - len(found.series)


def test_ten_thousand_series_take_six_megabytes(program: Path, tmp_path: Path) -> None:
    requests = (Request(of=f"5:shop{n % 10}route-{n // 10}", consumer="jack") for n in range(10_000))
    assert len(counted(program, tmp_path, requests).series) == 10_000
    assert (tmp_path / series.NAME).stat().st_blocks * 512 < 6.5e6


def test_an_envoy_reads_as_new_until_it_has_a_file_of_its_own(program: Path, tmp_path: Path) -> None:
    assert series.read(tmp_path, 1) == Counted()
    assert counted(program, tmp_path, [Request()]).series
    assert series.read(tmp_path, 1) == Counted()
    assert [sum(one.codes.values()) for one in counted(program, tmp_path, [Request()]).series] == [1]


@pytest.mark.parametrize("harm", ["version", "torn", "shifted"])
def test_a_file_that_is_no_such_file_is_refused(program: Path, tmp_path: Path, harm: str) -> None:
    counted(program, tmp_path, [replace(Request(), of="2:s1r1"), Request(of="2:s1r2")])
    file = tmp_path / series.NAME
    whole = bytearray(file.read_bytes())
    process = struct.unpack_from("=Q", whole, 8)[0]
    match harm:
        case "version":
            whole[7] ^= 1
        case "torn":
            del whole[4096 + 4 * 32768 + 600 :]
        case _:
            struct.pack_into("=I", whole, 4096 + 4 * 32768, 3)
    file.write_bytes(whole)
    with pytest.raises(Invalid, match=r"\[series\]"):
        series.read(tmp_path, process)
