"""What the module has counted, as the node's agent reads it; `traffic_file.c` says how it lies there."""

import mmap
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gatefleet.errors import Invalid
from gatefleet.figures import FIELDS, Figures, total

PREFIX: Final = "traffic."
MAGIC: Final = b"GFTRAF01"
OTHERS: Final = "*"
"""What is counted for names that found no room."""
_HEAD: Final = 4096
_SHAPE: Final = struct.Struct("=4Q")
_ACTIVE: Final = 64
_SPAN: Final = 128
"""Where the agent keeps its `Span`; the module leaves it alone."""
_SPAN_OF: Final = struct.Struct("=Qdd")
_WATCHED: Final = 68
_SHOWN: Final = 1024
_LANE: Final = struct.Struct("=II")
_PLACES: Final = 64, 4096 * 2
"""Where in a lane they begin, and their bytes."""
_NAMES: Final = _PLACES[0] + _PLACES[1]
_COUNTED: Final = struct.Struct(f"={len(FIELDS)}QQH182s")
_SIZE: Final = struct.Struct("=H")
_SAMPLE: Final = struct.Struct("=5Q")
_FIXED: Final = 2
"""The names that are always there: other routes, other consumers."""

Name = tuple[str, str, str]
"""`r` for routes or `c` for consumers, the service's id, and the route's or consumer's; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """How far a file is told, for the agent that takes over from another. Times in Unix seconds."""

    seq: int = 0
    """The number of the report that was begun last."""
    began: float = 0.0
    """When counting began of what is not told yet."""
    frozen: float = 0.0
    """When the half that is not active was frozen, which waits to be told; 0: it is empty."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request; `at` in microseconds since 1970."""

    at: int
    latency_us: int
    bytes_in: int
    bytes_out: int
    status: int
    service: str
    route: str
    consumer: str
    method: str
    host: str
    path: str
    upstream: str
    details: str
    plugin: str = ""
    """The plugin whose script has answered; of a watched request only."""


class TrafficFile:
    """The file of one Envoy process."""

    def __init__(self, path: Path, shared: mmap.mmap) -> None:
        self.path = path
        self._shared = shared
        self._lanes, self._lane_size, self._most, self._room = _SHAPE.unpack_from(shared, len(MAGIC))
        whole = _HEAD + 2 * self._lanes * self._lane_size
        named = re.fullmatch(r"traffic\.\d+\.\d+", path.name)
        if not named or whole != len(shared) or self._lane_size != _NAMES + self._most * _COUNTED.size + self._room:
            self.close()
            raise Invalid(f"[{path.name}] is not a file of this version's native module")

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """The file; None while it is being made, or when it is gone. Invalid for what is no such file."""
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(file).st_size <= _HEAD or os.pread(file, len(MAGIC), 0) != MAGIC:
                return None
            return cls(path, mmap.mmap(file, 0))
        finally:
            os.close(file)

    @property
    def run(self) -> str:
        """What names this process among all of a node."""
        return self.path.name.removeprefix(PREFIX)

    @property
    def made(self) -> float:
        """When it was made, in Unix seconds."""
        return int(self.run.partition(".")[2]) / 1e9

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return Path(f"/proc/{self.run.partition('.')[0]}").exists()

    @property
    def span(self) -> Span:
        return Span(*_SPAN_OF.unpack_from(self._shared, _SPAN))

    @span.setter
    def span(self, span: Span) -> None:
        self._shared[_SPAN : _SPAN + _SPAN_OF.size] = _SPAN_OF.pack(span.seq, span.began, span.frozen)

    def flip(self) -> None:
        """Have requests counted in the other half, which must be empty; some may still be writing to the first."""
        self._shared[_ACTIVE : _ACTIVE + 4] = struct.pack("=I", self._frozen())

    def watch(self, port: int) -> int:
        """Have the request shown that comes from this port of the machine, 0: none; how many were shown before."""
        self._shared[_WATCHED : _WATCHED + 4] = struct.pack("=I", port)
        return self._shown()[0]

    def shown(self, before: int) -> Sample | None:
        """The watched request, once it is over and one more is shown than there were before."""
        count, size = self._shown()
        begin = _SHOWN + _LANE.size
        return _sample(self._shared[begin : begin + size]) if count != before else None

    def _shown(self) -> tuple[int, int]:
        count, size = _LANE.unpack_from(self._shared, _SHOWN)
        return int(count), int(size)

    def figures(self) -> Mapping[Name, Figures]:
        """What was counted in the half that is not active."""
        found: dict[Name, list[Figures]] = {}
        for lane in self._lanes_of(self._frozen()):
            for name, one in self._counted(lane):
                found.setdefault(name, []).append(one)
        return {name: total(parts) for name, parts in found.items()}

    def samples(self) -> Iterator[Sample]:
        """The single requests that were kept in it."""
        for lane in self._lanes_of(self._frozen()):
            at = lane + _NAMES + self._most * _COUNTED.size
            end = at + min(_LANE.unpack_from(self._shared, lane)[1], self._room)
            while at + _SIZE.size <= end and (size := _SIZE.unpack_from(self._shared, at)[0]):
                yield _sample(self._shared[at + _SIZE.size : at + _SIZE.size + size])
                at += _SIZE.size + size

    def empty(self) -> None:
        """Make room in it for what comes, once what was there is where it belongs."""
        for lane in self._lanes_of(self._frozen()):
            used = lane + _NAMES + self._used(lane) * _COUNTED.size
            samples = lane + _NAMES + self._most * _COUNTED.size
            self._zero(lane + _PLACES[0], used)
            self._zero(samples, samples + min(_LANE.unpack_from(self._shared, lane)[1], self._room))
            self._zero(lane, lane + _LANE.size)

    def close(self) -> None:
        self._shared.close()

    def _frozen(self) -> int:
        """The half that is not active."""
        active: int = _SIZE.unpack_from(self._shared, _ACTIVE)[0]
        return 1 - (active & 1)

    def _lanes_of(self, half: int) -> Iterator[int]:
        first = _HEAD + half * self._lanes * self._lane_size
        return iter(range(first, first + self._lanes * self._lane_size, self._lane_size))

    def _used(self, lane: int) -> int:
        """Names of a lane, with the fixed ones."""
        return min(_FIXED + int(_LANE.unpack_from(self._shared, lane)[0]), self._most)

    def _counted(self, lane: int) -> Iterator[tuple[Name, Figures]]:
        for number in range(self._used(lane)):
            *figures, _, size, text = _COUNTED.unpack_from(self._shared, lane + _NAMES + number * _COUNTED.size)
            if any(figures):
                yield _name(number, text[:size]), tuple(figures)

    def _zero(self, begin: int, end: int) -> None:
        self._shared[begin:end] = bytes(end - begin)


def _name(number: int, text: bytes) -> Name:
    if number < _FIXED:
        return "rc"[number], "", OTHERS
    service, _, name = _text(text[1:]).partition("/")
    return chr(text[0]), service, name


def _sample(body: bytes) -> Sample:
    numbers: tuple[int, ...] = _SAMPLE.unpack_from(body)
    texts: list[str] = []
    at = _SAMPLE.size
    while at < len(body):
        (size,) = _SIZE.unpack_from(body, at)
        at += _SIZE.size + size
        texts.append(_text(body[at - size : at]))
    service, _, route = texts[0].partition("/")
    at_us, latency_us, bytes_in, bytes_out, status = numbers
    consumer, method, host, path, upstream, details, *plugin = texts[1:]
    return Sample(
        at=at_us,
        latency_us=latency_us,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        status=status,
        service=service,
        route=route,
        consumer=consumer,
        method=method,
        host=host,
        path=path,
        upstream=upstream,
        details=details,
        plugin="".join(plugin),
    )


def _text(given: bytes) -> str:
    """PostgreSQL takes no NUL."""
    return given.decode(errors="replace").replace("\0", "")
