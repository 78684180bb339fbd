"""Writes the tables the module reads: immutable files of bytes -> bytes, made current by a generation number."""

import contextlib
import mmap
import os
import struct
from array import array
from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

TABLES = ("hosts", "consumers")
CONTROL = "tables.ctl"
_CONTROL_MAGIC = b"GFCTRL01"
_TABLE_MAGIC = b"GFTABLE1"
_CONTROL_SIZE = 4096
_WORDS_PER_LINE = 8
_BITS_MAX = 28
_PAIR = struct.Struct("<II")
_RECORD = struct.Struct("<III")


class Tables:
    """The tables of one run directory; one writer at a time, any number of Envoys reading."""

    def __init__(self, run_dir: Path) -> None:
        """Opens or makes the control file; generations go on where they were. Raises OSError."""
        self._dir = run_dir
        self._control = _open_control(run_dir / CONTROL)
        self._words = memoryview(self._control).cast("Q")

    def write(self, name: str, entries: Mapping[bytes, bytes]) -> None:
        """Makes `entries` the content of table `name` ("hosts" or "consumers"), at once for the next request.

        Raises OSError; the table is then as it was.
        """
        generation = self.generation(name) + 1
        path = self._dir / f"{name}.{generation}.tbl"
        part = path.with_suffix(".part")
        try:
            with open(part, "wb", opener=_private) as file:
                file.write(table_bytes(entries))
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._words[self._word(name)] = generation
        self._sweep(name, path)

    def generation(self, name: str) -> int:
        """Number of times the table was written in this run directory."""
        return self._words[self._word(name)]

    def close(self) -> None:
        """Gives the control file back; Envoy keeps what it has mapped."""
        self._words.release()
        self._control.close()

    def _word(self, name: str) -> int:
        return _WORDS_PER_LINE * (1 + TABLES.index(name))

    def _sweep(self, name: str, keep: Path) -> None:
        for pattern in (f"{name}.*.tbl", f"{name}.*.part"):
            for old in self._dir.glob(pattern):
                if old != keep:
                    with contextlib.suppress(FileNotFoundError):
                        old.unlink()


def table_bytes(entries: Mapping[bytes, bytes]) -> bytes:
    """A table file: see `table.c` for the format. Raises ValueError past 4 GB."""
    bits = min(_BITS_MAX, max(0, (len(entries) - 1).bit_length()))
    mask = (1 << bits) - 1
    heads = [0] * (1 << bits)
    prefix = _TABLE_MAGIC + _PAIR.pack(len(entries), bits)
    at = len(prefix) + 4 * len(heads)
    records: list[bytes] = []
    head = _RECORD.pack
    for key, value in entries.items():  # a hot loop: 100,000 turns for a big fleet's consumers
        bucket = crc32(key) & mask
        records.append(head(heads[bucket], len(key), len(value)) + key + value)
        heads[bucket] = at
        at += 12 + len(key) + len(value)
        if at >= 1 << 32:
            raise ValueError("a table cannot hold 4 GB")
    return b"".join((prefix, array("I", heads).tobytes(), *records))


def _open_control(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(file, 0, _CONTROL_SIZE)
        control = mmap.mmap(file, _CONTROL_SIZE)
    finally:
        os.close(file)
    control[: len(_CONTROL_MAGIC)] = _CONTROL_MAGIC
    return control


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
