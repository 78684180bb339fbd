"""ADC's way with this API, after its public source: what it calls, in which order, and what it compares."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from admin_api import Api

Body = dict[str, Any]
LABELS = {"managed-by": "adc"}
PARALLEL = 10


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - the client's choice of ids


class Adc:
    """One client with one configuration: dump, diff and sync against a gateway group."""

    def __init__(self, api: Api, group: str = "default") -> None:
        self.api = api
        self.group = group
        self.writes: list[str] = []

    async def ping(self) -> None:
        await self.api.call("GET", "/api/gateway_groups")

    async def dump(self) -> dict[str, Body]:
        """Every resource by the path it is written to, without what the client ignores."""
        group = await self._group()
        label = f"labels[managed-by]=adc&gateway_group_id={group}"
        found: dict[str, Body] = {}
        for path in ("services", "consumers", "ssls", "global_rules"):
            for item in (await self.api.call("GET", f"/apisix/admin/{path}?{label}"))["list"]:
                found[f"{path}/{item.get('id', item.get('username'))}"] = item
        for plugin, conf in (await self.api.call("GET", f"/apisix/admin/plugin_metadata?{label}"))["value"].items():
            found[f"plugin_metadata/{plugin}"] = conf
        for path in [path for path in found if path.startswith("services/")]:
            assert found[path]["type"] == "http"
            id_, query = path.partition("/")[2], f"gateway_group_id={group}"
            upstreams = await self.api.call("GET", f"/apisix/admin/services/{id_}/upstreams?{query}")
            found |= {f"{path}/upstreams/{u['id']}": u for u in upstreams["list"] if u["id"] != id_}
            routes = await self.api.call("GET", f"/apisix/admin/routes?service_id={id_}&{query}")
            found |= {f"routes/{route['id']}": route for route in routes["list"]}
        for path in [path for path in found if path.startswith("consumers/")]:
            listed = await self.api.call("GET", f"/apisix/admin/{path}/credentials?gateway_group_id={group}")
            found |= {f"{path}/credentials/{c['id']}": c for c in listed["list"]}
        return found

    async def diff(self, local: Mapping[str, Any]) -> dict[str, str]:
        """Path to create, update or delete: local merged with the core schemas' scalar defaults, then compared."""
        wanted, defaults = flat(local), await self._defaults()
        there = await self.dump()
        events = {path: "delete" for path in there.keys() - wanted.keys() if not _goes_with_owner(path, wanted, there)}
        for path, body in wanted.items():
            if path not in there:
                events[path] = "create"
            elif _differs(_merged(body, defaults[_kind(path)]), there[path], _kind(path)):
                events[path] = "update"
        return events

    async def sync(self, local: Mapping[str, Any]) -> dict[str, str]:
        """Bring the group to the local configuration; the events that were needed."""
        events, wanted = await self.diff(local), flat(local)
        for kind, change in ORDER:
            batch = [path for path, event in events.items() if event == change and _kind(path) == kind]
            for start in range(0, len(batch), PARALLEL):
                await asyncio.gather(*(self._write(path, wanted.get(path)) for path in batch[start : start + PARALLEL]))
        return events

    async def validate(self, local: Mapping[str, Any], expect: int = 200) -> Any:
        """The dry run: every local resource as if it were new."""
        body: dict[str, list[Body]] = {}
        for path, resource in flat(local).items():
            kind = path.split("/")[-2]
            if kind in {"services", "routes", "consumers", "ssls", "global_rules"}:
                body.setdefault(kind, []).append(resource)
            elif kind == "plugin_metadata":
                body.setdefault(kind, []).append({"id": path.split("/")[-1], **resource})
        query = f"?gateway_group_id={await self._group()}"
        return await self.api.call("POST", f"/apisix/admin/configs/validate{query}", body, expect=expect)

    async def _write(self, path: str, body: Body | None) -> None:
        url = f"/apisix/admin/{path}?gateway_group_id={await self._group()}"
        self.writes.append(path)
        if body is None:
            assert await self.api.call("DELETE", url) == ""
        else:
            await self.api.call("PUT", url, body)

    async def _group(self) -> str:
        listed = await self.api.call("GET", f"/api/gateway_groups?search={self.group}&name={self.group}")
        return listed["list"][0]["id"]

    async def _defaults(self) -> dict[str, Any]:
        schemas = (await self.api.call("GET", "/api/schema/core"))["value"]
        return {name: defaults(schema) or {} for name, schema in schemas.items()}


ORDER = [
    *((kind, "delete") for kind in ("route", "service", "upstream", "consumer", "ssl")),
    ("ssl", "create"),
    ("ssl", "update"),
    *((kind, "update") for kind in ("route", "service", "upstream", "consumer")),
    *((kind, "create") for kind in ("service", "route", "consumer", "upstream")),
    *((kind, change) for kind in ("global_rule", "plugin_metadata") for change in ("delete", "create", "update")),
    *(("consumer_credential", change) for change in ("delete", "create", "update")),
]
KINDS = {
    "services": "service",
    "routes": "route",
    "upstreams": "upstream",
    "consumers": "consumer",
    "credentials": "consumer_credential",
    "ssls": "ssl",
    "global_rules": "global_rule",
    "plugin_metadata": "plugin_metadata",
}
WRITE_ONLY = {"service_id", "route_id", "id", "key", "created_at", "updated_at", "status"}


def flat(local: Mapping[str, Any]) -> dict[str, Body]:
    """A declarative file as the bodies that are sent, by path; ids are the SHA-1 of names."""
    found: dict[str, Body] = {}
    for service in local.get("services", []):
        id_ = service.get("id") or sha1(service["name"])
        own = {key: part for key, part in service.items() if key not in {"routes", "upstreams", "id"}}
        found[f"services/{id_}"] = {"service_id": id_, "labels": LABELS, **own}
        for route in service.get("routes", []):
            route_id = sha1(f"{service['name']}.{route['name']}")
            body = {"route_id": route_id, "service_id": id_, "labels": LABELS, **route}
            found[f"routes/{route_id}"] = body
        for upstream in service.get("upstreams", []):
            found[f"services/{id_}/upstreams/{sha1(service['name'] + '.' + upstream['name'])}"] = upstream
    for consumer in local.get("consumers", []):
        own = {key: part for key, part in consumer.items() if key != "credentials"}
        found[f"consumers/{consumer['username']}"] = {"labels": LABELS, **own}
        for credential in consumer.get("credentials", []):
            id_ = sha1(f"{consumer['username']}.{credential['name']}")
            found[f"consumers/{consumer['username']}/credentials/{id_}"] = credential
    for ssl in local.get("ssls", []):
        found[f"ssls/{sha1(','.join(ssl['snis']))}"] = {"labels": LABELS, **ssl}
    for plugin, conf in local.get("global_rules", {}).items():
        found[f"global_rules/{plugin}"] = {"plugins": {plugin: conf}}
    for plugin, conf in local.get("plugin_metadata", {}).items():
        found[f"plugin_metadata/{plugin}"] = conf
    return found


def defaults(schema: Body) -> Any:
    """What the client makes of a core schema: only type, properties, default and items are read."""
    if schema.get("type") != "object" or "properties" not in schema:
        return None
    found: Body = {}
    for key, field in schema["properties"].items():
        if field.get("type") == "object":
            part = defaults(field)
        elif field.get("type") == "array" and field.get("items", {}).get("type") == "object":
            part = [defaults(field["items"])]
        else:
            part = field.get("default")
        if part is not None:
            found[key] = part
    return found


def _merged(body: Any, default: Any) -> Any:
    """Scalar defaults, inside objects and items that are there; none of those is made."""
    if isinstance(body, dict) and isinstance(default, dict):
        out = {key: _merged(part, default.get(key)) for key, part in body.items()}
        scalars = {key: part for key, part in default.items() if not isinstance(part, dict | list)}
        return {**scalars, **out}
    if isinstance(body, list) and isinstance(default, list) and default:
        return [_merged(item, default[0]) for item in body]
    return deepcopy(body)


def _differs(local: Body, there: Body, kind: str) -> bool:
    ignored = WRITE_ONLY | ({"type"} if kind in {"service", "ssl"} else set())
    if kind == "plugin_metadata":
        ignored = set()

    def seen(body: Body) -> str:
        return json.dumps({key: part for key, part in body.items() if key not in ignored}, sort_keys=True)

    return seen(local) != seen(there)


def _goes_with_owner(path: str, wanted: Mapping[str, Any], there: Mapping[str, Body]) -> bool:
    """Whether the server deletes this together with its owner, which is not wanted any more."""
    owner = f"services/{there[path]['service_id']}" if path.startswith("routes/") else path.rpartition("/")[0]
    owner = owner.rpartition("/")[0] if owner.count("/") == 2 else owner
    return owner in there and owner not in wanted


def _kind(path: str) -> str:
    return KINDS[path.split("/")[-2]]
