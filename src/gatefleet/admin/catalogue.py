"""The catalogue of plugins and their schemas."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin.access import Access, Reach
from gatefleet.admin.endpoint import add
from gatefleet.admin.openapi import TEXT, exactly, many, one, parameter
from gatefleet.admin.web import answer, listing, value
from gatefleet.errors import NotFound
from gatefleet.plugin import Plugin
from gatefleet.plugins import registry
from gatefleet.resources.accept import Meta
from gatefleet.stream_plugins import STREAM_PLUGINS

READ = Access("GetPlugins", Reach.ANY)
NAMES = exactly({"type": "array", "items": TEXT})
FLAG: Final = {"type": "boolean"}
EXAMPLE: Final = {"type": "object", "properties": {"title": TEXT, "conf": {"type": "object"}}}
DESCRIBED: Final = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "summary": TEXT,
        "category": TEXT,
        "phase": TEXT,
        "priority": {"type": "integer"},
        "authenticates": FLAG,
        "has_metadata": FLAG,
        "streams": FLAG,
        "examples": {"type": "array", "items": EXAMPLE},
    },
}
TYPES = (
    parameter(
        "schema_type",
        {"enum": ["consumer", "metadata", "stream"]},
        "The schema of a credential, of metadata, or of the plugin on stream routes",
    ),
)


def router() -> APIRouter:
    api = APIRouter(tags=["plugins"])
    add(api, "GET", "/apisix/admin/plugins/list", _names, READ, answers=NAMES)
    add(api, "GET", "/apisix/admin/plugins", _plugins, READ, answers=many(DESCRIBED, paged=False))
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
    """The JSON Schema of a plugin's configuration, with `_meta`; with `schema_type` that of something else of it."""
    name, asked = request.path_params["name"], request.query_params.get("schema_type", "")
    plugin = registry().get(name)
    if plugin is None:
        raise NotFound(f"plugin [{name}] not found")
    stream = STREAM_PLUGINS.get(name)
    model: Any = {
        "consumer": plugin.auth.credential if plugin.auth else None,
        "metadata": plugin.metadata,
        "stream": stream.conf if stream else None,
    }.get(asked, plugin.conf)
    if model is None:
        raise NotFound(f"plugin [{name}] has no schema of type [{asked}]")
    schema: dict[str, Any] = model.model_json_schema()
    if asked not in {"consumer", "metadata"}:
        schema["properties"] = {**schema.get("properties", {}), "_meta": Meta.model_json_schema()}
    return value(schema)


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
        "streams": plugin.name in STREAM_PLUGINS,
        "examples": [{"title": title, "conf": conf} for title, conf in plugin.examples.items()],
    }


def _ordered() -> list[Plugin]:
    return sorted(registry().values(), key=lambda plugin: (plugin.phase, -plugin.priority, plugin.name))
