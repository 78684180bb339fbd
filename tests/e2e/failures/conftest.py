"""One site per test process, whole again before each test that uses it."""

from collections.abc import Iterator

import pytest

from tests.e2e.failures import site as sites
from tests.e2e.failures.site import RECOVERY, Site
from tests.e2e.kit import eventually


@pytest.fixture(scope="session")
def _site(upstream: int) -> Iterator[Site]:
    with sites.site(upstream) as site:
        yield site


@pytest.fixture
def site(_site: Site) -> Site:
    eventually(_site.is_whole, RECOVERY)
    return _site
