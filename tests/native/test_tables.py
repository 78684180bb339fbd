"""The writer of tables: replaced as a whole, numbered on, and nothing left behind."""

from pathlib import Path

import pytest

from gatefleet.native.records import basic_auth_entry, key_auth_entry
from gatefleet.native.tables import Tables, table_bytes


def test_a_write_leaves_one_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    for _ in range(3):
        tables.write("hosts", {b"a": b"b"})
    (file,) = tmp_path.glob("hosts.*")
    assert file.name == "hosts.3.tbl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tables.ctl").stat().st_mode & 0o777 == 0o600
    tables.close()


def test_generations_go_on_with_the_next_writer(tmp_path: Path) -> None:
    first = Tables(tmp_path)
    first.write("hosts", {})
    first.write("hosts", {})
    first.close()
    second = Tables(tmp_path)
    assert second.generation("hosts") == 2
    assert second.generation("consumers") == 0
    second.write("hosts", {})
    assert second.generation("hosts") == 3
    second.close()


def test_a_write_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables(tmp_path)
    tables.write("hosts", {b"a": b"b"})
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tables.write("hosts", {})
    assert tables.generation("hosts") == 1
    assert [file.name for file in tmp_path.glob("hosts.*")] == ["hosts.1.tbl"]
    tables.close()


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in"):
        Tables(tmp_path).write("other", {})


def test_a_hundred_thousand_consumers_fit() -> None:
    entries = dict(key_auth_entry(f"key-{n}", f"user-{n}", f"c{n}") for n in range(100_000))
    assert len(table_bytes(entries)) < 10_000_000


@pytest.mark.parametrize("key", ["", "x" * 4097])
def test_a_key_has_a_size(key: str) -> None:
    with pytest.raises(ValueError, match="must have 1 to 4096 bytes"):
        key_auth_entry(key, "jack", "c")


def test_what_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="line breaks"):
        key_auth_entry("k", "jack\n", "c")
    with pytest.raises(ValueError, match="needs a name"):
        key_auth_entry("k", "", "c")
    with pytest.raises(ValueError, match="colon"):
        basic_auth_entry("a:b", "p", "jack", "c")
