"""Asking service registries where a service is: a function per kind of registry, over its public HTTP or DNS API."""

import asyncio
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import dns.exception
import httpx

from gatefleet.discovery import Lookup
from gatefleet.errors import Unreachable
from gatefleet.outbound import Denied, Outbound, Transport

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

Json = Mapping[str, Any]
NACOS_TOKEN_SHARE: Final = 0.8
"""After this part of its life an access token of Nacos is fetched anew."""
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MOUNTED: Final = (Path("/var/run/secrets"), Path("/run/secrets"))
"""Where orchestrators put files for a process; others are none of a registry's business, whoever configures it."""
OWN_API: Final = ("kubernetes.default.svc", "kubernetes.default", "kubernetes.default.svc.cluster.local")
"""Names, beside the address in its environment, of the API server that a pod's own token is for; no other gets it."""
LARGEST: Final = 16 << 20
NO_NAMESPACE: Final = frozenset({"", "-", "default"})


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One instance of a service. `host` is an address, or a name still to be resolved."""

    host: str
    port: int
    weight: int = 1


class Registry:
    """One registry as one node reaches it: kept-alive connections, and a token where it hands out one."""

    def __init__(self, kind: str, config: Json, patience: float, outbound: Outbound | None = None) -> None:
        self._config = config
        self._kind, self._patience = kind, patience
        self._outbound = outbound or Outbound()
        transport = Transport(self._outbound, _trust(kind, config))
        self._http = httpx.AsyncClient(timeout=patience, trust_env=False, transport=transport)
        self._token, self._token_until = "", 0.0
        self._resolver: Resolver | None = None

    async def close(self) -> None:
        await self._http.aclose()

    async def find(self, lookup: Lookup) -> tuple[Found, ...]:
        """The instances that serve now, sorted; Unreachable, with the reason, when no answer can be had."""
        ask = _ASK[self._kind]
        try:
            async with asyncio.timeout(self._patience * 2):
                return tuple(sorted(set(await ask(self, lookup))))
        except (Denied, httpx.HTTPError, OSError, TimeoutError, dns.exception.DNSException) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:500]) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreachable(f"the registry's answer cannot be understood: {error!r}"[:500]) from error

    # Nacos: https://nacos.io/en/docs/open-api/ (v1) and https://nacos.io/en/docs/v2/guide/user/open-api/

    async def of_nacos(self, lookup: Lookup) -> Iterable[Found]:
        """Healthy and enabled instances whose metadata fit."""
        query = {
            "serviceName": lookup.service,
            "groupName": lookup.group or "DEFAULT_GROUP",
            "namespaceId": "" if lookup.namespace in {"-", "public"} else lookup.namespace,
            "healthyOnly": "true",
            **await self._nacos_token(),
        }
        answer = await self._any_host("GET", f"{self._prefix()}/ns/instance/list", params=query)
        hosts = cast("Sequence[Json]", (answer.get("data") or answer).get("hosts") or [])
        weight = float(self._config.get("default_weight") or 100)
        return [
            Found(str(host["ip"]), int(host["port"]), max(1, round(float(host.get("weight", 1)) * weight)))
            for host in hosts
            if host.get("healthy", True)
            and host.get("enabled", True)
            and float(host.get("weight", 1)) > 0
            and lookup.metadata.items() <= dict(host.get("metadata") or {}).items()
        ]

    async def _nacos_token(self) -> dict[str, str]:
        auth: Json = self._config.get("auth") or {}
        if token := auth.get("token"):
            return {"accessToken": str(token)}
        if not auth.get("username"):
            return {}
        if time.monotonic() > self._token_until:
            body = {"username": str(auth["username"]), "password": str(auth.get("password") or "")}
            answer = await self._any_host("POST", f"{self._prefix()}/auth/login", data=body)
            found = cast("Json", answer.get("data") or answer)
            self._token = str(found["accessToken"])
            self._token_until = time.monotonic() + NACOS_TOKEN_SHARE * float(found.get("tokenTtl") or 18000)
        return {"accessToken": self._token}

    def _prefix(self) -> str:
        return str(self._config.get("prefix") or "/nacos/v1").rstrip("/")

    # Kubernetes: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/

    async def of_kubernetes(self, lookup: Lookup) -> Iterable[Found]:
        """Ready endpoints of a service; `name:port` picks a port by its name or number, else the first one counts."""
        service: Json = self._config["service"]
        name, _, port = lookup.service.partition(":")
        base = f"{service.get('schema') or 'https'}://{service['host']}:{service.get('port') or 443}"
        url = f"{base}/apis/discovery.k8s.io/v1/namespaces/{lookup.namespace}/endpointslices"
        token = await asyncio.to_thread(self._kubernetes_token)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        query = {"labelSelector": f"kubernetes.io/service-name={name}"}
        answer = await self._json("GET", url, params=query, headers=headers)
        return [
            Found(str(address), number)
            for slice_ in cast("Sequence[Json]", answer["items"])
            if (number := _slice_port(slice_.get("ports") or (), port)) is not None
            for endpoint in cast("Sequence[Json]", slice_.get("endpoints") or ())
            if _ready(endpoint)
            for address in cast("Sequence[str]", endpoint.get("addresses") or ())
        ]

    def _kubernetes_token(self) -> str:
        client: Json = self._config.get("client") or {}
        if token := client.get("token"):
            return str(token)
        named = client.get("token_file")
        file = Path(str(named)).resolve() if named else SERVICE_ACCOUNT / "token"
        if not any(file.is_relative_to(folder.resolve()) for folder in MOUNTED):
            raise ValueError(f"token files are read below {' and '.join(map(str, MOUNTED))} only, not [{named}]")
        own = self._config["service"]["host"] in {os.environ.get("KUBERNETES_SERVICE_HOST"), *OWN_API}
        if file.is_relative_to(SERVICE_ACCOUNT.resolve()) and not own:
            return ""
        return file.read_text().strip() if file.is_file() else ""

    # Consul: https://developer.hashicorp.com/consul/api-docs/health

    async def of_consul(self, lookup: Lookup) -> Iterable[Found]:
        """Instances whose checks pass; the namespace is the datacentre, `-` for the agent's own."""
        query: dict[str, str] = {"passing": "1"}
        if lookup.namespace not in NO_NAMESPACE:
            query["dc"] = lookup.namespace
        headers = {"X-Consul-Token": str(token)} if (token := self._config.get("token")) else {}
        found = await self._any_host("GET", f"/v1/health/service/{lookup.service}", params=query, headers=headers)
        weight = int(self._config.get("default_weight") or 100)
        return [
            Found(
                str(entry["Service"].get("Address") or entry["Node"]["Address"]),
                int(entry["Service"]["Port"]),
                _consul_weight(entry["Service"]) * weight,
            )
            for entry in cast("Sequence[Json]", found)
            if lookup.metadata.items() <= dict(entry["Service"].get("Meta") or {}).items()
        ]

    # Eureka: https://github.com/Netflix/eureka/wiki/Eureka-REST-operations

    async def of_eureka(self, lookup: Lookup) -> Iterable[Found]:
        """Instances that are UP; of each the secure port where only that is enabled."""
        auth = None
        if user := self._config.get("username"):
            auth = httpx.BasicAuth(str(user), str(self._config.get("password") or ""))
        path = f"{str(self._config.get('prefix') or '/eureka').rstrip('/')}/apps/{lookup.service}"
        answer = await self._any_host(
            "GET", path, headers={"Accept": "application/json"}, auth=auth, missing={"application": {"instance": []}}
        )
        application: Json = answer["application"]
        instances: Any = application.get("instance") or []
        several = cast("Sequence[Json]", instances if isinstance(instances, list) else [instances])
        weight = int(self._config.get("default_weight") or 100)
        return [
            Found(str(one.get("ipAddr") or one["hostName"]), _eureka_port(one), weight)
            for one in several
            if one.get("status") == "UP" and lookup.metadata.items() <= dict(one.get("metadata") or {}).items()
        ]

    # DNS: RFC 1035, RFC 3596 and RFC 2782

    async def of_dns(self, lookup: Lookup) -> Iterable[Found]:
        """SRV records of names that begin with an underscore, else addresses with the port of `name:port`."""
        name, _, port = lookup.service.partition(":")
        resolver = self._dns_resolver()
        if name.startswith("_"):
            answer = await resolver.resolve(name, "SRV")
            records = list(answer)
            best = min((int(record.priority) for record in records), default=0)
            return [
                Found(str(record.target).rstrip("."), int(record.port), max(1, int(record.weight)))
                for record in records
                if int(record.priority) == best
            ]
        number = int(port) if port else lookup.default_port
        asked = await asyncio.gather(*(_addresses(resolver, name, kind) for kind in ("A", "AAAA")))
        return [Found(address, number) for addresses in asked for address in addresses]

    def _dns_resolver(self) -> "Resolver":
        if self._resolver is None:
            from dns import asyncresolver, nameserver  # noqa: PLC0415 - take long to load, and few groups ask DNS

            servers = cast("Sequence[str]", self._config.get("servers") or ())
            self._resolver = asyncresolver.Resolver(configure=not servers)
            self._resolver.lifetime = self._patience
            if servers:
                pairs = [_host_port(server, 53) for server in servers]
                for host, _ in pairs:
                    self._outbound.check(host, host)
                self._resolver.nameservers = [nameserver.Do53Nameserver(*pair) for pair in pairs]
        return self._resolver

    async def _any_host(self, method: str, path: str, missing: Any = None, **more: Any) -> Any:
        """The first host's answer, or the next one's where it gives none. `missing` stands for a 404."""
        hosts = cast("Sequence[str]", self._config["hosts"])
        for number, host in enumerate(hosts):
            try:
                return await self._json(method, host.rstrip("/") + path, missing, **more)
            except (httpx.HTTPError, OSError):
                if number == len(hosts) - 1:
                    raise
        raise ValueError("hosts is empty")

    async def _json(self, method: str, url: str, missing: Any = None, **more: Any) -> Any:
        response = await self._http.request(method, url, **more)
        if response.status_code == 404 and missing is not None:
            return missing
        response.raise_for_status()
        if len(response.content) > LARGEST:
            raise ValueError(f"the answer is larger than {LARGEST >> 20} MiB")
        return response.json()


_ASK: Final[Mapping[str, Callable[[Registry, Lookup], Awaitable[Iterable[Found]]]]] = {
    "nacos": Registry.of_nacos,
    "kubernetes": Registry.of_kubernetes,
    "consul": Registry.of_consul,
    "eureka": Registry.of_eureka,
    "dns": Registry.of_dns,
}


def _trust(kind: str, config: Json) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if kind == "kubernetes":
        inside = SERVICE_ACCOUNT / "ca.crt"
        if ca := config.get("ca"):
            context.load_verify_locations(cadata=str(ca))
        elif inside.is_file():
            context.load_verify_locations(cafile=str(inside))
        if config.get("tls_verify") is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _slice_port(ports: Iterable[Json], wanted: str) -> int | None:
    for port in ports:
        if not wanted or wanted in {str(port.get("name") or ""), str(port.get("port"))}:
            return int(port["port"])
    return None


def _ready(endpoint: Json) -> bool:
    conditions: Json = endpoint.get("conditions") or {}
    return conditions.get("ready", True) is not False


def _consul_weight(service: Json) -> int:
    weights: Json = service.get("Weights") or {}
    return int(weights.get("Passing") or 1)


def _eureka_port(instance: Json) -> int:
    plain: Json = instance.get("port") or {}
    secure: Json = instance.get("securePort") or {}
    chosen = secure if str(plain.get("@enabled")) == "false" and str(secure.get("@enabled")) == "true" else plain
    return int(chosen["$"])


async def _addresses(resolver: "Resolver", name: str, kind: str) -> list[str]:
    from dns.resolver import NoAnswer  # noqa: PLC0415 - as above

    try:
        return [record.to_text() for record in await resolver.resolve(name, kind)]
    except NoAnswer:
        return []


def _host_port(text: str, port: int) -> tuple[str, int]:
    match = re.fullmatch(r"\[?([^\]]+?)\]?(?::(\d+))?", text)
    return (match[1], int(match[2] or port)) if match else (text, port)
