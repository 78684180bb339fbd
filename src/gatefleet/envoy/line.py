"""Envoys that follow each other in one place: which runs there, and how the next takes over its ports without a gap.

The next one asks the present one for its listening sockets, serves as soon as it has its whole configuration, and only
then tells the other to stop taking connections (Envoy's documentation, "Hot restart").
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gatefleet.envoy.running import Birth
from gatefleet.files import write_private

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (where Envoy itself keeps a few bytes under the number we choose)
ALONE: Final = ("--disable-hot-restart",)
"""What an Envoy is started with that gives its ports to nobody: nothing of it is left in shared memory."""


class Note(msgspec.Struct, frozen=True):
    """What is known of the Envoy in a place."""

    birth: Birth
    purpose: str
    """A fingerprint of its command, environment and configuration: one started differently is replaced."""
    epoch: int
    """Which in the line it is, from 0; -1: it gives its ports to nobody."""
    before: Birth | None = None
    """The Envoy whose ports it takes over."""


@dataclass(frozen=True, slots=True)
class Line:
    """A place for Envoys: a private directory with a short path, the same for all of them."""

    directory: Path

    @property
    def joins(self) -> bool:
        """Whether an Envoy here can give its ports to the next: it needs shared memory for that."""
        return os.access(SHARED_MEMORY, os.W_OK)

    def options(self, epoch: int, seconds: float) -> Sequence[str]:
        """What an Envoy is started with to be number `epoch`; the one before gets so many seconds after it took over.

        Counters begin anew, as after any restart: who reads them tells one Envoy's from another's.
        """
        if not self.joins:
            return ALONE
        return (
            *("--base-id", str(self._number), "--restart-epoch", str(epoch), "--skip-hot-restart-parent-stats"),
            *("--socket-path", str(self.directory / "hot"), "--socket-mode", "600"),
            *("--parent-shutdown-time-s", str(max(1, round(seconds)))),
        )

    def read(self) -> Note | None:
        """The note of who was here last."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Note)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, note: Note) -> None:
        """Raises OSError."""
        write_private(self._file, msgspec.json.encode(note))

    def forget(self) -> None:
        """Remove what Envoys leave in shared memory; for when none runs here any more."""
        (SHARED_MEMORY / f"envoy_shared_memory_{self._number}0").unlink(missing_ok=True)

    @property
    def _number(self) -> int:
        """Envoy multiplies it by ten and keeps that in 32 bits."""
        return int.from_bytes(hashlib.sha256(bytes(self.directory)).digest()[:4]) >> 4

    @property
    def _file(self) -> Path:
        return self.directory / "envoy.json"
