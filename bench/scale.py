"""Ten thousand consumers, hosts or certificates: memory, the first byte of what was never asked for, and a change."""

import http.client
import random
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import httpx

from bench import changes
from bench.fleet import Fleet
from bench.shape import HOST, Json, Shape, path
from gatefleet.pki import self_signed

PATIENCE: Final = 10.0
"""Seconds after which a change counts as lost."""
ASKED: Final = 100
CERTIFICATES_TARGET_MB: Final = 350.0

Found = dict[str, float]


def hosts(fleet: Fleet, upstream: int, count: int, times: int) -> Found:
    """`count` services of one host and one route each."""
    shape = Shape(count, hosts=count)
    fleet.fill(shape, upstream)
    first = [_first_byte(fleet, shape.host(n), path(n)) for n in random.sample(range(count), min(ASKED, count))]
    live = [timing.live for timing in changes.measure(fleet, shape, times)]
    return _found(fleet, first, live)


def consumers(fleet: Fleet, upstream: int, count: int, times: int) -> Found:
    """`count` consumers with a key each, and one route that asks for it."""
    fleet.fill(Shape(1), upstream)
    fleet.set_plugins(Shape(1), upstream, {"key-auth": {}})
    fleet.store(_consumer(n, f"key-{n}") for n in range(count))
    fleet.settle(upstream)
    some = random.sample(range(count), min(ASKED, count))
    first = [_first_byte(fleet, HOST, path(0), {"apikey": f"key-{n}"}) for n in some]
    live = [_changed(fleet, _consumer(n, f"new-{n}"), _admits(fleet, f"new-{n}")) for n in some[:times]]
    return _found(fleet, first, live)


def certificates(fleet: Fleet, upstream: int, count: int, times: int) -> Found:
    """`count` certificates, each for a name of its own; every one is asked for, so that Envoy holds them all."""
    fleet.fill(Shape(1), upstream)
    listeners = _listeners_updated(fleet)
    fleet.store(_certificate(n) for n in range(count))
    fleet.settle(upstream)
    first = [_handshake(fleet, n)[0] for n in range(count)]
    live = [_changed(fleet, _certificate(n), _shows_another(fleet, n)) for n in random.sample(range(count), times)]
    updates = {"listener updates": float(_listeners_updated(fleet) != listeners)}
    return {**_found(fleet, random.sample(first, min(ASKED, count)), live), **updates}


def _found(fleet: Fleet, first: Sequence[float], live: Sequence[float]) -> Found:
    found = {f"{role} MB": memory.rss_mb for role, memory in fleet.memory().items() if role != "up"}
    for name, values in (("first byte", first), ("live", live)):
        ordered = sorted(values)
        found[f"{name} p50"] = round(statistics.median(ordered), 1)
        found[f"{name} p99"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1)
    return found


def _first_byte(fleet: Fleet, host: str, target: str, headers: Json | None = None) -> float:
    """From opening a connection to the first byte of the answer, in ms. RuntimeError for any answer but 200."""
    began = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", fleet.gateway, timeout=PATIENCE)) as connection:
        connection.request("GET", target, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        took = time.monotonic() - began
        if answer.status != 200:
            raise RuntimeError(f"{host}{target}: {answer.status}")
    return took * 1000


def _changed(fleet: Fleet, document: tuple[str, Json], is_live: Callable[[], bool]) -> float:
    """From the Admin API's answer until the change is seen, in ms."""
    fleet.put([document])
    began = time.monotonic()
    while not is_live():
        if time.monotonic() - began > PATIENCE:
            raise RuntimeError(f"{document[0]} is not live after {PATIENCE:.0f} s")
    return (time.monotonic() - began) * 1000


# ---- consumers


def _consumer(n: int, key: str) -> tuple[str, Json]:
    return f"consumers/c{n}", {"username": f"c{n}", "plugins": {"key-auth": {"key": key}}}


def _admits(fleet: Fleet, key: str) -> Callable[[], bool]:
    connection = http.client.HTTPConnection("127.0.0.1", fleet.gateway, timeout=PATIENCE)

    def asked() -> bool:
        connection.request("GET", path(0), headers={"Host": HOST, "apikey": key})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            connection.close()
        return answer.status == 200

    return asked


# ---- certificates


def _certificate(n: int) -> tuple[str, Json]:
    pair = self_signed([_name(n)], datetime.now(UTC))
    return f"ssls/s{n}", {"snis": [_name(n)], "cert": pair.certificate, "key": pair.key}


def _name(n: int) -> str:
    return f"c{n}.{HOST}"


def _handshake(fleet: Fleet, n: int) -> tuple[float, bytes]:
    """From opening a connection to the end of its TLS handshake, in ms, and the certificate it showed."""
    began = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", 9443 + fleet.offset), PATIENCE) as raw,
        _anybody().wrap_socket(raw, server_hostname=_name(n)) as secured,
    ):
        took = time.monotonic() - began
        shown = secured.getpeercert(binary_form=True)
    return took * 1000, shown or b""


@cache
def _anybody() -> ssl.SSLContext:
    """A client that takes every certificate; made once, for that takes longer than a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _shows_another(fleet: Fleet, n: int) -> Callable[[], bool]:
    before = _handshake(fleet, n)[1]
    return lambda: _handshake(fleet, n)[1] != before


def _listeners_updated(fleet: Fleet) -> tuple[str, ...]:
    """When Envoy's listeners came to be as they are."""
    command = fleet.processes()["node: Envoy"][0].cmdline()
    admin = Path(command[command.index("-c") + 1]).parent / "admin.sock"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin)), base_url="http://envoy") as client:
        return tuple(_updates(client.get("/config_dump", params={"resource": "dynamic_listeners"}).json()))


def _updates(dump: Json) -> Iterator[str]:
    for listener in dump.get("configs", ()):
        yield f"{listener['name']} {listener['active_state']['last_updated']}"
