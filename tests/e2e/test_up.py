"""What `gatefleet up` says: the next steps work as printed, and a second one learns what to do."""

import re
import subprocess

from tests.e2e import kit


def test_the_next_steps_it_prints_work_as_printed(fleet: kit.Fleet, upstream: int) -> None:
    log = fleet.directory.with_name("data.log")
    steps = kit.eventually(lambda: re.findall(r"^ +(curl .+)$", log.read_text(), re.MULTILINE))
    assert len(steps) == 3
    *changes, call = [step.replace("8000", str(upstream)) for step in steps]
    for change in changes:
        assert '"value"' in run(change)
    kit.eventually(lambda: "200 OK" in run(call))
    fleet.delete("services/files")


def run(line: str) -> str:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_second_one_says_what_to_do(fleet: kit.Fleet) -> None:
    assert "another `gatefleet up`" in kit.refused("--data-dir", fleet.directory)
    said = kit.refused("--data-dir", fleet.directory.with_name("other"), "--port-offset", fleet.offset)
    assert f"{fleet.port('http')} (gateway, http)" in said
    assert f"{fleet.port('admin')} (Dashboard and Admin API, http)" in said
    assert "--port-offset" in said
