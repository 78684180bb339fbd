"""The catalogue of plugins and their schemas."""

from typing import Any

from fastapi import APIRouter, Request, Response

from gatefleet.admin.access import Access, Reach
from gatefleet.admin.endpoint import add
from gatefleet.admin.openapi import TEXT, exactly, many, one, parameter
from gatefleet.admin.web import answer, listing, value
from gatefleet.errors import NotFound
from gatefleet.plugin import Plugin
from gatefleet.plugins import registry

READ = Access("GetPlugins", Reach.ANY)
NAMES = exactly({"type": "array", "items": TEXT})
TYPES = (parameter("schema_type", {"enum": ["consumer", "metadata"]}, "The schema of a credential or of metadata"),)


def router() -> APIRouter:
    api = APIRouter(tags=["plugins"])
    add(api, "GET", "/apisix/admin/plugins/list", _names, READ, answers=NAMES)
    add(api, "GET", "/apisix/admin/plugins", _plugins, READ, answers=many(paged=False))
    add(api, "GET", "/apisix/admin/plugins/{name}", _schema, READ, answers=one(), query=TYPES)
    add(api, "GET", "/apisix/admin/schema/plugins/{name}", _schema, READ, answers=one(), query=TYPES)
    add(api, "GET", "/apisix/admin/plugin_metadata/{name}/default", _default_metadata, READ, answers=one())
    return api


async def _names(request: Request) -> Response:
    """A bare array of names, the first to run first; `has_metadata=true` for those with metadata."""
    only_with_metadata = request.query_params.get("has_metadata") == "true"
    return answer([plugin.name for plugin in _ordered() if plugin.metadata is not None or not only_with_metadata])


async def _plugins(_: Request) -> Response:
    return listing([_described(plugin) for plugin in _ordered()])


async def _schema(request: Request) -> Response:
    """The JSON Schema of a plugin's configuration; with `schema_type` that of a credential or of metadata."""
    name = request.path_params["name"]
    plugin = registry().get(name)
    if plugin is None:
        raise NotFound(f"plugin [{name}] not found")
    model: Any = {
        "consumer": plugin.auth.credential if plugin.auth else None,
        "metadata": plugin.metadata,
    }.get(request.query_params.get("schema_type", ""), plugin.conf)
    if model is None:
        raise NotFound(f"plugin [{name}] has no schema of type [{request.query_params['schema_type']}]")
    return value(model.model_json_schema())


async def _default_metadata(request: Request) -> Response:
    """What a plugin's metadata is where a group sets none."""
    name = request.path_params["name"]
    plugin = registry().get(name)
    if plugin is None or plugin.metadata is None:
        raise NotFound(f"plugin [{name}] has no metadata")
    fields: dict[str, dict[str, Any]] = plugin.metadata.model_json_schema().get("properties", {})
    return value({key: field["default"] for key, field in fields.items() if field.get("default") is not None})


def _described(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "summary": plugin.summary,
        "category": plugin.category,
        "phase": plugin.phase.name.lower(),
        "priority": plugin.priority,
        "authenticates": plugin.auth is not None,
        "has_metadata": plugin.metadata is not None,
    }


def _ordered() -> list[Plugin]:
    return sorted(registry().values(), key=lambda plugin: (plugin.phase, -plugin.priority, plugin.name))
