"""Ports for the servers of tests: free, below those the kernel gives to clients, and no other test process's."""

import fcntl
import os
import secrets
import socket
from collections.abc import Collection
from functools import cache
from pathlib import Path
from tempfile import gettempdir

LOWEST, HIGHEST = 10_000, 32_000
_ours: set[int] = set()


def free_ports(count: int) -> list[int]:
    """So many free ports of 127.0.0.1, by TCP and UDP; they stay ours until this process ends."""
    return [free_port() for _ in range(count)]


def free_port() -> int:
    """One free port."""
    while True:  # not by `random`, which Hypothesis seeds alike in every process
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if take((port,)):
            return port


def take(ports: Collection[int]) -> bool:
    """Whether nobody has these ports; then they are ours."""
    if not all(_is_free(port) and _lock(port) for port in ports):
        return False
    _ours.update(ports)
    return True


def _is_free(port: int) -> bool:
    if port in _ours:
        return False
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _lock(port: int) -> bool:
    """Between a look at a port and its use another process may look, too: each port is a byte of one file."""
    try:
        fcntl.lockf(_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    return True


@cache
def _file() -> int:
    path = Path(gettempdir()) / f"gatefleet-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
