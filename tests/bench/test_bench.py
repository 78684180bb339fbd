"""The parts of the benchmark that need neither wrk nor nginx: what it asks for, what it compares with, what it says."""

import json
import subprocess
from pathlib import Path

import pytest

from bench import changes, nodes, peers, plugins, report, works
from bench.cases import Case, Ports, cases
from bench.changes import Timing
from bench.load import Turn
from bench.plugins import Against
from bench.report import GATEWAY, Results
from bench.shape import PLUGINS, Json, Shape
from bench.traffic import BASE, Cost
from gatefleet.envoy.binary import PATH
from gatefleet.plugins import registry


@pytest.mark.parametrize(
    ("hosts", "filters"),
    [([peers.everything(1)], []), ([peers.everything(100)], []), (works.hosts(), works.filters())],
    ids=["one route", "many routes", "works"],
)
def test_envoy_takes_the_configuration_it_is_compared_with(
    hosts: list[Json], filters: list[Json], tmp_path: Path
) -> None:
    file = tmp_path / "bare.json"
    file.write_text(json.dumps(peers.static(8080, 8081, hosts, filters, 8082)))
    command = [PATH, "--mode", "validate", "-c", file, "-l", "error", "--disable-hot-restart"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("shape", [Shape(1), Shape(10), Shape(100, hosts=5), Shape(10_000, hosts=500)])
def test_every_route_belongs_to_the_service_that_has_its_host(shape: Shape) -> None:
    services = dict(shape.services(8080, PLUGINS["key-auth"]))
    assert len(services) == shape.hosts
    for n in range(shape.routes):
        _, route = shape.route(n, {})
        assert services[f"services/{route['service_id']}"]["hosts"] == [shape.host(n)]


def test_the_99th_percentile_of_fifty_is_the_slowest_of_them() -> None:
    timings = [Timing(answer=1.0, live=float(n), published=None, turn=None, receipt=float(n)) for n in range(1, 51)]
    found = changes.summary(timings)
    assert found == {f"{part} {p}": ms for part in ("live", "receipt") for p, ms in (("p50", 25.5), ("p99", 50.0))} | {
        "answer p50": 1.0,
        "answer p99": 1.0,
    }


def test_the_report_says_which_targets_are_met_and_which_are_missed() -> None:
    results = Results(
        taken_at="2026-01-01T00:00:00",
        commit="abc",
        machine="two cores",
        load_average=[0.0],
        traffic=[_cost(BASE, 1.0), _cost(GATEWAY, 0.9)],
        changes={"10 routes, 1 host": {"live p50": 5.0, "live p99": 10.0}},
        fleet={"nodes": 1000.0, nodes.LAST_NODE: 1000.1, nodes.STORM: 9.9},
    )
    targets = next(report.tables(results)).splitlines()[4:]
    assert [line.split("|")[4].strip() for line in targets] == ["missed", "missed", "met", "met"]


@pytest.mark.parametrize("drift", [-0.4, 0.0, 0.7])
def test_a_plugin_costs_the_same_on_a_machine_that_gets_slower_or_faster_meanwhile(drift: float) -> None:
    def turn(at: int) -> Turn:
        cpu_us = (50 + drift * at) * (1.2 if at % 2 else 1.0)
        return Turn(cpu_us, 1e6 / cpu_us)

    found = plugins.cost("key-auth", "native", list(plugins.against([turn(at) for at in range(61)])))
    assert (found.cpu_ratio, found.spread, found.more_us, found.bare_us) == (1.2, 0.0, 9.0, 50 + 30 * drift)
    assert found.rate_ratio == pytest.approx(1 / 1.2, abs=0.002)


def test_every_plugin_is_measured() -> None:
    measured = cases(Ports(1, 2, 3))
    assert {case.plugin for case in measured} == set(registry())
    assert {case.work for case in measured} == {None, *works.WORKS}
    assert {case.by for case in measured} == {"native", "Lua", "helper process"}


def test_a_plugin_is_held_for_what_it_adds_to_the_work_it_has_done() -> None:
    def turns(ratio: float) -> list[Against]:
        return [Against(ratio, 1 / ratio, 45.0)] * 9

    asked = plugins.cost(works.QUESTION.name, "bare Envoy", turns(1.6))
    case = Case("forward-auth", {"uri": "http://auth.test/"}, work=works.QUESTION)
    found = plugins.case_cost(case, turns(2.0), {works.QUESTION.name: asked})
    assert (found.more_us, found.work_us, found.own_us, found.target_us) == (45.0, 27.0, 18.0, 25.0)


def _cost(contender: str, ratio: float) -> Cost:
    return Cost(
        contender=contender,
        routes=10_000,
        plugins="0 plugins",
        cpu_ratio=ratio,
        rate_ratio=ratio,
        cpu_us=40.0,
        cpu_us_least=39.0,
        per_second=25_000,
        p50_ms=1.0,
        p99_ms=2.0,
    )
