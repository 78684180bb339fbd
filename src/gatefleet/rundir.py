"""Short private directories for sockets and shared tables: unix socket paths end at 107 bytes."""

import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gatefleet.errors import GatefleetError

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (the very place we mean; the directory inside is 0700 and ours)


def private_dir(purpose: str, of: Path, *, room: int = 0, owner: int | None = None) -> Path:
    """A directory of mode 0700, named after `purpose` and the directory `of`, so that a restart finds it again.

    A new one lies in shared memory when `room` bytes are wanted and free there, else in the user's runtime directory
    or in /tmp. `owner` is the user id it belongs to (default: ours). Raises GatefleetError when no place will do.
    """
    if found := find(purpose, of, owner=owner):
        return found
    name, uid = _name(purpose, of, owner)
    places = [p for p in _places(own=owner is None) if p != SHARED_MEMORY or 0 < room <= _free(p)]
    for place in places:
        if made := _make(place / name, uid):
            return made
    raise GatefleetError(f"cannot make the directory [{name}] in any of {[str(p) for p in places]}: make one writable")


def find(purpose: str, of: Path, *, owner: int | None = None) -> Path | None:
    """The directory that `private_dir` made, if it is there and still private."""
    name, uid = _name(purpose, of, owner)
    return next((p / name for p in _places(own=owner is None) if _is_ours(p / name, uid)), None)


def remove(directory: Path) -> None:
    """Remove a private directory with everything in it."""
    shutil.rmtree(directory, ignore_errors=True)


def _name(purpose: str, of: Path, owner: int | None) -> tuple[str, int]:
    uid = os.geteuid() if owner is None else owner
    return f"gatefleet-{purpose}-{hashlib.sha256(f'{uid}:{of.resolve()}'.encode()).hexdigest()[:12]}", uid


def _places(*, own: bool) -> Sequence[Path]:
    runtime = [Path(os.environ["XDG_RUNTIME_DIR"])] if own and "XDG_RUNTIME_DIR" in os.environ else []
    return [
        SHARED_MEMORY,
        *(p for p in runtime if len(str(p)) < 40),
        Path("/tmp"),  # noqa: S108  (checked to be ours and 0700 before use)
    ]


def _free(place: Path) -> int:
    try:
        found = os.statvfs(place)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _is_ours(directory: Path, uid: int) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700


def _make(directory: Path, uid: int) -> Path | None:
    try:
        directory.mkdir(mode=0o700)
        if uid != os.geteuid():
            os.chown(directory, uid, -1)
    except OSError:
        return None
    return directory
