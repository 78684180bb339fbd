"""`python -m bench`: what requests, changes and memory cost, in tables and as JSON."""

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import cases, changes, dashboard, decisions, fleet, nodes, peers, plugins, report, scale, traffic
from bench.fleet import Fleet
from bench.load import Peer
from bench.report import GATEWAY, Results
from bench.shape import ON_EVERY_ROUTE, PLUGINS, Shape
from bench.skeleton import __main__ as skeleton
from bench.traffic import BASE, Contender

PARTS: Final = ("traffic", "changes", "plugins", "scale", "fleet", "decisions", "dashboard", "skeleton")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    traffic: tuple[int, ...]
    """Routes on one host under which requests are measured."""
    changes: tuple[Shape, ...]
    rounds: int
    seconds: float
    """Of load on each contender in each round."""
    count: int
    """Changes of each shape."""
    plugins: frozenset[str] | None
    """Cases that are measured, each by itself; None for all."""
    plugin_seconds: float
    """Of load on each of them in each round."""
    scale: int
    """Consumers, hosts and certificates."""
    scale_changes: int
    dashboard: Shape
    nodes: int
    """Simulated nodes on one DP Manager."""
    node_changes: int
    cold: Shape
    """What a node starts with that has nothing."""
    skeleton: str
    """Regular expression on the names of the skeleton's variants."""


FULL: Final = Plan(
    traffic=(1, 1_000, 10_000),
    changes=(Shape(10), Shape(10_000), Shape(10_000, hosts=500)),
    rounds=5,
    seconds=1,
    count=50,
    plugins=None,
    plugin_seconds=3,
    scale=10_000,
    scale_changes=20,
    dashboard=Shape(10_000),
    nodes=1_000,
    node_changes=10,
    cold=Shape(10_000),
    skeleton="^proxied",
)
QUICK: Final = Plan(
    traffic=(1, 100),
    changes=(Shape(10), Shape(100), Shape(100, hosts=5)),
    rounds=1,
    seconds=1,
    count=10,
    plugins=frozenset({"key-auth", "referer-restriction", "forward-auth"}),
    plugin_seconds=2,
    scale=200,
    scale_changes=3,
    dashboard=Shape(200),
    nodes=40,
    node_changes=2,
    cold=Shape(100),
    skeleton="^proxied: (bare|module)",
)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="tiny numbers, in less than two minutes: does it all work?"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part only; may be given twice")
    parser.add_argument("--rounds", type=int, help="rounds of load on each contender and each plugin")
    parser.add_argument("--baseline", action="store_true", help="keep the result as bench/baseline.json")
    options = parser.parse_args()
    parts: set[str] = set(options.only or PARTS)
    plan = QUICK if options.quick else FULL
    results = report.new(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", quick=options.quick)
    with tempfile.TemporaryDirectory(prefix="gfb") as home:
        if parts & {"traffic", "changes"}:
            _product(Path(home), plan, options.rounds or plan.rounds, parts, results)
        if "plugins" in parts:
            _plugins(Path(home), plan, options.rounds or plan.rounds, results)
        if "scale" in parts:
            _scale(Path(home), plan, results)
        if "fleet" in parts:
            results.fleet = _fleet(Path(home), plan)
        if "decisions" in parts:
            results.decisions = decisions.measure()
        if "dashboard" in parts:
            _dashboard(Path(home), plan, results)
        if "skeleton" in parts:
            results.skeleton = skeleton.measure(Path(home), int(plan.seconds), min(plan.rounds, 3), plan.skeleton)
    print(*report.tables(results), sep="\n")
    print(f"kept in {report.keep(results, baseline=options.baseline)}")


def _product(home: Path, plan: Plan, rounds: int, parts: set[str], results: Results) -> None:
    """A fleet per number of hosts, which grows; at each size what is to be measured there."""
    sizes = plan.traffic if "traffic" in parts else ()
    wanted = {Shape(n) for n in sizes} | (set(plan.changes) if "changes" in parts else set[Shape]())
    with ExitStack() as stack:
        upstream = stack.enter_context(peers.upstream(home)).port
        others = {n: _others(stack, home, upstream, n) for n in {1, *sizes}}
        for hosts in sorted({shape.hosts for shape in wanted}):
            filled = 0
            with fleet.running(home / f"fleet-{hosts}") as bench:
                for shape in sorted((s for s in wanted if s.hosts == hosts), key=lambda s: s.routes):
                    if rate := bench.fill(shape, upstream, first=filled):
                        results.filling[shape.name] = round(rate)
                    filled = shape.routes
                    if hosts == 1 and shape.routes in sizes:
                        contenders = {BASE: others[1][BASE], **others[shape.routes]}
                        _traffic(bench, shape, upstream, contenders, rounds, plan.seconds, results)
                    if "changes" in parts and shape in plan.changes:
                        _changes(bench, shape, upstream, plan.count, results)
                    results.memory[shape.name] = bench.memory()


def _plugins(home: Path, plan: Plan, rounds: int, results: Results) -> None:
    """A fleet whose routes carry one plugin each, and their like without it."""
    with ExitStack() as stack:
        bench = plugins.started(stack, home, stack.enter_context(fleet.running(home / "fleet-plugins")))
        wanted = [case for case in cases.cases(bench.ports) if plan.plugins is None or case.name in plan.plugins]
        plugins.fill(bench, wanted)
        results.plugins = plugins.measure(bench, wanted, rounds=rounds, seconds=plan.plugin_seconds)


def _scale(home: Path, plan: Plan, results: Results) -> None:
    """A fleet of its own for each kind that there are many of."""
    measures = {"consumers": scale.consumers, "hosts": scale.hosts, "certificates": scale.certificates}
    for kind, measure in measures.items():
        with peers.upstream(home) as upstream, fleet.running(home / f"fleet-{kind}") as bench:
            results.scale[f"{plan.scale:,} {kind}"] = measure(bench, upstream.port, plan.scale, plan.scale_changes)


def _dashboard(home: Path, plan: Plan, results: Results) -> None:
    """A fleet of its own, which somebody looks at."""
    with peers.upstream(home) as upstream, fleet.running(home / "fleet-dashboard") as bench:
        results.dashboard = dashboard.measure(bench, upstream.port, plan.dashboard)


def _fleet(home: Path, plan: Plan) -> dict[str, float]:
    """Many nodes on one DP Manager, then a large group on one new node."""
    with peers.upstream(home) as upstream:
        many = nodes.measure(home, upstream.port, plan.nodes, plan.node_changes)
        return many | nodes.cold_start(home, upstream.port, plan.cold)


def _traffic(
    bench: Fleet,
    shape: Shape,
    upstream: int,
    contenders: dict[str, Contender],
    rounds: int,
    seconds: float,
    results: Results,
) -> None:
    for name, carried in PLUGINS.items():
        bench.set_plugins(shape, upstream, carried)
        contenders[GATEWAY] = Contender(Peer(bench.envoy, bench.gateway), shape.routes)
        results.traffic += traffic.measure(contenders, name, rounds=rounds, seconds=seconds)


def _changes(bench: Fleet, shape: Shape, upstream: int, count: int, results: Results) -> None:
    bench.set_plugins(shape, upstream, ON_EVERY_ROUTE)
    results.changes[shape.name] = changes.summary(changes.measure(bench, shape, count))


def _others(stack: ExitStack, home: Path, upstream: int, routes: int) -> dict[str, Contender]:
    """The peers with so many routes."""
    counted = "1 route" if routes == 1 else f"{routes:,} routes"
    return {
        f"bare Envoy, {counted}": Contender(stack.enter_context(peers.envoy(home, upstream, routes)), routes),
        f"nginx, {counted}": Contender(stack.enter_context(peers.nginx(home, upstream, routes)), routes),
    }


if __name__ == "__main__":
    main()
