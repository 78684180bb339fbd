"""Limits that nodes share through Redis: exact, over TLS and in clusters, and bounded where Redis is away."""

import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from native import kit
from native.kit import Answer, echo, filled, gateway
from native.test_limit import served
from redis_servers import Redis as Server
from redis_servers import redis_cluster, redis_server

from bench.skeleton import shapes
from gatefleet.native.config import Redis, limit_conn_config, limit_count_config, limit_req_config
from gatefleet.pki import self_signed
from tests.ports import free_port

LIMIT = {"key": "remote_addr", "key_type": "var", "rejected_code": 429, "rejected_body": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def at(*ports: int, **settings: Any) -> Redis:
    nodes = tuple(f"127.0.0.1:{port}" for port in ports)
    defaults: dict[str, Any] = {"cluster": len(ports) > 1, "timeout": 5000, "idle": 10_000}
    return Redis(nodes=nodes, **(defaults | settings))


@contextmanager
def limited(module_dir: Path, run_dir: Path, name: str, config: bytes, *, nodes: int = 1) -> Iterator[list[int]]:
    """Envoys of two workers with one limited route; yields their ports. Only limit-conn needs an upstream."""
    with ExitStack() as stack:
        upstream = shapes.cluster("up", stack.enter_context(echo()))
        action = shapes.proxy("up") if name == "limit-conn" else shapes.answer("in")
        leaf = shapes.route(action, filters=[shapes.module_filter(name, config)])
        manager = shapes.manager(shapes.scoped([shapes.scope("*", shapes.tree("prefix", {"/": leaf}))]))
        ports = [free_port() for _ in range(nodes)]
        for port in ports:
            own = filled(run_dir / f"node-{port}")
            stack.enter_context(gateway(module_dir, own, shapes.bootstrap(manager, port, [upstream]), workers=2))
        yield ports


def ask(port: int, **headers: str) -> Answer:
    """One request to a host that is not served by name."""
    return kit.ask(port, "/", "any.test", **headers)


def counting(owner: str, count: int, redis: Redis, **conf: Any) -> bytes:
    return limit_count_config(owner=owner, count=count, time_window=600, redis=redis, **conf)


def test_three_nodes_of_two_workers_let_through_exactly_the_count(
    module_dir: Path, tmp_path: Path, server: Server
) -> None:
    config = counting("three", 300, at(server.port))
    with limited(module_dir, tmp_path, "limit-count", config, nodes=3) as ports, ThreadPoolExecutor(9) as clients:
        seen = sum(clients.map(served, ports * 3, [60] * 9), Counter[int]())
        assert seen == {200: 300, 503: 240}
        headers = ask(ports[0]).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("300", "0")
    assert 500 < int(headers["x-ratelimit-reset"]) <= 600
    assert server.ask("get", "gatefleet:limit-count:three:127.0.0.1") == "541"


def test_long_keys_are_counted_by_their_digest(module_dir: Path, tmp_path: Path, server: Server) -> None:
    config = counting("long", 1, at(server.port), key="http_x_key")
    with limited(module_dir, tmp_path, "limit-count", config) as (port,):
        long = "k" * 2000
        answers = [ask(port, x_key=key).status for key in (long + "1", long + "2", long + "1")]
    assert answers == [200, 200, 503]


def test_windows_end_and_connections_without_use_are_closed(module_dir: Path, tmp_path: Path, server: Server) -> None:
    config = limit_count_config(owner="short", count=1, time_window=3, redis=at(server.port, idle=300))
    with limited(module_dir, tmp_path, "limit-count", config) as (port,):
        assert [ask(port).status for _ in range(2)] == [200, 503]
        time.sleep(3.1)
        assert server.ask("client", "list").count("\n") == 0
        assert ask(port).status == 200


def test_requests_over_the_rate_wait_for_their_turn_on_any_node(
    module_dir: Path, tmp_path: Path, server: Server
) -> None:
    config = limit_req_config(
        owner="rate", rate=1, burst=2, nodelay=False, allow_degradation=False, redis=at(server.port), **LIMIT
    )
    with limited(module_dir, tmp_path, "limit-req", config, nodes=2) as ports, ThreadPoolExecutor(6) as clients:
        began = time.monotonic()
        answers = list(clients.map(timed, ports * 3))
    assert Counter(status for status, _ in answers) == {200: 3, 429: 3}
    passed = sorted(ended - began for status, ended in answers if status == 200)
    assert passed[1] > 0.95
    assert passed[2] > 1.95


def timed(port: int) -> tuple[int, float]:
    return ask(port).status, time.monotonic()


def test_places_are_taken_on_all_nodes_and_given_back_however_a_request_ends(
    module_dir: Path, tmp_path: Path, server: Server
) -> None:
    config = placing("places", at(server.port))
    taken = ("zcard", "gatefleet:limit-conn:places:127.0.0.1")
    with limited(module_dir, tmp_path, "limit-conn", config, nodes=2) as ports:
        aborted = [held(port) for port in ports]
        until(lambda: server.ask(*taken) == "2")
        assert [ask(port).status for port in ports] == [429, 429]
        for connection in aborted:
            connection.close()
        until(lambda: server.ask(*taken) == "0")
        assert ask(ports[0]).status == 200
        until(lambda: server.ask(*taken) == "0")


def placing(owner: str, redis: Redis, **conf: Any) -> bytes:
    defaults: dict[str, Any] = {"conn": 2, "burst": 0, "delay": 0.1, "only_use_default_delay": True, "lease": 60}
    return limit_conn_config(owner=owner, allow_degradation=False, redis=redis, **LIMIT, **(defaults | conf))


def held(port: int) -> socket.socket:
    """A request whose body never comes, so that it stays under way."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: any.test\r\nContent-Length: 5\r\n\r\n")
    return connection


def until(holds: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_places_that_are_not_given_back_are_free_again_after_their_time(
    module_dir: Path, tmp_path: Path, server: Server
) -> None:
    config = placing("dead", at(server.port), lease=1)
    key = "gatefleet:limit-conn:dead:127.0.0.1"
    with limited(module_dir, tmp_path, "limit-conn", config) as (port,):
        now = int(server.ask("time").split()[0])
        for member, age in (("gone-1", -1), ("gone-2", -1), ("there", 60)):
            server.ask("zadd", key, str(now + age), member)
        assert ask(port).status == 200


def test_places_are_given_back_late_where_redis_was_away(module_dir: Path, tmp_path: Path, server: Server) -> None:
    config = placing("late", at(server.port, timeout=1500), conn=1)
    key = "gatefleet:limit-conn:late:127.0.0.1"
    with limited(module_dir, tmp_path, "limit-conn", config) as (port,):
        connection = held(port)
        until(lambda: server.ask("zcard", key) == "1")
        assert server.process
        server.process.send_signal(signal.SIGSTOP)
        connection.close()
        assert ask(port).status == 500
        server.process.send_signal(signal.SIGCONT)
        until(lambda: server.ask("zcard", key) == "0")
        assert ask(port).status == 200


@pytest.mark.parametrize(("degrade", "status"), [(False, 500), (True, 200)])
def test_where_redis_is_away_requests_are_answered_as_configured_and_in_time(
    module_dir: Path, tmp_path: Path, *, degrade: bool, status: int
) -> None:
    with redis_server(tmp_path) as server:
        config = counting("away", 1000, at(server.port, timeout=1500), allow_degradation=degrade)
        with limited(module_dir, tmp_path, "limit-count", config) as (port,), ThreadPoolExecutor(20) as clients:
            assert ask(port).status == 200
            assert server.process
            server.process.send_signal(signal.SIGSTOP)  # it takes connections and says nothing
            began = time.monotonic()
            assert set(clients.map(lambda _: ask(port).status, range(20))) == {status}
            assert time.monotonic() - began > 1.4
            server.stop()  # nobody takes connections
            assert served(port, 100) == {status: 100}
            server.start()
            until(lambda: "x-ratelimit-remaining" in ask(port).headers)


def test_names_passwords_databases_and_tls(module_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = self_signed(["127.0.0.1"], datetime.now(UTC))
    for name, pem in (("cert.pem", pair.certificate), ("key.pem", pair.key), ("none.pem", "")):
        (tmp_path / name).write_text(pem)
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    tls = ("--tls-port", "{port}", "--port", "0", "--tls-cert-file", certificate, "--tls-key-file", key)
    users = ("--user", "jack", "on", ">jacks", "~*", "+@all", "--requirepass", "all", "--tls-auth-clients", "no")
    as_cli = ("--tls", "--insecure", "--user", "jack", "--pass", "jacks", "--no-auth-warning")
    with redis_server(tmp_path, *tls, *users, credentials=as_cli) as server:
        settings: dict[str, Any] = {"tls": True, "verify": True, "database": 3, "username": "jack", "password": "jacks"}

        def one(**changed: Any) -> Answer:
            config = counting("known", 1, at(server.port, **(settings | changed)))
            with limited(module_dir, tmp_path, "limit-count", config) as (port,):
                return ask(port)

        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        assert one().status == 200
        assert one(password="jills").status == 500
        assert one(username=None, password="all").status == 503
        assert one(tls=False).status == 500
        assert server.ask("-n", "3", "keys", "*") == "gatefleet:limit-count:known:127.0.0.1"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        assert one().status == 500
        assert one(verify=False).status == 503


def test_a_cluster_is_asked_where_the_counter_is(module_dir: Path, tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(30)]
    with redis_cluster(tmp_path) as servers:
        redis = at(servers[0].port, servers[1].port, timeout=2000)
        config = counting("spread", 2, redis, key="http_x_key")
        with limited(module_dir, tmp_path, "limit-count", config, nodes=2) as ports:
            turns = [[ask(ports[turn % 2], x_key=key).status for key in keys] for turn in range(3)]
            assert turns == [[200] * 30, [200] * 30, [503] * 30]
            counted = [len(server.ask("keys", "*").split()) for server in servers]
            assert sum(counted) == 30
            assert all(counted)
            on_its_way(servers, "gatefleet:limit-count:spread:moving")
            assert [ask(ports[0], x_key="moving").status for _ in range(3)] == [200, 200, 503]
            servers[2].stop()
            statuses = Counter(ask(ports[0], x_key=key).status for key in keys)
            assert statuses == {500: counted[2], 503: 30 - counted[2]}


def on_its_way(servers: list[Server], key: str) -> None:
    """Makes the key's slot move from its server to another one: who asks the first is sent to the second for once."""
    slot = servers[0].ask("cluster", "keyslot", key)
    ids = [server.ask("cluster", "myid") for server in servers]
    source = int(slot) * len(servers) // 16384
    target = (source + 1) % 2
    servers[target].ask("cluster", "setslot", slot, "importing", ids[source])
    servers[source].ask("cluster", "setslot", slot, "migrating", ids[target])
