"""A running DP Manager per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatefleet.store import Store
from tests.conftest import MASTER_KEY
from tests.dpm.dp_manager import DpManager, dp_manager


@pytest.fixture
async def manager(store: Store, dsn: str, tmp_path: Path) -> AsyncIterator[DpManager]:
    async with dp_manager(store, dsn, MASTER_KEY, tmp_path) as running:
        yield running
