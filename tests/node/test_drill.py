"""How long a node stays cut off, whatever becomes of the drill, and what a drill finds wanting."""

import time
from pathlib import Path

import msgspec
import pytest

from gatefleet.fleet import Drill, Drilled, Part
from gatefleet.node.drill import START, Kept, Rehearsal, misplaced, shortcoming
from gatefleet.node.identity import IdentityStore
from gatefleet.node.manager import Manager
from tests.node.manager_twin import Twin

pytestmark = pytest.mark.anyio
ORDER = Drill("d", 30, "bucket")


def rehearsal(directory: Path, kept: Kept | bytes) -> Rehearsal:
    """What an agent finds that starts with this file."""
    file = directory / "drill.json"
    file.write_bytes(kept if isinstance(kept, bytes) else msgspec.json.encode(kept))
    manager = Manager(["https://127.0.0.1:9"], IdentityStore(directory), Twin().bundle())
    return Rehearsal(file, manager, elsewhere=True)


async def test_a_node_stays_cut_off_until_the_time_it_was_given_and_not_if_anything_is_odd(tmp_path: Path) -> None:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    cases = (
        (Kept(ORDER, Drilled("d"), began=now - 10, stopped=now), 20 + START),
        (Kept(ORDER, Drilled("d"), began=now - 31 - START, stopped=now - 15), 0),
        (Kept(ORDER, Drilled("d"), began=now + 10, stopped=now + 20), 0),  # the machine was started anew
        (Kept(ORDER, Drilled("d"), began=now - 10, stopped=now, over=True), 0),
        (Kept(ORDER, Drilled("d")), 0),
        (b"{", 0),
    )
    for kept, left in cases:
        found = rehearsal(tmp_path, kept)
        assert found.left == pytest.approx(left, abs=5)
        assert found.sets_disk_aside == bool(left)


async def test_a_result_is_told_until_it_is_on_record_and_the_same_drill_is_not_done_twice(tmp_path: Path) -> None:
    over = Kept(ORDER, Drilled("d", passed=True), began=1.0, stopped=2.0, over=True)
    found = rehearsal(tmp_path, over)
    for order, recorded in ((None, ""), (ORDER, "other")):
        found.hear(order, recorded)
        assert found.result == over.told
    found.hear(ORDER, "d")
    assert found.result is None
    assert rehearsal(tmp_path, (tmp_path / "drill.json").read_bytes()).result is None


def test_what_a_drill_finds_wanting() -> None:
    good, bad = Part("before", 2.0, 16, 0), Part("cut off", 15.0, 120, 3)
    assert shortcoming(Drilled("d", parts=(good,))) == ""
    assert shortcoming(Drilled("d", parts=(good, bad))) == "3 of 120 probes failed (cut off)"
    told = Drilled("d", revision_before=7, revision_after=7, started_from="peer")
    assert misplaced(ORDER, told) == ""
    assert misplaced(Drill("d", 30), told) == "it was started from the peer, not from the disk"
    assert "served revision 6" in misplaced(ORDER, msgspec.structs.replace(told, revision_after=6))
