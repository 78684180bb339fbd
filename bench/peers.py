"""Who the gateway is measured against: nginx and an Envoy as people write them by hand, and upstreams they share."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.load import LOAD_CORE, PROXY_CORE, Peer
from bench.shape import path
from gatefleet.envoy.binary import PATH as ENVOY

Json = dict[str, Any]
TYPE: Final = "type.googleapis.com/envoy."
BODY: Final = "x" * 1024
HTTP2: Final[Json] = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{TYPE}extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
NGINX: Final = """
worker_processes 1; daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; map_hash_max_size 65536; client_max_body_size 0;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home};
  {more}
}}
"""
ANSWERS: Final = """
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "{body}"; }}
    location /v1/data/ {{ return 200 '{{"result":{{"allow":true}}}}'; }}
  }}
"""
CALLS: Final = """
  server {{
    listen 127.0.0.1:{port} http2; root {home}; default_type application/grpc; add_trailer grpc-status 0;
    location / {{ rewrite ^ /frame last; }}
    location = /frame {{ error_page 405 =200 $uri; }}
  }}
"""
PROXIES: Final = """
  upstream backend {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  server {{ listen 127.0.0.1:{port}; {locations} }}
"""


@contextmanager
def upstream(home: Path) -> Generator[Peer]:
    """An nginx that answers 1 KiB to everything, and yes as Open Policy Agent, on the core of the load."""
    port = free_port()
    with _nginx(home, ANSWERS.format(port=port, body=BODY), port, LOAD_CORE) as peer:
        yield peer


@contextmanager
def grpc(home: Path, frame: bytes) -> Generator[Peer]:
    """An nginx that answers every call of gRPC with the same message, on the core of the load."""
    port = free_port()
    (home / "frame").write_bytes(frame)
    with _nginx(home, CALLS.format(port=port, home=home), port, LOAD_CORE) as peer:
        yield peer


@contextmanager
def nginx(home: Path, backend: int, routes: int) -> Generator[Peer]:
    """An nginx as a proxy with one exact location per route."""
    port = free_port()
    locations = "\n".join(f"location = {path(n)} {{ proxy_pass http://backend; }}" for n in range(routes))
    more = PROXIES.format(upstream=backend, port=port, locations=locations)
    with _nginx(home, more, port, PROXY_CORE) as peer:
        yield peer


@contextmanager
def envoy(home: Path, backend: int, routes: int) -> Generator[Peer]:
    """A bare Envoy with a static configuration and everything at its default.

    One route is a plain route; more are a matcher tree, for a list would be read from its start for each request.
    """
    with bare(home / f"envoy-{routes}.json", backend, [everything(routes)]) as peer:
        yield peer


@contextmanager
def bare(
    file: Path, backend: int, hosts: Sequence[Json], filters: Sequence[Json] = (), grpc: int = 0
) -> Generator[Peer]:
    """A bare Envoy with these virtual hosts and filters; its configuration is written to `file`."""
    port = free_port()
    file.write_text(json.dumps(static(port, backend, hosts, filters, grpc)))
    command = [str(ENVOY), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with _running(command, port, PROXY_CORE) as peer:
        yield peer


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def static(port: int, backend: int, hosts: Sequence[Json], filters: Sequence[Json] = (), grpc: int = 0) -> Json:
    """A bare Envoy's configuration: a listener with these virtual hosts and these filters before the router.

    Its clusters are `backend` and, where a port for it is given, `grpc`.
    """
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}},
        ],
    }
    listener = {"name": "http", "address": _address(port), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}]}
    ]}  # fmt: skip
    clusters = [_cluster("backend", backend), *([_cluster("grpc", grpc, HTTP2)] if grpc else [])]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _cluster(name: str, port: int, options: Json | None = None) -> Json:
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
        **({"typed_extension_protocol_options": options} if options else {}),
    }


@contextmanager
def _nginx(home: Path, more: str, port: int, core: int) -> Generator[Peer]:
    directory = home / f"nginx-{port}"
    directory.mkdir()
    (directory / "nginx.conf").write_text(NGINX.format(home=directory, more=more))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    with _running(command, port, core) as peer:
        yield peer


@contextmanager
def _running(command: Iterable[str], port: int, core: int) -> Generator[Peer]:
    process = subprocess.Popen(["taskset", "-c", str(core), *command], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield Peer(process.pid, port)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], patience: float = 20.0) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {patience:.0f} s: {process.args}")


def everything(routes: int) -> Json:
    """A virtual host for every host, with so many routes."""
    return {"name": "all", "domains": ["*"], **_routing(routes)}


def _routing(routes: int) -> Json:
    if routes == 1:
        return {"routes": [{"match": {"path": path(0)}, "route": {"cluster": "backend"}}]}
    asked = {"@type": TYPE + "type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": ":path"}
    leaf: Mapping[str, Any] = {
        "@type": TYPE + "config.route.v3.Route", "match": {"prefix": "/"}, "route": {"cluster": "backend"}
    }  # fmt: skip
    return {"matcher": {"matcher_tree": {
        "input": {"name": "path", "typed_config": asked},
        "exact_match_map": {"map": {
            path(n): {"action": {"name": "route", "typed_config": leaf}} for n in range(routes)
        }},
    }}}  # fmt: skip


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
