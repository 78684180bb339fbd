"""The copy on disk: taken when it is whole, ours and new enough; refused with a reason otherwise."""

from pathlib import Path

import pytest

from gatefleet import sealed, snapshot
from gatefleet.errors import Invalid
from gatefleet.node.copies import DiskCopy, Revision
from gatefleet.snapshot import HOST, Seal
from tests.node.manager_twin import Twin


def revision(twin: Twin, number: int) -> Revision:
    content = snapshot.snapshot_of([(HOST, f"h{number}.com", b"x")])
    bare = Seal(twin.group, number, 100, snapshot.digest(content), twin.keys.key_id)
    return Revision(content, sealed.sign(bare, twin.keys))


@pytest.fixture
def twin() -> Twin:
    return Twin()


def test_a_copy_comes_back_as_it_was_written(tmp_path: Path, twin: Twin) -> None:
    copy, written = DiskCopy(tmp_path), revision(twin, 3)
    copy.write(written, twin.bundle())
    assert copy.read(twin.bundle()) == written
    assert copy.floor(twin.group) == 3
    assert {f.stat().st_mode & 0o777 for f in tmp_path.iterdir()} == {0o600}


def test_no_copy_is_no_problem(tmp_path: Path, twin: Twin) -> None:
    assert DiskCopy(tmp_path).read(twin.bundle()) is None
    assert DiskCopy(tmp_path).floor(twin.group) == 0


@pytest.mark.parametrize("place", [0, 12, 40, 120, -1])
def test_a_changed_byte_is_refused(tmp_path: Path, twin: Twin, place: int) -> None:
    copy = DiskCopy(tmp_path)
    copy.write(revision(twin, 3), twin.bundle())
    body = bytearray((tmp_path / "snapshot.bin").read_bytes())
    body[place] ^= 1
    (tmp_path / "snapshot.bin").write_bytes(body)
    with pytest.raises(Invalid, match="the copy on disk is refused"):
        copy.read(twin.bundle())


@pytest.mark.parametrize("size", [0, 5, 30, 100])
def test_a_cut_copy_is_refused(tmp_path: Path, twin: Twin, size: int) -> None:
    copy = DiskCopy(tmp_path)
    copy.write(revision(twin, 3), twin.bundle())
    whole = (tmp_path / "snapshot.bin").read_bytes()
    (tmp_path / "snapshot.bin").write_bytes(whole[:size])
    with pytest.raises(Invalid, match="the copy on disk is refused"):
        copy.read(twin.bundle())


def test_an_older_copy_than_one_already_held_is_refused(tmp_path: Path, twin: Twin) -> None:
    copy = DiskCopy(tmp_path)
    copy.write(revision(twin, 3), twin.bundle())
    old = (tmp_path / "snapshot.bin").read_bytes()
    copy.write(revision(twin, 4), twin.bundle())
    (tmp_path / "snapshot.bin").write_bytes(old)
    with pytest.raises(Invalid, match="its revision 3 is older than revision 4, which this node held"):
        copy.read(twin.bundle())


def test_another_groups_copy_is_refused(tmp_path: Path, twin: Twin) -> None:
    other = Twin(group="other", keys=twin.keys)
    copy = DiskCopy(tmp_path)
    copy.write(revision(other, 3), other.bundle())
    with pytest.raises(Invalid, match=r"it belongs to gateway group \[other\], this node to \[default\]"):
        copy.read(twin.bundle())


def test_a_copy_sealed_with_an_unknown_key_is_refused(tmp_path: Path, twin: Twin) -> None:
    stranger = Twin(keys=sealed.new_snapshot_keys())
    copy = DiskCopy(tmp_path)
    copy.write(revision(stranger, 3), twin.bundle())
    with pytest.raises(Invalid, match=r"a key .* that this node does not know"):
        copy.read(twin.bundle())
