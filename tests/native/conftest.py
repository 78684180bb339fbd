"""The module, built once for all tests of this room."""

from pathlib import Path

import pytest

from gatefleet.native.build import build


@pytest.fixture(scope="session")
def module_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of `libgatefleet.so`, for Envoy's search path."""
    return build(tmp_path_factory.mktemp("module") / "libgatefleet.so").parent
