"""Become another program that gets a signal when its parent dies: `leash.py PARENT SIGNAL UID GID PROGRAM [ARGS]`.

Run as a script of its own, because the kernel's parent-death signal is set by the child after the fork, and
running Python between fork and exec is not safe in a process with threads. UID -1 keeps the user.
"""

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main(parent: int, death_signal: int, uid: int, gid: int, command: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)  # before prctl: changing the user clears the death signal
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # the parent died before the signal was armed
    os.execv(command[0], command)  # noqa: S606  (no shell is meant)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
