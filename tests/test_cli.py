"""The command line: made from the settings classes, errors in one line."""

import asyncio
import subprocess
import sys

import pytest
from pydantic_settings import BaseSettings
from sqlalchemy import insert
from typer.testing import CliRunner

from gatefleet import VERSION
from gatefleet.cli import app
from gatefleet.settings import (
    AdminSettings,
    BackupSettings,
    BackupsSettings,
    DpmSettings,
    MigrateSettings,
    NodeSettings,
    UpSettings,
)
from gatefleet.store import Store, audit
from gatefleet.store.tables import audit_log

ROLES: dict[str, type[BaseSettings]] = {
    "up": UpSettings,
    "admin": AdminSettings,
    "dpm": DpmSettings,
    "node": NodeSettings,
    "backup": BackupSettings,
    "backups": BackupsSettings,
    "migrate": MigrateSettings,
}


def gatefleet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatefleet", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"COLUMNS": "400", **environment}
    )


def test_it_knows_its_version() -> None:
    assert gatefleet("version").stdout.strip() == VERSION


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_is_an_option_and_a_variable(role: str) -> None:
    told = CliRunner().invoke(app, [role, "--help"], env={"COLUMNS": "400"}).output
    prefix = str(ROLES[role].model_config.get("env_prefix"))
    for name, field in ROLES[role].model_fields.items():
        assert f"--{name.replace('_', '-')} " in told
        assert f"({prefix}{name.upper()})" in told
        assert field.description
        assert "\n" not in field.description


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("admin",), "gatefleet: --dsn (GATEFLEET_ADMIN_DSN): Field required"),
        (("node", "--port-offset", "many"), "--port-offset (GATEFLEET_NODE_PORT_OFFSET): Input should be a valid int"),
        (("up", "--port-offset", "-1"), "--port-offset (GATEFLEET_UP_PORT_OFFSET): Input should be greater"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    done = gatefleet(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_done_is_one_line_and_exit_code_1() -> None:
    done = gatefleet("migrate", "--dsn", "postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stderr.startswith("gatefleet: ")
    assert done.stderr.count("\n") == 1


def test_lists_are_written_with_commas() -> None:
    done = gatefleet("dpm", "--dsn", "x", "--encryption-key-file", "/none", "--names", "a,b", "--http-port", "wrong")
    assert "--http-port" in done.stderr
    assert "--names" not in done.stderr


@pytest.mark.anyio
async def test_the_audit_log_is_verified_against_a_seal_kept_elsewhere(store: Store, dsn: str) -> None:
    async with store.transaction() as connection:
        row = {"request_id": "r", "event_type": "e", "operator": "o", "source": "api", "method": "PUT", "path": "/"}
        await connection.execute(insert(audit_log).values(status=200, **row))
        await audit.seal(connection)
    done = await asyncio.to_thread(gatefleet, "audit", "verify", "--dsn", dsn)
    assert done.returncode == 0, done.stderr
    assert "1 rows in 1 segments" in done.stdout
    pin = done.stdout.split("--pin ")[1].strip()
    assert (await asyncio.to_thread(gatefleet, "audit", "verify", "--dsn", dsn, "--pin", pin)).returncode == 0
    wrong = await asyncio.to_thread(gatefleet, "audit", "verify", "--dsn", dsn, "--pin", f"1:{'0' * 64}")
    assert (wrong.returncode, "PROBLEM: segment 1 has another hash" in wrong.stdout) == (1, True)
