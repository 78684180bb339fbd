"""What a request's body becomes: checked, refused with reasons, or stored as sent plus scalar defaults."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

from pydantic import ConfigDict, Field, ValidationError

from gatefleet import references, stream_plugins
from gatefleet.errors import Invalid
from gatefleet.plugin import Plugin, Scope
from gatefleet.plugins import registry
from gatefleet.resources import carriage
from gatefleet.resources.kinds import KINDS, Kind
from gatefleet.resources.messages import error_at, sentences
from gatefleet.resources.schema import with_defaults
from gatefleet.resources.secrets import conf_model, without_meta
from gatefleet.resources.shape import Shape
from gatefleet.resources.sound import flaws
from gatefleet.resources.upstream import node_list

At = tuple[str | int, ...]
SERVER_OWNED: Final = frozenset({"id", "created_at", "updated_at"})


class Meta(Shape):
    """What every plugin's configuration may hold under `_meta`."""

    model_config = ConfigDict(**Shape.model_config | {"extra": "forbid"})

    disable: bool = Field(default=False, description="Leave it out here, also where the service brings it.")
    priority: int | None = Field(
        default=None, description="Its place among the plugins of its phase: higher runs first."
    )
    filter: list[Any] | None = Field(
        default=None, description="Conditions, as `vars` of routes: where they do not hold, requests pass it by."
    )
    error_response: dict[str, Any] | str | None = Field(
        default=None, description="The body of its refusals, in the place of its own: a text, or an object for JSON."
    )


def accept(kind: str, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - the contract's word
    """The body to store. Invalid, with every problem in it, if it cannot be served as it is."""
    prepared = prepare(KINDS[kind], id, body)
    found = list(problems(kind, id, prepared))
    if found:
        raise Invalid("; ".join(found))
    return with_defaults(KINDS[kind].shape_of(prepared), prepared)


def prepare(kind: Kind, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
    """The body without what only the server says, with its key, and with nodes as a list."""
    if kind.path == "plugin_metadata":
        return dict(body)
    own_name = {name for name in (kind.alias, "plugin" if kind.key == "plugin" else None) if name}
    left_out = SERVER_OWNED | kind.derived | own_name
    prepared = {key: value for key, value in body.items() if key not in left_out}
    if kind.key == "username":
        prepared["username"] = id
    if kind.path == "secret_providers":
        prepared["manager"] = id.partition("/")[0]
    if kind.path == "upstreams":
        return _with_node_list(prepared)
    if isinstance(prepared.get("upstream"), Mapping):
        prepared["upstream"] = _with_node_list(prepared["upstream"])
    return prepared


def problems(kind: str, id: str, body: Mapping[str, Any]) -> Iterator[str]:  # noqa: A002
    """Every problem of a prepared body, as sentences."""
    if kind == "plugin_metadata":
        yield from _metadata_problems(id, body)
        yield from _uncarried(body, ())
        return
    yield from carriage.field_problems(kind, body)
    tokened = carriage.with_tokens(kind, body)
    try:
        shaped = KINDS[kind].shape_of(body).model_validate(tokened)
    except ValidationError as error:
        yield from sentences(error)
    else:
        yield from flaws(shaped)
    plugins = cast("dict[str, Any]", body["plugins"]) if isinstance(body.get("plugins"), dict) else {}
    if kind == "global_rules" and list(plugins) != [id]:
        yield error_at(("plugins",), f"a global rule holds exactly the plugin it is named after, [{id}]")
    stream = KINDS[kind].shape_of(body).service_type == "stream"
    for name, conf in plugins.items():
        if isinstance(conf, dict):
            checked = _stream_plugin_problems if stream else _plugin_problems
            yield from checked(kind, name, cast("dict[str, Any]", conf))


def _uncarried(conf: Any, at: At) -> Iterator[str]:
    """References to secrets kept outside where the data plane would take them for the secret itself."""
    for path, _ in references.found(conf):
        yield error_at((*at, *path), "a secret kept outside cannot be put in here; give the value")


def _with_node_list(upstream: Mapping[str, Any]) -> dict[str, Any]:
    nodes = upstream.get("nodes")
    return {**upstream, "nodes": node_list(cast("Any", nodes))} if isinstance(nodes, Mapping) else dict(upstream)


def _metadata_problems(plugin: str, body: Mapping[str, Any]) -> Iterator[str]:
    known = registry().get(plugin)
    if known is None:
        yield f"unknown plugin [{plugin}]"
    elif known.metadata is None:
        yield f"plugin [{plugin}] has no metadata"
    else:
        yield from _conf_problems(known.metadata, body, ())


def _stream_plugin_problems(_: str, name: str, conf: Mapping[str, Any]) -> Iterator[str]:
    at: At = ("plugins", name)
    yield from _meta_problems(conf.get("_meta"), at)
    yield from stream_plugins.problems({name: conf})
    yield from _uncarried(conf, at)


def _plugin_problems(kind: str, name: str, conf: Mapping[str, Any]) -> Iterator[str]:
    at: At = ("plugins", name)
    known, model = registry().get(name), conf_model(kind, name)
    if known is None or model is None:
        yield error_at(at, f"unknown plugin [{name}]")
        return
    if kind == "credentials" and known.auth is None:
        yield error_at(at, f"[{name}] is not an authentication plugin")
        return
    tokened = references.with_tokens(conf)
    found = [*_meta_problems(conf.get("_meta"), at), *_conf_problems(model, without_meta(tokened), at)]
    if not found and model is known.conf:
        found = list(_translation_problem(known, tokened, at))
    yield from map(partial(references.told, conf), found) if found else carriage.conf_problems(known, model, conf, at)


def _conf_problems(model: type[Any], conf: Mapping[str, Any], at: At) -> Iterator[str]:
    try:
        model.model_validate(conf)
    except ValidationError as error:
        yield from sentences(error, at)


def _meta_problems(meta: Any, at: At) -> Iterator[str]:
    if meta is None:
        return
    try:
        Meta.model_validate(meta)
    except ValidationError as error:
        yield from sentences(error, (*at, "_meta"))


def _translation_problem(plugin: Plugin, conf: Mapping[str, Any], at: At) -> Iterator[str]:
    """What the shape allows and the gateway cannot do; the plugin knows."""
    try:
        for _ in plugin.translate(plugin.conf.model_validate(without_meta(conf)), Scope(owner="check")):
            pass
    except Invalid as error:
        yield error_at(at, str(error))
