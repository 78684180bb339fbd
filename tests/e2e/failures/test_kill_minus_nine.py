"""kill -9 of any part: traffic goes on, and the part is back by itself (within five seconds on a machine at rest)."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e import kit
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import Fleet, eventually


@pytest.fixture(scope="module")
def own() -> Iterator[Fleet]:
    with kit.workspace() as directory, kit.running(directory / "data") as fleet:
        yield fleet


@pytest.mark.parametrize("part", ["admin", "dpm", "postgres"])
def test_traffic_goes_on_and_the_part_is_back(own: Fleet, upstream: int, part: str) -> None:
    own.service("steady", upstream)
    own.route("steady", "steady", "/steady")
    eventually(lambda: own.get("/steady").status == 200)
    with traffic(own.port("http")) as seen:
        victim = own.processes("postgres", "-D")[0] if part == "postgres" else own.processes("gatefleet", part)[0]
        victim.kill()
        name, began = f"after-{part}", time.monotonic()
        eventually(lambda: own.route(name, "steady", f"/{name}") is None, every=0.1)
        eventually(lambda: own.get(f"/{name}").status == 200)
        converged = time.monotonic() - began
    told(f"kill -9 of {part}", seen, converged)


def test_envoy_killed_comes_back_with_the_same_configuration(own: Fleet, upstream: int) -> None:
    own.service("steady", upstream)
    own.route("again", "steady", "/again")
    eventually(lambda: own.get("/again").status == 200)
    front = {p.pid for p in own.processes("envoy", "dpm")}
    next(p for p in own.processes("_bin/envoy") if p.pid not in front).kill()
    eventually(lambda: own.get("/again").status == 200)


def test_the_agent_killed_does_not_touch_traffic(own: Fleet, upstream: int) -> None:
    own.service("steady", upstream)
    own.route("agent", "steady", "/agent")
    eventually(lambda: own.get("/agent").status == 200)
    with traffic(own.port("http"), path="/agent") as seen:
        own.processes("gatefleet", "node")[0].kill()
        time.sleep(0.5)
        eventually(own.ready)
        began = time.monotonic()
        own.route("agent-2", "steady", "/agent-2")
        eventually(lambda: own.get("/agent-2").status == 200)
        converged = time.monotonic() - began
    told("kill -9 of the agent", seen, converged)


def test_a_killed_dp_manager_loses_no_receipt(own: Fleet, upstream: int) -> None:
    own.service("steady", upstream)
    for number in range(3):
        name = f"receipt-{number}"
        body = {"name": name, "service_id": "steady", "paths": [f"/{name}"]}
        revision = own.call("PUT", f"/apisix/admin/routes/{name}", body).headers["x-gateway-group-revision"]
        time.sleep(0.02 * number)  # before it is compiled, before it is served, before it is reported
        eventually(lambda: own.processes("gatefleet", "dpm"))[0].kill()
        path = f"/api/gateway_groups/default/revisions/{revision}/receipt?wait=60"
        found = own.client.get(own.url("admin", path), auth=("admin", "admin"), timeout=90).json()["value"]
        assert (found["text"], own.get(f"/{name}").status) == ("1 of 1 instances live", 200)
