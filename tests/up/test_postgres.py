"""The embedded PostgreSQL: made once, back when killed, never with a port open."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from gatefleet.errors import Invalid
from gatefleet.up.children import spawn
from gatefleet.up.postgres import SYSTEM_HOME, Postgres, answering, make_database, program

pytestmark = pytest.mark.anyio


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory that every user can reach, as `up` makes one."""
    path = Path(tempfile.mkdtemp(prefix="gf-up-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def value(postgres: Postgres, query: str) -> object:
    link = await asyncpg.connect(postgres.dsn, timeout=30)
    try:
        return await link.fetchval(query)
    finally:
        await link.close()


async def eventually(postgres: Postgres, query: str, seconds: float = 60) -> object:
    ends = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await value(postgres, query)
        except (OSError, asyncpg.PostgresError):
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(0.02)


async def started(directory: Path) -> Postgres:
    postgres = Postgres(directory)
    await postgres.start()
    await make_database(postgres.cluster, 30)
    return postgres


async def test_data_outlives_kill_nine_and_a_second_start(directory: Path) -> None:
    postgres = await started(directory)
    await value(postgres, "create table kept as select 42 as answer")
    for _ in range(2):
        assert postgres.pid
        os.kill(postgres.pid, 9)
        assert await eventually(postgres, "select answer from kept") == 42
    await postgres.stop()
    assert await value_of_second_start(directory) == 42


async def value_of_second_start(directory: Path) -> object:
    postgres = await started(directory)
    try:
        return await value(postgres, "select answer from kept")
    finally:
        await postgres.stop()


async def test_it_listens_on_a_private_socket_only_and_wants_its_password(directory: Path) -> None:
    postgres = await started(directory)
    try:
        assert postgres.pid
        server = psutil.Process(postgres.pid)
        assert not [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert server.uids().real != 0
        private = (postgres.cluster.home, postgres.cluster.sockets, postgres.cluster.password_file)
        assert {path.stat().st_mode & 0o077 for path in private} == {0}
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.dsn, password="wrong", timeout=30)
    finally:
        await postgres.stop()


async def test_a_stale_pid_file_does_not_stop_it(directory: Path) -> None:
    postgres = await started(directory)
    await postgres.stop()
    mark = postgres.cluster.data / "postmaster.pid"
    mark.write_text(f"{os.getpid()}\n{postgres.cluster.data}\n")
    os.chown(mark, postgres.cluster.user.uid, postgres.cluster.user.gid)
    again = await started(directory)
    assert await value(again, "select 1") == 1
    await again.stop()


async def test_what_a_killed_up_left_is_replaced(directory: Path) -> None:
    making = await started(directory)
    await making.stop()
    left = await spawn(program(making.cluster))
    await answering(making.cluster, 30)
    again = await started(directory)
    assert again.pid not in (None, left.pid)
    assert await left.wait() == 0
    assert await value(again, "select 1") == 1
    await again.stop()


async def test_sessions_that_outlive_a_killed_server_do_not_keep_the_next_one_out(directory: Path) -> None:
    postgres = await started(directory)
    link = await asyncpg.connect(postgres.dsn, timeout=30)
    busy = asyncio.create_task(link.execute("do $$ begin loop end loop; end $$"))
    await asyncio.sleep(0.2)
    assert postgres.pid
    os.kill(postgres.pid, 9)
    assert await eventually(postgres, "select 1") == 1
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await busy
    await postgres.stop()


async def test_data_of_another_major_version_is_refused(directory: Path) -> None:
    postgres = await started(directory)
    await postgres.stop()
    (postgres.cluster.data / "PG_VERSION").write_text("99\n")
    with pytest.raises(Invalid, match="was made by PostgreSQL 99"):
        await Postgres(directory).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
async def test_where_the_system_user_cannot_go_its_data_lies_in_its_own_home(directory: Path) -> None:
    directory.chmod(0o700)
    postgres = await started(directory)
    try:
        assert postgres.cluster.home.parent == SYSTEM_HOME
        assert directory.stat().st_mode & 0o777 == 0o700
        assert Postgres(directory).cluster.home == postgres.cluster.home
        assert await value(postgres, "select 1") == 1
    finally:
        await postgres.stop()
        shutil.rmtree(postgres.cluster.home)
