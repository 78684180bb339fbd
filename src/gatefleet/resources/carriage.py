"""Where documents may refer to secrets kept outside, and whether a node can put the secret in where they do.

It can if that gives just what a plugin makes of a configuration with the secret itself in it. That is tried, with a
secret that has in it what texts are escaped for.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec
from pydantic import ValidationError

from gatefleet import filling, references
from gatefleet.errors import Invalid
from gatefleet.plugin import Conf, Effect, Filter, OwnUpstream, Plugin, RoutePatch, Scope, Script, Who
from gatefleet.protos import type_url
from gatefleet.resources.messages import error_at

At = tuple[str | int, ...]
FIELDS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "ssls": (("cert",), ("key",), ("certs",), ("keys",)),
    "certificates": (("cert",), ("key",)),
    "services": (("upstream", "tls", "client_cert"), ("upstream", "tls", "client_key")),
    "routes": (("upstream", "tls", "client_cert"), ("upstream", "tls", "client_key")),
    "upstreams": (("tls", "client_cert"), ("tls", "client_key")),
}
"""Where references may stand beside the configurations of plugins."""
WITHOUT: Final = frozenset({"plugin_metadata", "stream_routes"})
"""Kinds whose plugins cannot refer to secrets."""
Pairs = list[tuple[bytes, bytes]]
SAMPLE: Final = "*([a\"b'c\\d%e$f{g}h<i>&j k;l,m=n/o:p@q+r#s?t|u~ä -----BEGIN PUBLIC KEY-----" + "x" * 64
BASE64_SAMPLE: Final = base64.b64encode(SAMPLE.encode()).decode()


def with_tokens(kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with tokens for the references in it; the very body where there is none."""
    changed: dict[str, Any] = {}
    for path in _places(kind, body):
        value: Any = changed.get(path[0], body.get(path[0]))
        tokened = _tokened(value, path[1:])
        if tokened is not value:
            changed[path[0]] = tokened
    return {**body, **changed} if changed else body


def named(kind: str, body: Mapping[str, Any]) -> frozenset[str]:
    """The texts of the references in a body."""
    texts: set[str] = set()
    for path in _places(kind, body):
        node = _at(body, path)
        texts.update(text for _, text in references.found(node))
    return frozenset(texts)


def field_problems(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with references outside plugins."""
    for path in FIELDS.get(kind, ()):
        yield from _unreadable(_at(body, path), path)


def conf_problems(plugin: Plugin, model: type[Conf], conf: Mapping[str, Any], at: At) -> Iterator[str]:
    """What is wrong with references in a plugin's configuration, or in a credential if `model` is that of one."""
    found = list(references.found(conf))
    if not found:
        return
    wrong = list(_unreadable(conf, at))
    yield from wrong
    if wrong:
        return
    for text in dict.fromkeys(text for _, text in found):
        if not _fills(plugin, model, conf, text):
            path = next(path for path, one in found if one == text)
            yield error_at((*at, *path), "a secret kept outside cannot be put in here; give the value")


def _places(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield from FIELDS.get(kind, ())
    if kind not in WITHOUT and isinstance(body.get("plugins"), Mapping) and body.get("type") != "stream":
        yield ("plugins",)


def _at(node: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        node = cast("Mapping[str, Any]", node).get(part) if isinstance(node, Mapping) else None
    return node


def _tokened(value: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return references.with_tokens(value)
    fields = cast("Mapping[str, Any]", value if isinstance(value, Mapping) else {})
    part = fields.get(path[0])
    tokened = _tokened(part, path[1:])
    return cast("Any", value) if tokened is part else {**fields, path[0]: tokened}


def _unreadable(value: Any, at: At) -> Iterator[str]:
    for path, text in references.found(value):
        try:
            references.read(text)
        except Invalid as error:
            yield error_at((*at, *path), str(error))


def _fills(plugin: Plugin, model: type[Conf], conf: Mapping[str, Any], text: str) -> bool:
    """Whether the secret put in afterwards gives what it gives in place of the reference `text`."""
    make, fill = (_effects, _fill_effect) if model is plugin.conf else (_entries, filling.fill_pair)
    try:
        made = make(plugin, references.with_tokens(conf))
        values = {references.token(one): _itself(made, one) for _, one in references.found(conf)}
        secret = BASE64_SAMPLE if _is_decoded(made, text) else SAMPLE
        direct = make(plugin, references.with_tokens(_instead(conf, text, secret)))
        later = [fill(pair, {**values, references.token(text): secret}) for pair in made]
    except (ValidationError, Invalid, LookupError, ValueError):
        return False
    return later == direct


def _is_decoded(made: Pairs, text: str) -> bool:
    decoded = references.unbase64(references.token(text))
    return any(decoded in value for _, value in made)


def _itself(made: Pairs, text: str) -> str:
    """What put in for the token of `text` leaves all as it is."""
    token = references.token(text)
    return base64.b64encode(references.unbase64(token)).decode() if _is_decoded(made, text) else token


def _instead(value: Any, text: str, secret: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _instead(part, text, secret) for key, part in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_instead(part, text, secret) for part in cast("list[Any]", value)]
    return secret if value == text else value


def _entries(plugin: Plugin, conf: Mapping[str, Any]) -> Pairs:
    auth = plugin.auth
    return list(auth.entries(auth.read(conf), Who("check"))) if auth else []


def _effects(plugin: Plugin, conf: Mapping[str, Any]) -> Pairs:
    """Type and serialized message, or name and source, of each effect."""
    return [_effect(effect) for effect in plugin.translate(plugin.read(conf), Scope(owner="check"))]


def _effect(effect: Effect) -> tuple[bytes, bytes]:
    match effect:
        case Filter(message) | RoutePatch(message):
            return type_url(message).encode(), message.SerializeToString(deterministic=True)
        case Script(name, source):
            return name.encode(), source.encode()
        case OwnUpstream(name, body):
            return name.encode(), msgspec.json.encode(body, order="deterministic")


def _fill_effect(pair: tuple[bytes, bytes], values: filling.Values) -> tuple[bytes, bytes]:
    """LookupError where the secret cannot be put in."""
    kind, body = pair
    if not filling.tokens_in(body):
        return pair
    filled = filling.fill(kind.decode(), body, values)
    if filled.missing:
        raise LookupError
    return kind, filled.body
