"""The image's recipe, the Compose file and the systemd units: held by their own tools, and to our settings."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gatefleet.cli import app
from gatefleet.settings import AdminSettings, BackupSettings, DpmSettings, NodeSettings

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
SETTINGS: Final = {
    f"{kind.model_config.get('env_prefix')}{name.upper()}"
    for kind in (AdminSettings, BackupSettings, DpmSettings, NodeSettings)
    for name in kind.model_fields
}
OURS: Final = {"GATEFLEET_IMAGE", "GATEFLEET_HOST", "GATEFLEET_ENCRYPTION_KEY_FILE"}
"""Variables of the Compose file itself."""
UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))


def test_the_image_is_made_as_its_linter_wants_it() -> None:
    linter = Path(sys.prefix) / "bin" / "hadolint"
    done = subprocess.run(
        [linter, DEPLOY / "docker" / "Dockerfile"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout


def test_what_builds_the_dashboard_is_found_where_the_image_installs_it(tmp_path: Path) -> None:
    """The image's environment is not in the checkout."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (tmp_path / "dashboard").mkdir()
    command = [tmp_path / "tools" / "npm", "--version"]
    environment = {"PATH": "/usr/bin:/bin", "VENV": sys.prefix}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[0-9.]+\n", done.stdout)


@pytest.mark.parametrize("path", [*UNITS, DEPLOY / "docker/compose.yaml", DEPLOY / "docker/Dockerfile"], ids=str)
def test_every_setting_named_exists(path: Path) -> None:
    named = set(re.findall(r"GATEFLEET_[A-Z_]+", path.read_text()))
    assert named
    assert named <= SETTINGS | OURS


def test_the_compose_file_names_only_what_it_has() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= compose["services"].keys()
        assert set(service.get("secrets", [])) <= compose["secrets"].keys()
        assert {each.split(":")[0] for each in service.get("volumes", [])} <= compose["volumes"].keys()
    roles = [service["command"][0] for service in compose["services"].values() if "command" in service]
    assert roles == ["migrate", "admin", "dpm", "node"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """With the command where this test's is: everything else as shipped."""
    command = Path(sys.prefix) / "bin" / "gatefleet"
    (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/gatefleet/bin/gatefleet", str(command)))
    analyse = shutil.which("systemd-analyze")
    assert analyse, "systemd is missing: run `make install-dev` as root"
    done = subprocess.run(
        [analyse, "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, timeout=30, check=False
    )
    assert unit.name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_there_is(unit: Path) -> None:
    role = unit.stem.removeprefix("gatefleet-")
    commands = re.findall(r"^ExecStart(?:Pre)?=/opt/gatefleet/bin/gatefleet (.+)$", unit.read_text(), re.MULTILINE)
    assert commands[-1] == role
    assert set(commands) <= {command.name for command in app.registered_commands}


def test_a_crashed_agent_leaves_what_the_next_one_needs(tmp_path: Path) -> None:
    """Its Envoy, and the directory that it is found by; the unit's user is one that systemd makes from our file."""
    unit = (DEPLOY / "systemd" / "gatefleet-node.service").read_text()
    told = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert (told["KillMode"], told["OOMPolicy"], told["RuntimeDirectoryPreserve"]) == ("process", "continue", "restart")
    assert told.keys().isdisjoint({"DynamicUser", "RemoveIPC"})
    sysusers = shutil.which("systemd-sysusers")
    assert sysusers
    (tmp_path / "etc").mkdir()
    made = [sysusers, f"--root={tmp_path}", DEPLOY / "systemd" / "gatefleet-node.sysusers"]
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    assert (tmp_path / "etc" / "passwd").read_text().startswith(f"{told['User']}:")


def test_the_package_has_everything_the_checkout_has(tmp_path: Path) -> None:
    """What an image installs is the wheel: a file it misses would be missed only there."""
    build = [Path(sys.prefix) / "bin" / "uv", "build", "--wheel", "--no-build-isolation", "--quiet", "--offline"]
    subprocess.run([*build, "--out-dir", tmp_path, ROOT], check=True, timeout=100)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    source = ROOT / "src"
    needed = {
        str(path.relative_to(source))
        for path in (source / "gatefleet").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".part", ".from"}
    }
    assert needed <= packed, sorted(needed - packed)[:20]
