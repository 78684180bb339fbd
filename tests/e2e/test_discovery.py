"""Upstreams that are named in a registry instead of listed, through a whole fleet."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registries import PASSWORD, TOKEN, USER, Instance, Standin, standin

from tests.e2e.kit import Fleet, eventually

REGISTRIES = "/api/gateway_groups/default/service_registries"


@contextmanager
def named(name: str) -> Iterator[int]:
    """An upstream that answers its name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def configured(known: Standin) -> dict[str, tuple[dict[str, Any], str]]:
    """Registries by id, and the name of the service there."""
    often = {"fetch_interval": 1}
    host, port = known.url.removeprefix("http://").split(":")
    return {
        "nacos": (
            {"type": "nacos", "nacos_config": {
                "hosts": [known.url], "auth": {"username": USER, "password": PASSWORD}, **often}},
            "dev/team/web",
        ),
        "consul": ({"type": "consul", "consul_config": {"hosts": [known.url], "token": TOKEN, **often}}, "-/web"),
        "kubernetes": (
            {"type": "kubernetes", "kubernetes_config": {
                "service": {"schema": "http", "host": host, "port": int(port)}, "client": {"token": TOKEN}, **often}},
            "dev/web:http",
        ),
        "eureka": ({"type": "eureka", "eureka_config": {"hosts": [known.url], **often}}, "-/web"),
    }  # fmt: skip


def statuses(fleet: Fleet) -> set[str]:
    return {registry["status"] for registry in fleet.call("GET", REGISTRIES).json()["list"]}


def test_nodes_follow_registries_and_keep_the_last_endpoints_when_they_die(fleet: Fleet) -> None:
    with ExitStack() as stack:
        one, two = stack.enter_context(named("one")), stack.enter_context(named("two"))
        with standin(Instance(one)) as known:
            services = configured(known)
            for name, (registry, path) in services.items():
                made = fleet.call("PUT", f"{REGISTRIES}/{name}", {"name": name, **registry})
                assert made.status_code == 200, made.text
                assert TOKEN not in made.text
                upstream = {"service_name": f"{name}/{path}", "discovery_type": name}
                fleet.put(f"services/{name}", {"name": name, "upstream": upstream})
                fleet.route(name, name, f"/{name}")
            for name in services:
                eventually(lambda n=name: fleet.get(f"/{n}").body == b"one")
            known.instances[:] = [Instance(two)]
            for name in services:
                eventually(lambda n=name: fleet.get(f"/{n}").body == b"two")
            eventually(lambda: statuses(fleet) == {"healthy"})
            assert known.refused == []
            refused = fleet.call("DELETE", f"{REGISTRIES}/consul")
            assert (refused.status_code, "still using it" in refused.text) == (400, True)
            other = _synced_by_name(fleet)
        eventually(lambda: statuses(fleet) == {"lost_connection"})
        for name in services:
            assert fleet.get(f"/{name}").body == b"two"
        told = fleet.call("GET", f"{REGISTRIES}/consul").json()["value"]
        assert told["associated_services_count"] == 1
        assert "ConnectError" in told["reason"]
        node = fleet.call("GET", f"{REGISTRIES}/consul/instances").json()["list"][0]
        assert node["status"] == "lost_connection"
        for name in services:
            fleet.delete(f"services/{name}")
        for path in (*(f"{REGISTRIES}/{name}" for name in services), f"/api/gateway_groups/{other}?force=true"):
            assert fleet.call("DELETE", path).status_code == 200


def _synced_by_name(fleet: Fleet) -> str:
    """The same version in another group, whose nodes look the service up in a registry of their own; the group."""
    group = fleet.call("POST", "/api/gateway_groups", {"name": "registered", "description": ""}).json()["value"]["id"]
    sync = {
        "gateway_group_ids": [group],
        "version": "1.0.0",
        "upstream": {"service_registry_id": "central", "namespace": "uat", "group": "team", "service_name": "web"},
    }
    path = "/api/gateway_groups/default/services/nacos/sync"
    assert "central" in fleet.call("POST", path, sync).text
    registry = configured(Standin([], http_port=1))["nacos"][0]
    fleet.call("PUT", f"/api/gateway_groups/{group}/service_registries/central", {"name": "c", **registry})
    done = fleet.call("POST", path, sync)
    assert done.status_code == 200, done.text
    there = fleet.call("GET", f"/api/gateway_groups/{group}/services/nacos").json()["value"]
    assert (there["version"], there["upstream"]["service_name"]) == ("1.0.0", "central/uat/team/web")
    return group
