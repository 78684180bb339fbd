"""PostgreSQL fails in every way: nodes never notice, and the next change after it converges."""

import contextlib
import secrets
import signal
import time
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.failures.proxy import FAIR, Weather
from tests.e2e.failures.site import Site
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import eventually

Deed = Callable[[Site], None]
FAULTS: dict[str, tuple[Deed, Deed]] = {
    "stopped": (lambda site: site.database.end(signal.SIGINT), lambda site: site.database.start()),
    "killed": (lambda site: site.database.end(signal.SIGKILL), lambda site: site.database.start()),
    "cut off": (lambda site: site.to_database.set(Weather(cut=True)), lambda site: site.to_database.set(FAIR)),
    "silent": (lambda site: site.to_database.set(Weather(silent=True)), lambda site: site.to_database.set(FAIR)),
}
"""What is done to PostgreSQL, and how it is made good."""


@pytest.mark.parametrize("fault", FAULTS)
def test_while_postgresql_is_away_nodes_serve_and_the_control_plane_says_so(site: Site, fault: str) -> None:
    begin, end = FAULTS[fault]
    with traffic(site.port("near")) as near, traffic(site.port("far")) as far:
        begin(site)
        try:
            eventually(lambda: _not_ready(site), every=0.2)
            with contextlib.suppress(httpx.ReadTimeout):  # a silent one may still take it
                assert site.call("DELETE", "/apisix/admin/routes/none", timeout=2).status_code == 503
            near.wait(20)
        finally:
            end(site)
        converged = site.converges(f"after-{fault.replace(' ', '-')}")
    told(f"postgresql {fault}, node near", near)
    told(f"postgresql {fault}, node far", far, converged)


def _not_ready(site: Site) -> bool:
    """Both roles say that PostgreSQL is away, and that they themselves work."""
    roles = (site.admin.url("admin", "/%s"), site.dpm.url("dpm", "/%s"))
    assert [site.plane.client.get(url % "readyz").status_code for url in roles] == [503, 503]
    assert [site.plane.client.get(url % "healthz").status_code for url in roles] == [200, 200]
    return True


def test_over_a_slow_database_changes_take_longer_and_nothing_else_happens(site: Site) -> None:
    with traffic(site.port("near")) as near:
        site.to_database.set(Weather(delay=0.1))
        try:
            converged = site.converges("over-a-slow-database")
        finally:
            site.to_database.set(FAIR)
    told("postgresql slow (100 ms each way)", near, converged)


def test_with_a_full_disk_changes_are_refused_and_nodes_serve(site: Site) -> None:
    if site.database.unbounded:
        pytest.skip(f"a disk of its own cannot be mounted: {site.database.unbounded}")
    with traffic(site.port("near")) as near, traffic(site.port("far")) as far:
        site.database.fill()
        try:
            refused = eventually(lambda: _refused(site))
            near.wait(20)
        finally:
            site.database.free()
        began = time.monotonic()
        assert refused == 503
        converged = site.converges("after-a-full-disk")
        assert converged <= time.monotonic() - began
    told("disk full, node near", near)
    told("disk full, node far", far, converged)


def _refused(site: Site) -> int:
    """The status of a large change that is not taken; 0 if it is."""
    body = {"name": "large", "service_id": "steady", "paths": ["/large"], "desc": secrets.token_hex(30_000)}
    answer = site.call("PUT", "/apisix/admin/routes/large", body)
    return 0 if answer.status_code == 200 else answer.status_code
