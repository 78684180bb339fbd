"""ADC as a client: it dumps a gateway group, compares it with a local configuration, and writes the difference.

The order of calls, the identities and the comparison are those of `adc` 0.28 with its API7 Enterprise backend:
what a server stores and returns must leave no difference once a configuration has been synced.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx

from tests.contract.calls import Caller

Body = dict[str, Any]
Identity = tuple[str, str | None, str]
"""Kind, parent (only where the URL names it), id."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "service": ("name", "desc", "labels", "hosts", "path_prefix", "strip_path_prefix", "upstream", "plugins"),
    "route": (
        *("name", "desc", "labels", "paths", "methods", "vars", "priority", "enable_websocket"),
        *("timeout", "plugins"),
    ),
    "stream_route": ("name", "desc", "labels", "server_addr", "server_port", "remote_addr", "plugins"),
    "upstream": (
        *("name", "desc", "labels", "scheme", "type", "hash_on", "key", "nodes", "retries", "retry_timeout"),
        *("timeout", "pass_host", "upstream_host", "keepalive_pool", "tls", "checks"),
    ),
    "consumer": ("username", "desc", "labels", "plugins"),
    "consumer_credential": ("name", "desc", "labels", "plugins"),
    "ssl": ("labels", "type", "snis", "cert", "client"),
    "global_rule": ("plugins",),
}
"""What ADC looks at; plugin_metadata it takes whole."""

ORDER: Final = (
    *(("delete", kind) for kind in ("route", "stream_route", "service", "upstream", "consumer", "ssl")),
    *(("create", "ssl"), ("update", "ssl")),
    *(("update", kind) for kind in ("route", "stream_route", "service", "upstream", "consumer")),
    *(("create", kind) for kind in ("service", "route", "stream_route", "consumer", "upstream")),
    *((step, "global_rule") for step in ("delete", "create", "update")),
    *((step, "plugin_metadata") for step in ("delete", "create", "update")),
    *((step, "consumer_credential") for step in ("delete", "create", "update")),
)
PARALLEL: Final = 10


@dataclass(frozen=True)
class Resource:
    """One thing ADC writes: `body` as it is sent, without the aliases. `owner`: what it is deleted with."""

    kind: str
    id: str
    body: Body
    owner: tuple[str, str] | None = None

    @property
    def identity(self) -> Identity:
        nested = self.owner and self.kind in {"upstream", "consumer_credential"}
        return self.kind, self.owner[1] if self.owner and nested else None, self.id

    @property
    def path(self) -> str:
        match self.kind, self.owner:
            case "upstream", (_, service):
                return f"services/{service}/upstreams/{self.id}"
            case "consumer_credential", (_, username):
                return f"consumers/{username}/credentials/{self.id}"
            case "plugin_metadata", _:
                return f"plugin_metadata/{self.id}"
            case _:
                return f"{self.kind}s/{self.id}"

    @property
    def sent(self) -> Body:
        alias = {"service": "service_id", "route": "route_id", "stream_route": "stream_route_id"}.get(self.kind)
        return {**self.body, alias: self.id} if alias else self.body


@dataclass(frozen=True)
class Event:
    step: Literal["create", "update", "delete"]
    resource: Resource


@dataclass
class Dump:
    """What a server holds, as ADC reads it."""

    resources: dict[Identity, Resource] = field(default_factory=dict)
    schemas: Body = field(default_factory=dict)

    def add(self, *resources: Resource) -> None:
        for resource in resources:
            self.resources[resource.identity] = resource


@dataclass(frozen=True)
class Adc:
    """ADC on behalf of one caller. With the admin key of a group it never asks for the group."""

    caller: Caller
    group_name: str | None = None
    selector: Mapping[str, str] = field(default_factory=dict)

    async def ping(self) -> None:
        await self.caller.get("/api/gateway_groups")

    async def dump(self) -> Dump:
        """Everything, in three waves of parallel reads."""
        _, _, schemas = await asyncio.gather(
            self.caller.get("/api/version"), self._find_group(), self.caller.get("/api/schema/core")
        )
        dump = Dump(schemas=schemas["value"])
        branches = (self._services, self._consumers, self._ssls, self._global_rules, self._metadata)
        await asyncio.gather(*(branch(dump) for branch in branches))
        return dump

    async def diff(self, local: Body) -> list[Event]:
        return list(events(resources(local), await self.dump()))

    async def unsettled(self, local: Body) -> list[str]:
        """What ADC would still change, with the reasons."""
        dump = await self.dump()
        wanted = {resource.identity: resource for resource in resources(local)}
        reasons: list[str] = []
        for event in events(wanted.values(), dump):
            held, mine = dump.resources.get(event.resource.identity), wanted.get(event.resource.identity)
            reasons += [*short([event]), *(differences(mine, held, dump.schemas) if held and mine else ())]
        return reasons

    async def sync(self, local: Body) -> list[Event]:
        """Write the difference; the first failure is raised once its group of events is through."""
        found = await self.diff(local)
        for step, kind in ORDER:
            group = [event for event in found if (event.step, event.resource.kind) == (step, kind)]
            seats = asyncio.Semaphore(PARALLEL)
            outcomes = await asyncio.gather(*(self._write(event, seats) for event in group), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        return found

    async def validate(self, local: Body) -> httpx.Response:
        await asyncio.gather(self.caller.get("/api/schema/core"), self.caller.get("/api/version"), self._find_group())
        body: dict[str, list[Body]] = {}
        for resource in resources(local):
            if resource.kind in {"upstream", "consumer_credential"}:
                continue
            plural = resource.kind if resource.kind == "plugin_metadata" else f"{resource.kind}s"
            body.setdefault(plural, []).append({"id": resource.id, **resource.body})
        return await self.caller.send("POST", "configs/validate", body)

    async def _write(self, event: Event, seats: asyncio.Semaphore) -> None:
        async with seats:
            if event.step == "delete":
                await self.caller.delete(event.resource.path)
            else:
                await self.caller.put(event.resource.path, event.resource.sent)

    async def _find_group(self) -> None:
        if self.group_name is not None:
            found = await self.caller.get("/api/gateway_groups", search=self.group_name, name=self.group_name)
            assert found["list"][0]["id"] == self.caller.group

    async def _list(self, path: str) -> list[Body]:
        return (await self.caller.get(path, **self._labels()))["list"]

    def _labels(self) -> dict[str, str]:
        return {f"labels[{key}]": value for key, value in self.selector.items()}

    async def _services(self, dump: Dump) -> None:
        services = await self._list("services")
        dump.add(*(_read("service", item) for item in services))
        await asyncio.gather(*(self._below_service(dump, item) for item in services))

    async def _below_service(self, dump: Dump, service: Body) -> None:
        owner = ("service", service["id"])
        upstreams = (await self.caller.get(f"services/{service['id']}/upstreams"))["list"]
        dump.add(*(_read("upstream", item, owner) for item in upstreams if item["id"] != service["id"]))
        kind = {"http": "route", "stream": "stream_route"}[service["type"]]
        routes = (await self.caller.get(f"{kind}s", service_id=service["id"]))["list"]
        dump.add(*(_read(kind, item, owner) for item in routes))

    async def _consumers(self, dump: Dump) -> None:
        consumers = await self._list("consumers")
        dump.add(*(_read("consumer", item) for item in consumers))
        for item in consumers:
            found = (await self.caller.get(f"consumers/{item['username']}/credentials"))["list"]
            owner = ("consumer", item["username"])
            dump.add(*(_read("consumer_credential", credential, owner) for credential in found))

    async def _ssls(self, dump: Dump) -> None:
        dump.add(*(_read("ssl", item) for item in await self._list("ssls")))

    async def _global_rules(self, dump: Dump) -> None:
        dump.add(*(_read("global_rule", item) for item in await self._list("global_rules")))

    async def _metadata(self, dump: Dump) -> None:
        held = (await self.caller.get("plugin_metadata", **self._labels()))["value"]
        dump.add(*(Resource("plugin_metadata", name, conf) for name, conf in held.items()))


def resources(local: Body) -> Iterator[Resource]:
    """The resources of a local configuration, with the ids and the label ADC gives them."""
    for service in local.get("services", []):
        yield from _service(service)
    for consumer in local.get("consumers", []):
        yield from _consumer(consumer)
    for ssl in local.get("ssls", []):
        body = {key: part for key, part in ssl.items() if key != "certificates"}
        pair = {"cert": ssl["certificates"][0]["certificate"], "key": ssl["certificates"][0]["key"]}
        yield Resource("ssl", sha1(",".join(ssl["snis"])), _labelled({**body, **pair, "type": "server"}))
    for name, conf in local.get("global_rules", {}).items():
        yield Resource("global_rule", name, {"plugins": {name: conf}})
    for name, conf in local.get("plugin_metadata", {}).items():
        yield Resource("plugin_metadata", name, conf)


def events(local: Iterable[Resource], dump: Dump) -> Iterator[Event]:
    """What has to be written; a child whose owner goes is left to the server's cascade."""
    wanted = {resource.identity: resource for resource in local}
    gone = {(r.kind, r.id) for identity, r in dump.resources.items() if identity not in wanted}
    for identity, held in dump.resources.items():
        if identity not in wanted and held.owner not in gone:
            yield Event("delete", held)
    for identity, resource in wanted.items():
        held = dump.resources.get(identity)
        if held is None:
            yield Event("create", resource)
        elif differences(resource, held, dump.schemas):
            yield Event("update", resource)


def differences(local: Resource, held: Resource, schemas: Body) -> list[str]:
    """Where the two differ, once the local one has the schema's scalar defaults."""
    mine = local.body
    if local.kind != "plugin_metadata":
        schema = schemas["stream_service" if mine.get("type") == "stream" else local.kind]
        mine = with_scalar_defaults(schema, _looked_at(local.kind, mine))
    return list(_unequal(mine, held.body, ""))


def with_scalar_defaults(schema: Body, given: Any) -> Any:
    """`given` with the schema's scalar defaults in every object and array item that is there; none is made."""
    if isinstance(given, list):
        return [with_scalar_defaults(schema.get("items", {}), item) for item in given]
    if not isinstance(given, dict):
        return given
    filled = dict(given)
    for part in (schema, *schema.get("allOf", [])):
        for key, property_ in part.get("properties", {}).items():
            default = property_.get("default")
            if key in filled:
                filled[key] = with_scalar_defaults(property_, filled[key])
            elif default is not None and not isinstance(default, dict | list):
                filled[key] = default
    return filled


def short(found: Iterable[Event]) -> list[str]:
    """Events in words, in alphabetical order."""
    return sorted(f"{event.step} {event.resource.kind} [{event.resource.id}]" for event in found)


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _service(service: Body) -> Iterator[Resource]:
    id_ = service.get("id") or sha1(service["name"])
    body = {key: part for key, part in service.items() if key not in {"id", "routes", "stream_routes", "upstreams"}}
    kind = "stream" if "stream_routes" in service else "http"
    yield Resource("service", id_, _labelled({**body, "type": kind}))
    for route in service.get("stream_routes", []):
        sent = {**{key: part for key, part in route.items() if key != "id"}, "service_id": id_}
        route_id = route.get("id") or sha1(f"{service['name']}.{route['name']}")
        yield Resource("stream_route", route_id, _labelled(sent), ("service", id_))
    for route in service.get("routes", []):
        own = {key: part for key, part in route.items() if key not in {"id", "uris"}}
        sent = {**own, "paths": route["uris"], "service_id": id_}
        route_id = route.get("id") or sha1(f"{service['name']}.{route['name']}")
        yield Resource("route", route_id, _labelled(sent), ("service", id_))
    for upstream in service.get("upstreams", []):
        own = {key: part for key, part in upstream.items() if key != "id"}
        upstream_id = upstream.get("id") or sha1(f"{service['name']}.{upstream['name']}")
        yield Resource("upstream", upstream_id, own, ("service", id_))


def _consumer(consumer: Body) -> Iterator[Resource]:
    username = consumer["username"]
    yield Resource("consumer", username, _labelled({key: consumer[key] for key in consumer if key != "credentials"}))
    for credential in consumer.get("credentials", []):
        id_ = credential.get("id") or sha1(f"{username}.{credential['name']}")
        body = {key: part for key, part in credential.items() if key not in {"id", "type", "config"}}
        plugins = {credential["type"]: credential["config"]}
        yield Resource("consumer_credential", id_, {**body, "plugins": plugins}, ("consumer", username))


def _labelled(body: Body) -> Body:
    """Labels as they travel: ADC's own beside the user's, several values of one key as a JSON string."""
    given = {**body.get("labels", {}), "managed-by": "adc"}
    return {**body, "labels": {key: text if isinstance(text, str) else json.dumps(text) for key, text in given.items()}}


def _read(kind: str, item: Body, owner: tuple[str, str] | None = None) -> Resource:
    id_ = item["username"] if kind == "consumer" else item["id"]
    return Resource(kind, id_, _looked_at(kind, item), owner)


def _looked_at(kind: str, body: Body) -> Body:
    """No plugins and an empty object of plugins are the same to ADC."""
    no_plugins: Body = {"plugins": {}} if "plugins" in FIELDS[kind] else {}
    return deepcopy(no_plugins | {key: body[key] for key in FIELDS[kind] if key in body})


def _unequal(one: Any, other: Any, at: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key in one and key in other:
                yield from _unequal(one[key], other[key], f"{at}/{key}")
            else:
                yield f"{at}/{key}"
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _unequal(*pair, f"{at}/{number}")
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield at
