"""The module as `make install` has built it."""

from pathlib import Path

import pytest

from gatefleet.native.build import MODULE


@pytest.fixture(scope="session")
def module_dir() -> Path:
    """Directory of `libgatefleet.so`, for Envoy's search path."""
    return MODULE.parent
