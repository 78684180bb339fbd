"""`gatefleet up` as a user meets it: errors that help, no orphans, everything kept."""

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gatefleet import rundir
from tests.e2e import kit


@pytest.fixture
def data() -> Iterator[Path]:
    with kit.workspace() as directory:
        yield directory / "data"


def family(fleet: kit.Fleet) -> list[psutil.Process]:
    process = psutil.Process(fleet.process.pid)
    return [process, *process.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[str]:
    found: list[str] = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:120])
    return found


def left_of(data: Path) -> list[Path]:
    """Run directories that belong to this data directory."""
    found = (rundir.find(purpose, data / purpose) for purpose in ("node", "dpm"))
    return [directory for directory in found if directory]


def test_ctrl_c_leaves_nothing_and_a_second_start_keeps_everything(data: Path) -> None:
    with kit.running(data) as fleet, kit.echo() as upstream:
        fleet.service("kept", upstream)
        fleet.route("kept", "kept", "/kept")
        kit.eventually(lambda: fleet.get("/kept").status == 200)
        processes = family(fleet)
        assert {p.name() for p in processes} >= {"postgres", "envoy"}
        began = time.monotonic()
        assert fleet.stop() == 0
        assert time.monotonic() - began < 15
        assert alive(processes) == []
        assert left_of(data) == []
    with kit.running(data) as again, kit.echo() as upstream:
        assert again.call("GET", "/apisix/admin/services/kept").status_code == 200
        again.service("kept", upstream)
        kit.eventually(lambda: again.get("/kept").status == 200)


def test_the_next_steps_it_prints_work_as_printed(data: Path) -> None:
    with kit.running(data) as fleet, kit.echo() as upstream:
        log = data.with_name("data.log")
        steps = kit.eventually(lambda: re.findall(r"^ +(curl .+)$", log.read_text(), re.MULTILINE))
        assert len(steps) == 3
        *changes, call = [step.replace("8000", str(upstream)) for step in steps]
        for change in changes:
            assert '"value"' in run(change)
        kit.eventually(lambda: "200 OK" in run(call))
        assert fleet.ready()


def run(line: str) -> str:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=20).stdout


def test_up_itself_killed_takes_everything_with_it(data: Path) -> None:
    with kit.running(data) as fleet:
        processes = family(fleet)
        fleet.process.kill()
        fleet.process.wait(5)
        with kit.running(data, offset=fleet.offset) as again:  # waits for what is still on its way out
            assert alive(processes) == []
            assert again.ready()


def refused(*arguments: object) -> str:
    """What `gatefleet up` says when it does not start."""
    done = subprocess.run(
        [kit.GATEFLEET, "up", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_one_says_what_to_do(data: Path) -> None:
    with kit.running(data) as fleet:
        assert "another `gatefleet up`" in refused("--data-dir", data)
        said = refused("--data-dir", data.with_name("other"), "--port-offset", fleet.offset)
        assert f"{fleet.port('http')} (gateway, http)" in said
        assert f"{fleet.port('admin')} (Dashboard and Admin API, http)" in said
        assert "--port-offset" in said


def test_a_wrong_option_is_told_by_its_name(data: Path) -> None:
    said = refused("--data-dir", data, "--port-offset", "many")
    assert "--port-offset (GATEFLEET_UP_PORT_OFFSET)" in said
