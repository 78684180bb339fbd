"""What was served is told exactly, whoever dies meanwhile."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.kit import Fleet, eventually

LATEST = 120.0
"""Seconds until everything is told: a step, the pauses after failures, and a slow machine."""
PATH = "/api/telemetry"


@dataclass
class Client:
    """Remembers what it was answered."""

    fleet: Fleet
    seen: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])

    def ask(self, name: str, **headers: str) -> int:
        status = self.fleet.get(f"/counted/{name}", **headers).status
        self.seen[name, status] += 1
        return status

    def some(self) -> None:
        for _ in range(10):
            self.ask("open")
            self.ask("bad")
            self.ask("keys")
            self.ask("keys", apikey="counter-key")


def test_every_request_is_counted_once_though_the_dp_manager_and_the_agent_are_killed(
    fleet: Fleet, upstream: int
) -> None:
    configure(fleet, upstream)
    client = Client(fleet)
    eventually(lambda: client.ask("keys", apikey="counter-key") == 200)
    for part in ("dpm", "node", ""):
        client.some()
        if part:
            fleet.processes("gatefleet", part)[0].kill()
    served = {(name, status): count for (name, status), count in client.seen.items() if status != 404}
    eventually(lambda: told(fleet)["requests"] >= sum(served.values()), LATEST)
    assert told(fleet)["requests"] == sum(served.values())
    by_class = Counter[str]()
    for (_, status), count in served.items():
        by_class[f"{status // 100}xx"] += count
    assert {name: count for name, count in told(fleet)["status"].items() if count} == by_class
    assert split(fleet, "route") == {
        f"counted-{name}": sum(count for (one, _), count in served.items() if one == name)
        for name in ("open", "bad", "keys")
    }
    assert split(fleet, "consumer") == {
        "counter": served["keys", 200],
        "": sum(served.values()) - served["keys", 200],
    }
    assert list(split(fleet, "instance").values()) == [sum(served.values())]
    failed = fleet.call("GET", f"{PATH}/access_log?gateway_group_id=default&service_id=counted&status=5xx").json()
    assert {(row["route_id"], row["status"], row["path"]) for row in failed["list"]} == {
        ("counted-bad", 503, "/counted/bad")
    }
    assert 0 < failed["total"] <= served["bad", 503]


def configure(fleet: Fleet, upstream: int) -> None:
    fleet.service("counted", upstream)
    fleet.route("counted-open", "counted", "/counted/open")
    fleet.route(
        "counted-bad",
        "counted",
        "/counted/bad",
        plugins={"mocking": {"response_status": 503, "response_example": "no"}},
    )
    fleet.route("counted-keys", "counted", "/counted/keys", plugins={"key-auth": {}})
    fleet.put("consumers/counter", {"username": "counter"})
    fleet.put("consumers/counter/credentials/c", {"name": "c", "plugins": {"key-auth": {"key": "counter-key"}}})


def told(fleet: Fleet, query: str = "") -> dict[str, Any]:
    """The figures of the service."""
    return traffic(fleet, query)["total"]["sum"]


def split(fleet: Fleet, by: str) -> dict[str, int]:
    return {one["id"]: one["sum"]["requests"] for one in traffic(fleet, f"&by={by}")["series"]}


def traffic(fleet: Fleet, query: str) -> dict[str, Any]:
    answer = fleet.call("GET", f"{PATH}/traffic?gateway_group_id=default&service_id=counted{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["value"]
    return found
