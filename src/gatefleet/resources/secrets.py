"""Which parts of a document are secret, and what of it only one document of a group may have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic import BaseModel, SecretStr

from gatefleet.plugin import Conf
from gatefleet.plugins import registry
from gatefleet.references import is_reference
from gatefleet.resources.carriage import with_tokens
from gatefleet.resources.kinds import KINDS

Path = tuple[str | int, ...]
CLAIMING: Final = frozenset({"ssls", "snis", "consumers", "credentials"})
"""Kinds whose documents may hold something alone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something one document of a group may hold alone; `said` is how a message names it without telling secrets."""

    space: str
    text: str = field(repr=False)
    said: str


def secret_paths(kind: str, id: str, body: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: A002 - the contract's word
    """Where the document's secrets stand: every value whose field is a SecretStr in the kind's or a plugin's shape.

    A reference to a secret that is kept outside is none itself.
    """
    return tuple(path for path in _document_secrets(kind, id, body) if not is_reference(value_at(body, path)))


def masked(kind: str, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - the contract's word
    """A copy of an accepted body for logs and audit: secrets as stars."""
    stars: dict[Path, Any] = dict.fromkeys(secret_paths(kind, id, body), "***")
    return replaced(body, stars)


def bared(kind: str, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - the contract's word
    """A copy of an accepted body without its secrets, whose fields are objects'."""
    out: Any = replaced(body, dict.fromkeys(secret_paths(kind, id, body)))
    for path in secret_paths(kind, id, body):
        value_at(out, path[:-1]).pop(path[-1])
    return cast("dict[str, Any]", out)


def replaced(body: Mapping[str, Any], values: Mapping[Path, Any]) -> dict[str, Any]:
    """A copy of `body` with new values at these paths; what is not on a path is shared."""
    out: dict[str, Any] = dict(body)
    for path, value in values.items():
        node: Any = out
        for part in path[:-1]:
            child = node[part]
            node[part] = dict(cast("Mapping[str, Any]", child)) if isinstance(child, Mapping) else list(child)
            node = node[part]
        node[path[-1]] = value
    return out


def value_at(body: Mapping[str, Any], path: Path) -> Any:
    """The value a path leads to."""
    node: Any = body
    for part in path:
        node = node[part]
    return node


def claims(kind: str, body: Mapping[str, Any]) -> tuple[Claim, ...]:
    """Server names of an SSL object or SNI; credentials of a consumer."""
    if kind in {"ssls", "snis"}:
        names = cast("list[str]", body.get("snis") or []) if kind == "ssls" else [str(body["domain"])]
        return tuple(Claim("sni", name.lower(), f"server name [{name}]") for name in dict.fromkeys(names))
    return tuple(_credential_claims(body)) if kind in CLAIMING else ()


def conf_model(kind: str, plugin: str) -> type[Conf] | None:
    """The shape of a plugin's configuration in documents of this kind.

    What a consumer holds for an authentication plugin is a credential. None for a plugin we do not know, or without
    metadata.
    """
    known = registry().get(plugin)
    if known is None:
        return None
    if kind == "plugin_metadata":
        return known.metadata
    return known.auth.credential if known.auth and kind in {"consumers", "credentials"} else known.conf


def without_meta(conf: Mapping[str, Any]) -> dict[str, Any]:
    """The plugin's own fields: `_meta` is common to all plugins."""
    return {key: value for key, value in conf.items() if key != "_meta"}


def _document_secrets(kind: str, id: str, body: Mapping[str, Any]) -> Iterator[Path]:  # noqa: A002
    if kind == "plugin_metadata":
        yield from _conf_secrets(kind, id, body, ())
        return
    tokened = with_tokens(kind, body)
    yield from _model_secrets(KINDS[kind].shape_of(body).model_validate(tokened), ())
    plugins = cast("Mapping[str, Mapping[str, Any]]", tokened.get("plugins") or {})
    for name, conf in plugins.items():
        yield from _conf_secrets(kind, name, conf, ("plugins", name))


def _conf_secrets(kind: str, plugin: str, conf: Mapping[str, Any], at: Path) -> Iterator[Path]:
    model = conf_model(kind, plugin)
    if model is not None:
        yield from _model_secrets(model.model_validate(without_meta(conf)), at)


def _model_secrets(value: Any, at: Path) -> Iterator[Path]:
    if isinstance(value, SecretStr):
        yield at
    elif isinstance(value, BaseModel):
        for name in value.model_fields_set & set(type(value).model_fields):
            yield from _model_secrets(getattr(value, name), (*at, type(value).model_fields[name].alias or name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _model_secrets(item, (*at, index))
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _model_secrets(item, (*at, key))


def _credential_claims(body: Mapping[str, Any]) -> Iterator[Claim]:
    plugins = cast("Mapping[str, Mapping[str, Any]]", with_tokens("consumers", body).get("plugins") or {})
    for name, conf in plugins.items():
        known = registry().get(name)
        if known and known.auth:
            credential = known.auth.credential.model_validate(without_meta(conf))
            yield Claim(name, known.auth.unique(credential), f"this {name} credential")
