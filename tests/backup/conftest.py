"""Buckets of both kinds, and what a backup writes to them."""

from collections.abc import Iterator

import pytest

from tests import buckets


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with buckets.s3() as url:
        yield url


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    with buckets.azurite() as url:
        yield url


@pytest.fixture(params=["s3", "azure"])
def settings(request: pytest.FixtureRequest) -> buckets.Settings:
    """The settings that reach two fresh buckets."""
    if request.param == "s3":
        return buckets.s3_buckets(request.getfixturevalue("s3"))
    return buckets.azure_containers(request.getfixturevalue("azurite"))
