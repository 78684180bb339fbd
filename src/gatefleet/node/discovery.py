"""Keeps endpoints what service registries say: asked again and again, and kept when a registry does not answer."""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from gatefleet.discovery import Lookup
from gatefleet.errors import Unreachable
from gatefleet.fleet import RegistryState
from gatefleet.node.registries import Found, Registry
from gatefleet.outbound import Outbound
from gatefleet.protos.envoy.config.endpoint import v3 as endpoint
from gatefleet.protos.google import protobuf as wkt
from gatefleet.snapshot import DISCOVERY, Entry, Snapshot, entry

log = structlog.get_logger()
RETRY: Final = 1.0
"""Seconds until a registry that did not answer is asked again."""
MOST_WEIGHT: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Watched:
    version: str
    task: asyncio.Task[None]


class Discovery:
    """Looks up every upstream that a snapshot names; `changed` is called when endpoints are not what they were."""

    def __init__(self, changed: Callable[[], None], outbound: Outbound | None = None) -> None:
        self.endpoints: dict[str, Entry] = {}
        """Cluster to its serialized ClusterLoadAssignment, for every upstream a registry has answered for."""
        self.states: dict[str, RegistryState] = {}
        """Registry id to how it is."""
        self._changed = changed
        self._outbound = outbound or Outbound()
        self._watched: dict[str, _Watched] = {}
        self._registries: dict[bytes, Registry] = {}

    def follow(self, snapshot: Snapshot) -> None:
        """Look up just what this snapshot names from now on; what it no longer names is forgotten."""
        wanted = snapshot.of(DISCOVERY)
        for cluster in [name for name in self._watched if name not in wanted]:
            self._watched.pop(cluster).task.cancel()
            self.endpoints.pop(cluster, None)
        lookups = {cluster: Lookup.from_bytes(found.body) for cluster, found in wanted.items()}
        for cluster, found in wanted.items():
            held = self._watched.get(cluster)
            if held is None or held.version != found.version:
                if held:
                    held.task.cancel()
                task = asyncio.create_task(self._watch(cluster, lookups[cluster]), name=f"lookup {cluster}")
                self._watched[cluster] = _Watched(found.version, task)
        named = {lookup.registry for lookup in lookups.values()}
        self.states = {registry: state for registry, state in self.states.items() if registry in named}
        self._close_unused(lookups.values())

    async def stop(self) -> None:
        for watched in self._watched.values():
            watched.task.cancel()
        await asyncio.gather(*(watched.task for watched in self._watched.values()), return_exceptions=True)
        for registry in self._registries.values():
            await registry.close()

    async def _watch(self, cluster: str, lookup: Lookup) -> None:
        registry = self._registries.setdefault(_identity(lookup), _registry(lookup, self._outbound))
        every = float(lookup.config.get("fetch_interval") or 5)
        while True:
            try:
                found = await registry.find(lookup)
                body = _assignment(cluster, lookup, await asyncio.to_thread(_resolved, found))
                self._state(lookup.registry, "")
                self._set(cluster, entry(body), len(found))
            except Unreachable as error:
                self._state(lookup.registry, str(error).replace("\0", "")[:500])
                await asyncio.sleep(RETRY)
                continue
            await asyncio.sleep(every)

    def _set(self, cluster: str, fresh: Entry, count: int) -> None:
        if self.endpoints.get(cluster) != fresh:
            self.endpoints[cluster] = fresh
            log.info("endpoints changed", cluster=cluster, count=count)
            self._changed()

    def _state(self, registry: str, problem: str) -> None:
        before = self.states.get(registry)
        status = "lost_connection" if problem else "healthy"
        connected = int(time.time()) if not problem else before.last_connect_time if before else 0
        if before is None or before.status != status:
            say = log.warning if problem else log.info
            say("service registry", registry=registry, status=status, reason=problem or None)
        self.states[registry] = RegistryState(status, connected, problem)

    def _close_unused(self, lookups: Iterable[Lookup]) -> None:
        used = {_identity(lookup) for lookup in lookups}
        for identity in [known for known in self._registries if known not in used]:
            registry = self._registries.pop(identity)
            asyncio.get_running_loop().create_task(registry.close())


def nowhere(cluster: str) -> Entry:
    """The endpoints of an upstream that no registry has answered for yet: none."""
    return entry(endpoint.ClusterLoadAssignment(cluster_name=cluster).SerializeToString(deterministic=True))


def _registry(lookup: Lookup, outbound: Outbound) -> Registry:
    return Registry(lookup.type, lookup.config, lookup.patience, outbound)


def _identity(lookup: Lookup) -> bytes:
    """Lookups in one registry, configured alike, share its connections and token."""
    return Lookup(lookup.registry, lookup.type, lookup.config, lookup.patience, "", "", "", {}, 0).to_bytes()


def _resolved(found: Iterable[Found]) -> list[Found]:
    """Names replaced by their addresses, since EDS takes nothing else; a name that cannot be resolved is left out."""
    resolved: list[Found] = []
    for one in found:
        with contextlib.suppress(ValueError):
            resolved.append(Found(str(ipaddress.ip_address(one.host)), one.port, one.weight))
            continue
        with contextlib.suppress(OSError, ValueError):
            for *_, address in socket.getaddrinfo(one.host, one.port, type=socket.SOCK_STREAM):
                resolved.append(Found(str(address[0]), one.port, one.weight))
    return resolved


def _assignment(cluster: str, lookup: Lookup, found: Iterable[Found]) -> bytes:
    weights: Mapping[tuple[str, int], Found] = {(one.host, one.port): one for one in found}
    return endpoint.ClusterLoadAssignment(
        cluster_name=cluster,
        endpoints=[{"lb_endpoints": [_endpoint(one, lookup.default_port) for _, one in sorted(weights.items())]}],
    ).SerializeToString(deterministic=True)


def _endpoint(one: Found, default_port: int) -> dict[str, object]:
    host = f"[{one.host}]" if ":" in one.host else one.host
    return {
        "endpoint": {
            "address": {"socket_address": {"address": one.host, "port_value": one.port}},
            "hostname": host if one.port == default_port else f"{host}:{one.port}",
        },
        "load_balancing_weight": wkt.UInt32Value(value=min(one.weight, MOST_WEIGHT)),
    }
