"""One whole product per test process, shared by the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.e2e import kit


@pytest.fixture(scope="session")
def fleet() -> Iterator[kit.Fleet]:
    with kit.workspace() as directory, kit.running(directory / "data", "--envoy-concurrency", "2") as fleet:
        yield fleet


@pytest.fixture(scope="session")
def upstream() -> Iterator[int]:
    with kit.echo() as port:
        yield port
