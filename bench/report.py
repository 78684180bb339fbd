"""What a run found: as tables for people, ratios first, and as JSON for the next run."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import nodes
from bench.fleet import Memory
from bench.plugins import BARE_US, PluginCost
from bench.scale import CERTIFICATES_TARGET_MB
from bench.traffic import Cost

HERE: Final = Path(__file__).parent
BASELINE: Final = HERE / "baseline.json"
RESULTS: Final = HERE / "results"
RATIO_TARGET: Final = 0.95
LIVE_TARGET_MS: Final = 50.0
INTERACTION_TARGET_MS: Final = 100.0
GATEWAY: Final = "Gatefleet"
BOTH: Final = "key-auth + limit-count"
BOTH_TARGET: Final = 0.65

Row = Sequence[object]


class Results(msgspec.Struct):
    """One run."""

    taken_at: str
    """UTC."""
    commit: str
    machine: str
    load_average: list[float]
    """Before the run; above 0.5 in the last minute others were at work, and the figures are rough."""
    quick: bool = False
    traffic: list[Cost] = []
    changes: dict[str, dict[str, float]] = {}
    """By shape: p50 and p99 in ms."""
    memory: dict[str, dict[str, Memory]] = {}
    """By shape, then by process."""
    filling: dict[str, float] = {}
    """By shape: PUTs per second, ten at a time."""
    plugins: list[PluginCost] = []
    scale: dict[str, dict[str, float]] = {}
    """By how many of what: MB of each process, p50 and p99 in ms."""
    fleet: dict[str, float] = {}
    """Many nodes on one DP Manager, and a large group on a new node."""
    decisions: dict[str, float] = {}
    """Of a user's permission policies, per second of CPU, by how many policies he has."""
    dashboard: dict[str, dict[str, float]] = {}
    """By what is done at the Dashboard: ms, and kB of script."""
    skeleton: dict[str, dict[str, float]] = {}


def new(taken_at: str, *, quick: bool) -> Results:
    """An empty result of this machine and commit."""
    return Results(taken_at, _commit(), _machine(), [round(load, 2) for load in os.getloadavg()], quick)


def keep(results: Results, *, baseline: bool) -> Path:
    """Write the JSON to bench/results/, or as the committed baseline; where it is."""
    path = BASELINE if baseline else RESULTS / f"{results.taken_at[:10]}-{results.commit}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return path


def tables(results: Results) -> Iterator[str]:
    """The tables in Markdown, one after the other."""
    if found := list(_targets(results)):
        yield _table("Targets", ("what", "target", "found", ""), found)
    if results.traffic:
        yield _table("Cost of a request, against a bare Envoy with one route", _TRAFFIC, map(_traffic, results.traffic))
    if results.changes:
        yield _table("From the Admin API's answer to live, ms (p50 / p99)", _CHANGES, _changes(results.changes))
    if results.memory:
        yield _table("Memory, MB resident (with its part of shared memory)", *_memory(results.memory))
    yield from _figures("Filling by the Admin API", ("until there are", "PUTs/s"), results.filling)
    if results.plugins:
        title = f"What a plugin adds to a request (* where one without it takes {BARE_US:.0f} µs)"
        yield _table(title, _PLUGINS, map(_plugin, results.plugins))
    if results.scale:
        yield _table("Many of a kind: memory in MB, times in ms", *_scale(results.scale))
    yield from _figures("Many nodes on one DP Manager", ("what", "found"), results.fleet)
    yield from _figures("Decisions of permission policies", ("a user has", "decisions/s"), results.decisions)
    yield from _apart(results)


def _apart(results: Results) -> Iterator[str]:
    """What has nothing to do with requests."""
    if results.dashboard:
        yield _table("At the Dashboard, with many routes", ("", *_DASHBOARD), _dashboard(results.dashboard))
    if results.skeleton:
        yield _table("Parts of the skeleton", _SKELETON, _skeleton(results.skeleton))


def _figures(title: str, header: Row, figures: Mapping[str, float]) -> Iterator[str]:
    """A table of two columns, if there is anything to show."""
    if figures:
        yield _table(title, header, [(what, f"{found:,.10g}") for what, found in figures.items()])


def _targets(results: Results) -> Iterator[Row]:
    plain = [c for c in results.traffic if c.contender == GATEWAY and c.plugins == "0 plugins"]
    if plain:
        most = max(plain, key=lambda c: c.routes)
        met = "met" if most.cpu_ratio >= RATIO_TARGET else "missed"
        what = f"{GATEWAY}, {most.routes:,} routes, 0 plugins: CPU against a bare Envoy with 1 route"
        yield what, f"≥ {RATIO_TARGET}", most.cpu_ratio, met
    yield from _throughput(results.traffic)
    held = [(cost, cost.target_us) for cost in results.plugins if cost.target_us is not None]
    for cost, target in held:
        if cost.own_us > target:
            yield f"what [{cost.name}] itself adds to a request", f"≤ {target:.0f} µs", f"{cost.own_us} µs", "missed"
    if held:
        kept = sum(cost.own_us <= target for cost, target in held)
        yield "plugins within their target", len(held), kept, _met(kept == len(held))
    yield from _certificates(results.scale)
    yield from _interactions(results.dashboard)
    yield from _nodes(results.fleet)
    for shape, parts in results.changes.items():
        met = "met" if parts["live p99"] <= LIVE_TARGET_MS else "missed"
        yield f"a change is live, p99, {shape}", f"≤ {LIVE_TARGET_MS:.0f} ms", parts["live p99"], met


def _throughput(costs: Sequence[Cost]) -> Iterator[Row]:
    with_both = [c for c in costs if c.contender == GATEWAY and c.plugins == BOTH]
    for cost in with_both[:1]:
        what = f"{GATEWAY}, {BOTH}: requests per second against a bare Envoy"
        yield what, f"≥ {BOTH_TARGET}", cost.rate_ratio, _met(cost.rate_ratio >= BOTH_TARGET)


def _certificates(scale: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    for name, found in scale.items():
        if "listener updates" in found:
            held = found["node: Envoy MB"]
            target = f"≤ {CERTIFICATES_TARGET_MB:.0f} MB"
            yield f"{name}: memory of the node's Envoy", target, f"{held} MB", _met(held <= CERTIFICATES_TARGET_MB)
            updates = found["listener updates"]
            yield f"{name}: listeners updated", 0, int(updates), _met(updates == 0)


def _interactions(dashboard: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    timed = {name: found["worst ms"] for name, found in dashboard.items() if not name.startswith("(")}
    if timed:
        name, worst = max(timed.items(), key=lambda item: item[1])
        what, target = f"worst interaction at the Dashboard ({name})", f"≤ {INTERACTION_TARGET_MS:.0f} ms"
        yield what, target, f"{worst:.0f} ms", _met(worst <= INTERACTION_TARGET_MS)


def _nodes(found: Mapping[str, float]) -> Iterator[Row]:
    targets = {
        nodes.LAST_NODE: nodes.CHANGE_TARGET_MS,
        f"dpm {nodes.MEMORY}": nodes.MEMORY_TARGET_KB,
        nodes.STORM: nodes.STORM_TARGET_SECONDS,
    }
    for name, target in targets.items():
        if name in found:
            yield f"{found['nodes']:,.0f} nodes: {name}", f"≤ {target:,.0f}", found[name], _met(found[name] <= target)


def _met(met: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "met" if met else "missed"


_PLUGINS: Final = (
    "plugin",
    "by",
    "CPU ratio",
    "±",
    "CPU µs more*",
    "its work",
    "itself",
    "target",
    "req/s ratio",
    "bare CPU µs",
)


def _plugin(cost: PluginCost) -> Row:
    work = f"{cost.work_us:+.1f}" if cost.work_us else ""
    held = ("", "", "") if cost.target_us is None else (work, f"{cost.own_us:+.1f}", f"{cost.target_us:.0f}")
    ratios = f"{cost.cpu_ratio:.3f}", f"{cost.spread:.3f}", f"{cost.more_us:+.1f}"
    return cost.name, cost.by, *ratios, *held, f"{cost.rate_ratio:.3f}", cost.bare_us


def _scale(scale: Mapping[str, Mapping[str, float]]) -> tuple[Row, Iterator[Row]]:
    names = list(dict.fromkeys(name for found in scale.values() for name in found))
    rows = ((name, *(found.get(name, "-") for found in scale.values())) for name in names)
    return ("", *scale), rows


_DASHBOARD: Final = ("p50 ms", "worst ms", "longest task ms", "kB")


def _dashboard(dashboard: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    for name, found in dashboard.items():
        yield name, *(f"{found[column]:.0f}" if column in found else "-" for column in _DASHBOARD)


_TRAFFIC: Final = (
    "contender",
    "routes",
    "plugins",
    "CPU ratio",
    "req/s ratio",
    "CPU µs",
    "least",
    "req/s",
    "p50 ms",
    "p99 ms",
)


def _traffic(c: Cost) -> Row:
    plugins = c.plugins if c.contender == GATEWAY else ""
    ratios = (f"{c.cpu_ratio:.3f}", f"{c.rate_ratio:.3f}")
    figures = (f"{c.cpu_us:.1f}", f"{c.cpu_us_least:.1f}", f"{c.per_second:,.0f}", c.p50_ms, c.p99_ms)
    return (c.contender, f"{c.routes:,}", plugins, *ratios, *figures)


_PARTS: Final = ("live", "answer", "answer to published", "dpm turn", "receipt")
_CHANGES: Final = ("shape", *_PARTS)


def _changes(changes: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    for shape, found in changes.items():
        yield (
            shape,
            *(f"{found[f'{part} p50']} / {found[f'{part} p99']}" if f"{part} p50" in found else "-" for part in _PARTS),
        )


def _memory(memory: Mapping[str, Mapping[str, Memory]]) -> tuple[Row, Iterator[Row]]:
    roles = list(dict.fromkeys(role for found in memory.values() for role in found))
    rows = (
        (role, *(f"{m.rss_mb:.0f} ({m.pss_mb:.0f})" if (m := found.get(role)) else "-" for found in memory.values()))
        for role in roles
    )
    return ("process", *memory), rows


_SKELETON: Final = ("variant", "CPU µs", "more than the bare router")


def _skeleton(skeleton: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    for name, found in skeleton.items():
        base: Mapping[str, float] = skeleton.get(name.partition(":")[0] + ": bare router", found)
        yield name, found["cpu_us"], f"{found['cpu_us'] - base['cpu_us']:+.2f}"


def _table(title: str, header: Row, rows: Any) -> str:
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    shown.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return f"### {title}\n\n" + "\n".join(shown) + "\n"


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"


def _machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release()}"
