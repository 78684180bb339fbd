"""Building the module: a library, or an error that says what to do."""

from pathlib import Path

import pytest

from gatefleet.native.build import CannotBuild, build


def test_without_a_compiler_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(CannotBuild, match="apt-get install gcc"):
        build(tmp_path / "library.so")


def test_a_compiler_that_fails_is_quoted_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(CannotBuild, match="failed on the native module"):
        build(tmp_path / "library.so")
    assert not list(tmp_path.iterdir())
