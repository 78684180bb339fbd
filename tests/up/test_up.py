"""`gatefleet up` as a user meets it: errors that help, no orphans, everything kept."""

import contextlib
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


def test_ctrl_c_and_kill_nine_leave_no_process_and_the_next_start_keeps_everything(
    data: Path,
) -> None:
    with kit.running(data) as fleet, kit.echo() as upstream:
        fleet.service("kept", upstream)
        fleet.route("kept", "kept", "/kept")
        kit.eventually(lambda: fleet.get("/kept").status == 200)
        processes = family(fleet)
        assert {p.name() for p in processes} >= {"postgres", "envoy"}
        assert fleet.stop() == 0
        assert alive(processes) == []
        assert left_of(data) == []
    with kit.running(data) as fleet, kit.echo() as upstream:
        assert fleet.call("GET", "/apisix/admin/services/kept").status_code == 200
        fleet.service("kept", upstream)
        kit.eventually(lambda: fleet.get("/kept").status == 200)
        processes = family(fleet)
        fleet.process.kill()
        fleet.process.wait(30)
        with kit.running(data, offset=fleet.offset) as again:  # waits for what is still on its way out
            assert alive(processes) == []
            assert again.call("GET", "/apisix/admin/services/kept").status_code == 200


def test_a_wrong_option_is_told_by_its_name(data: Path) -> None:
    said = kit.refused("--data-dir", data, "--port-offset", "many")
    assert "--port-offset (GATEFLEET_UP_PORT_OFFSET)" in said
