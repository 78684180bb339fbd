"""The ring of log entries that the module writes, as the node's agent reads it; `log_ring.c` says what is in it."""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from gatefleet.errors import Invalid

NAME: Final = "logs.ring"
MAGIC: Final = b"GFLOGS01"
_HEAD: Final = 4096
_ELSEWHERE: Final = 0xFFFFFFFF
_SIZES: Final = struct.Struct("=II")
_WRITTEN, _READ, _LOST = 64 // 8, 128 // 8, 192 // 8

Entry = tuple[bytes, bytes]
"""The sink it is for, and the entry; both JSON."""


class Ring:
    """What was written and not read yet. One reader at a time."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = shared
        self._words = memoryview(shared).cast("Q")
        self._size = self._words[1]
        if self._size + _HEAD > len(shared) or self._size == 0:
            self.close()
            raise Invalid(f"the ring of log entries says that it has {self._size} bytes, and has {len(shared)}")

    @classmethod
    def open(cls, run_dir: Path) -> Self | None:
        """The ring of this run directory; None while nothing was ever logged. Invalid for a file that is no ring."""
        try:
            file = os.open(run_dir / NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(file).st_size <= _HEAD or os.pread(file, len(MAGIC), 0) != MAGIC:
                return None  # it is being made
            return cls(mmap.mmap(file, 0))
        finally:
            os.close(file)

    @property
    def lost(self) -> int:
        """Entries that found no room, since the file was made."""
        return self._words[_LOST]

    def take(self, most: int) -> list[Entry]:
        """The next entries, `most` at most; they are gone from the ring then."""
        found: list[Entry] = []
        read, written = self._words[_READ], self._words[_WRITTEN]
        for entry, end in self._between(read, written):
            found.append(entry)
            read = end
            if len(found) == most:
                break
        self._words[_READ] = read if found else written
        return found

    def close(self) -> None:
        self._words.release()
        self._shared.close()

    def _between(self, read: int, written: int) -> Iterator[tuple[Entry, int]]:
        """Entries and where each ends."""
        while read < written:
            at = _HEAD + read % self._size
            whole, sink = _SIZES.unpack_from(self._shared, at)
            if whole == _ELSEWHERE:
                read += self._size - read % self._size
                continue
            middle = at + 8 + sink
            entry = (self._shared[at + 8 : middle], self._shared[middle : at + 4 + whole])
            read += 4 + whole + (-(4 + whole)) % 8
            yield entry, read
