"""Series of the requests that the plugin prometheus marks, as the agent reads them; `series.c` says how they lie."""

import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Final

from gatefleet.errors import Invalid

NAME: Final = "series"
MAGIC: Final = b"GFSERI01"
_BOUNDS: Final = 15
_CODES: Final = 24
_HEAD: Final = struct.Struct(f"=8sQ4I{_BOUNDS}I")
_COUNTS: Final = 128, struct.Struct("=QQ")
"""Where in the head they are: bytes of series, requests that found no room."""
_SERIES: Final = struct.Struct(f"=IHHQ3Q{2 * (_BOUNDS + 2)}Q{_CODES}Q{_CODES}H")
_FIRST: Final = 4096 + 4 * 32768
OTHER: Final = "other"
"""The code under which answers are counted when a series has too many codes."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests took."""

    us: int
    """All of them together, in microseconds."""
    buckets: Sequence[tuple[float, int]]
    """Upper bounds in milliseconds, the last one infinite, each with how many took no longer."""

    @property
    def count(self) -> int:
        return self.buckets[-1][1]


@dataclass(frozen=True, slots=True)
class Series:
    """What was counted under one name for one consumer."""

    of: str
    """Service and route as one: the service's length, a colon, both."""
    consumer: str
    """Empty: none."""
    bytes_in: int
    bytes_out: int
    codes: Mapping[str, int]
    """Requests by the status of their answers; "0" for those whose clients left before."""
    request: Latency
    upstream: Latency
    """From the request's last byte to the answer's first; none where no upstream has answered."""

    @property
    def service(self) -> str:
        size, both = self._parts
        return both[:size]

    @property
    def route(self) -> str:
        size, both = self._parts
        return both[size:]

    @property
    def _parts(self) -> tuple[int, str]:
        length, _, both = self.of.partition(":")
        return int(length) if length.isdecimal() else 0, both


@dataclass(frozen=True, slots=True)
class Counted:
    """All series of an Envoy."""

    series: Sequence[Series] = ()
    lost: int = 0
    """Requests that found no room in any."""


def read(run_dir: Path, process: int | None) -> Counted:
    """What this Envoy has counted; nothing while it did not begin. Invalid for what is no such file, OSError."""
    try:
        file = os.open(run_dir / NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Counted()
    try:
        if os.fstat(file).st_size < _FIRST or os.pread(file, len(MAGIC), 0) == bytes(len(MAGIC)):
            return Counted()  # it is being made
        with mmap.mmap(file, 0, prot=mmap.PROT_READ) as shared:
            return _counted(shared, process)
    finally:
        os.close(file)


def _counted(shared: mmap.mmap, process: int | None) -> Counted:
    magic, owner, *shape = _HEAD.unpack_from(shared)
    if (magic, *shape[:4]) != (MAGIC, _FIRST, _SERIES.size, _CODES, _BOUNDS):
        raise Invalid(f"[{NAME}] is not a file of this version's native module")
    if owner != process:
        return Counted()  # of an Envoy before
    used, lost = _COUNTS[1].unpack_from(shared, _COUNTS[0])
    return Counted(tuple(_all(shared, used, (*map(float, shape[4:]), inf))), lost)


def _all(shared: mmap.mmap, used: int, bounds: Sequence[float]) -> Iterator[Series]:
    at, end = _FIRST, _FIRST + used
    while at < end:
        if end > len(shared) or end - at < _SERIES.size:
            raise Invalid(f"[{NAME}] ends before its series do")
        size, of, consumer, _, *numbers = _SERIES.unpack_from(shared, at)
        middle = at + _SERIES.size + of
        if middle + consumer > at + size or at + size > end:
            raise Invalid(f"[{NAME}] has a series that does not end where it should")
        names = _text(shared[middle - of : middle]), _text(shared[middle : middle + consumer])
        yield _one(*names, numbers, bounds)
        at += size


def _one(of: str, consumer: str, numbers: Sequence[int], bounds: Sequence[float]) -> Series:
    bytes_in, bytes_out, other = numbers[:3]
    middle, end = 3 + 1 + len(bounds), 3 + 2 * (1 + len(bounds))
    counts, codes = numbers[end : end + _CODES], numbers[end + _CODES :]
    known = {str(code - 1): count for code, count in sorted(zip(codes, counts, strict=True)) if count}
    return Series(
        of=of,
        consumer=consumer,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        codes=known | ({OTHER: other} if other else {}),
        request=_latency(numbers[3:middle], bounds),
        upstream=_latency(numbers[middle:end], bounds),
    )


def _latency(numbers: Sequence[int], bounds: Sequence[float]) -> Latency:
    us, *buckets = numbers
    return Latency(us, tuple(zip(bounds, accumulate(buckets), strict=True)))


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
