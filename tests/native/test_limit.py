"""limit-count: exact over workers and processes, and its counters outlive configurations and Envoys."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from native.kit import ask, filled, gateway

from bench.skeleton import shapes
from bench.skeleton.shapes import Json
from gatefleet.native.config import limit_count_config
from tests.ports import free_port


def limited(version: str, **conf: object) -> Json:
    """One route configuration around one limited route; `version` shows which one answers."""
    config = limit_count_config(owner="route:r1", **conf)  # type: ignore[arg-type]
    leaf = shapes.route(shapes.answer("in"), filters=[shapes.module_filter("limit-count", config)])
    scope = shapes.scope("*", shapes.tree("prefix", {"/": leaf}), [shapes.response_header("x-version", version)])
    routes: Json = scope["route_configuration"]
    return routes


def whole(port: int, routes: Path) -> Json:
    """A listener whose routes come from a file, as they would come from the agent."""
    source = {"path_config_source": {"path": str(routes), "watched_directory": {"path": str(routes.parent)}}}
    routing = {"rds": {"route_config_name": "*", "config_source": source}}
    return shapes.bootstrap(shapes.manager(routing), port)


def push(routes: Path, configuration: Json) -> None:
    """Replaces the routes at once."""
    resource = {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", **configuration}
    part = routes.with_suffix(".part")
    part.write_text(json.dumps({"resources": [resource]}))
    part.replace(routes)


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    filled(tmp_path)
    directory = tmp_path / "routes"
    directory.mkdir()
    return directory / "routes.json"


def served(port: int, count: int) -> Counter[int]:
    """Statuses of `count` requests over one kept connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    seen: Counter[int] = Counter()
    for _ in range(count):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        seen[answer.status] += 1
    connection.close()
    return seen


def test_two_workers_and_two_envoys_let_through_exactly_the_count(module_dir: Path, routes: Path) -> None:
    run_dir, ports = routes.parent.parent, (free_port(), free_port())
    push(routes, limited("1", count=300, time_window=600))
    first = gateway(module_dir, run_dir, whole(ports[0], routes), workers=2)
    second = gateway(module_dir, run_dir, whole(ports[1], routes), workers=2)
    with first, second, ThreadPoolExecutor(8) as clients:
        seen = sum(clients.map(served, ports * 4, [100] * 8), Counter[int]())
    assert seen == {200: 300, 503: 500}


def test_sixty_four_connections_get_exactly_the_count_while_the_configuration_changes(
    module_dir: Path, routes: Path
) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=1000, time_window=600))
    with gateway(module_dir, run_dir, whole(port, routes), workers=2), ThreadPoolExecutor(64) as clients:
        first = clients.map(served, [port] * 64, [10] * 64)
        push(routes, limited("2", count=1000, time_window=600, rejected_code=429))
        second = clients.map(served, [port] * 64, [10] * 64)
        seen = sum((*first, *second), Counter[int]())
        end = time.monotonic() + 60
        while ask(port, "/").headers["x-version"] == "1" and time.monotonic() < end:
            time.sleep(0.02)
        assert served(port, 10) == {429: 10}
    assert seen[200] == 1000
    assert seen[503] + seen[429] == 280


def test_counters_outlive_a_push_and_a_killed_envoy(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=5, time_window=600))
    with gateway(module_dir, run_dir, whole(port, routes)):
        answers = [ask(port, "/") for _ in range(3)]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["4", "3", "2"]
        push(routes, limited("2", count=5, time_window=600, rejected_code=429, rejected_msg="later"))
        end = time.monotonic() + 20
        while answers[-1].headers["x-version"] == "1" and time.monotonic() < end:
            answers.append(ask(port, "/"))
        assert answers[-1].headers["x-version"] == "2"
    with gateway(module_dir, run_dir, whole(port, routes)):
        answers += [ask(port, "/") for _ in range(5)]
    assert [answer.status for answer in answers].count(200) == 5
    assert (answers[-1].status, answers[-1].body) == (429, '{"error_msg":"later"}\n')
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


def test_another_count_begins_anew(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=1, time_window=600))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert served(port, 2) == {200: 1, 503: 1}
    push(routes, limited("2", count=2, time_window=600))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert served(port, 3) == {200: 2, 503: 1}


def test_a_window_ends(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=1, time_window=4))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert ask(port, "/").status == 200
        answers = [ask(port, "/")]
        while answers[-1].status == 503 and len(answers) < 1000:
            time.sleep(0.05)
            answers.append(ask(port, "/"))
        assert len(answers) > 1, "the window ended too early"
        assert answers[-1].status == 200
        assert {answer.headers["x-ratelimit-reset"] for answer in answers} <= {"1", "2", "3", "4"}


def test_what_can_be_shown_can_be_named_and_hidden(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=2, time_window=60, header_names=("X-L", "X-Rem", "X-Res")))
    with gateway(module_dir, run_dir, whole(port, routes)):
        headers = ask(port, "/").headers
        assert (headers["x-l"], headers["x-rem"], headers["x-res"]) == ("2", "1", "60")
    push(routes, limited("2", count=3, time_window=60, show_limit_quota_header=False, rejected_code=200))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert not [name for name in ask(port, "/").headers if name.startswith("x-ratelimit")]


def test_a_counters_file_of_another_boot_or_version_is_emptied(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    push(routes, limited("1", count=1, time_window=600))
    for spoil in (b"", b"X" * 100, None):
        with gateway(module_dir, run_dir, whole(port, routes)):
            assert ask(port, "/").status == 200
            assert ask(port, "/").status == 503
        file = run_dir / "limits.shm"
        if spoil is None:
            file.unlink()
        else:
            file.write_bytes(spoil)


def test_without_room_for_counters_the_answer_is_500(module_dir: Path, routes: Path) -> None:
    run_dir, port = routes.parent.parent, free_port()
    (run_dir / "limits.shm").symlink_to(run_dir / "elsewhere")
    push(routes, limited("1", count=5, time_window=60))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert ask(port, "/").status == 500
        assert not (run_dir / "elsewhere").exists()
    push(routes, limited("1", count=5, time_window=60, allow_degradation=True))
    with gateway(module_dir, run_dir, whole(port, routes)):
        assert ask(port, "/").status == 200
