"""Changes what the upstream gets: path, host, method and headers of the request.

On routes and services most of it is said to Envoy's router itself, which costs next to nothing; our Lua does what
the router cannot, and everything in global rules and for consumers. In header values `$uri` is the path as it was
sent, percent-encoded; arguments and cookies are not decoded either.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from gatefleet.errors import Invalid
from gatefleet.filters import (
    KEEP_PATH,
    HeaderName,
    HeaderValue,
    add_header,
    anchored_match,
    captures,
    first_match,
    group_of,
    headers,
    lua,
    lua_source,
    mutation,
    remember_matches,
    removal,
    set_header,
    substitute,
    text_of,
)
from gatefleet.plugin import Conf, Effect, Phase, Plugin, RoutePatch, Scope
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.templates import PATH_SAFE, Format, Part, format_of, lua_parts, parse

SOURCE = lua_source(__name__)
NAMESPACE = "gf.proxy-rewrite"
PLAIN_PATH = re.compile(r"/[^\x00-\x20\"#%<>?\\^`{|}\x7f-\U0010ffff]*")
PLAIN_REGEX = re.compile(r"[!-$&-~]*")
"""Regular expressions that see no difference between a path and its percent-encoded form."""
METHODS = Literal[
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
]
Values = HeaderValue | Annotated[tuple[HeaderValue, ...], Field(strict=False, min_length=1)]


class HeaderChanges(Conf):
    """Done in the order add, set, remove."""

    model_config = ConfigDict(**Conf.model_config | {"extra": "forbid"})  # other names are headers: the short form

    add: dict[HeaderName, Values] | None = Field(default=None, min_length=1, description="Headers to add, by name.")
    set: dict[HeaderName, Values] | None = Field(default=None, min_length=1, description="Headers to set, by name.")
    remove: list[HeaderName] | None = Field(default=None, min_length=1, description="Names of headers to remove.")


class ProxyRewrite(Conf):
    """At least one field; what is not mentioned stays as it is."""

    uri: str | None = Field(
        default=None, min_length=1, max_length=4096, pattern=r"^/", description="The new path; may hold `$variables`."
    )
    method: METHODS | None = Field(default=None, description="The new method.")
    regex_uri: list[str] | None = Field(
        default=None,
        min_length=2,
        description="Pairs of a regular expression (RE2) for the path and what to put for its first match, with groups "
        "as `$1`. The first pair that matches counts. Not used where `uri` is given.",
    )
    host: str | None = Field(default=None, pattern=r"^[0-9a-zA-Z.-]+(:\d{1,5})?$", description="The new Host header.")
    headers: HeaderChanges | Annotated[dict[HeaderName, Values], Field(min_length=1)] | None = Field(
        default=None,
        description="Headers to add, set and remove; or just headers to set, by name. Values may hold `$variables` "
        "and, with `regex_uri`, groups as `$1`; an empty value removes the header.",
    )
    use_real_request_uri_unsafe: bool = Field(
        default=False,
        description="Not supported: paths are always normalized before anything looks at them; `true` is refused.",
    )

    @field_validator("use_real_request_uri_unsafe")
    @classmethod
    def always_normalized(cls, value: bool) -> bool:  # noqa: FBT001 - the field's value
        if value:
            raise ValueError("is not supported: paths are always normalized before anything looks at them")
        return value

    @model_validator(mode="after")
    def complete(self) -> Self:
        if self.regex_uri and len(self.regex_uri) % 2:
            raise ValueError("The length of regex_uri should be an even number")
        if not self.model_fields_set:
            raise ValueError("at least one field is required")
        return self


@dataclass(frozen=True, slots=True)
class Setting:
    """One value for one header."""

    name: str
    parts: tuple[Part, ...]
    added: bool
    """It comes from `add`, not from `set`."""
    further: bool
    """Not the first value of its list."""


def translate(conf: ProxyRewrite, scope: Scope) -> Iterator[Effect]:
    on_route = scope.owner.startswith(("route:", "service:")) and not scope.conditional
    uri = parse(conf.uri, "uri", scope) if conf.uri else ()
    settings = tuple(_settings(conf, scope))
    groups = sorted({int(v.name) for one in settings for v in one.parts if not isinstance(v, str) and v.name.isdigit()})
    action = _router_action(conf, uri) if on_route and not groups else None
    scripted = bool(conf.method or groups or (action is None and (conf.uri or conf.regex_uri or conf.host)))
    formats = [format_of(one.parts, rewritten=scripted) for one in settings]
    yield from captures("proxy-rewrite", formats)
    if scripted:
        yield from _script(conf, uri, groups, host="" if on_route else conf.host or "")
    add, remove = _options(conf, settings, formats)
    if on_route:
        yield RoutePatch(_patch(conf, action, add, remove))
    elif add or remove:
        yield headers(request=[*map(removal, remove), *map(mutation, add)])


def _patch(
    conf: ProxyRewrite, action: route.RouteAction | None, add: list[core.HeaderValueOption], remove: list[str]
) -> route.Route:
    """What the route itself does. A path that Lua wrote is kept, so that no other rewrite of the route changes it."""
    if action is None:
        path = KEEP_PATH if conf.uri or conf.regex_uri else None
        action = route.RouteAction(path_rewrite=path, host_rewrite_literal=conf.host)
    patch = route.Route(request_headers_to_add=add, request_headers_to_remove=remove)
    if action.ByteSize():
        patch.route.CopyFrom(action)
    return patch


def _router_action(conf: ProxyRewrite, uri: tuple[Part, ...]) -> route.RouteAction | None:
    """The rewrite as Envoy's router does it; None where it cannot: new queries, several patterns, foreign bytes."""
    if conf.uri:
        safe = all(PLAIN_PATH.fullmatch("/" + p) if isinstance(p, str) else p.name in PATH_SAFE for p in uri)
        form = format_of(uri)
        return (
            route.RouteAction(path_rewrite=form.text, host_rewrite_literal=conf.host)
            if safe and not form.captures
            else None
        )
    if not conf.regex_uri:
        return route.RouteAction(host_rewrite_literal=conf.host)
    regex, template = conf.regex_uri[:2]
    plain = len(conf.regex_uri) == 2 and PLAIN_PATH.fullmatch(template) and PLAIN_REGEX.fullmatch(regex)
    found = anchored_match(regex, template, "regex_uri")
    return (
        route.RouteAction(regex_rewrite=substitute(*found), host_rewrite_literal=conf.host) if plain and found else None
    )


def _script(conf: ProxyRewrite, uri: tuple[Part, ...], groups: list[int], host: str) -> Iterator[Effect]:
    """Path, method and host by Lua; regular expressions are Envoy's, which leaves what they caught to choose from."""
    pairs = [] if conf.uri else list(zip((conf.regex_uri or [])[::2], (conf.regex_uri or [])[1::2], strict=True))
    rules: dict[str, tuple[str, str]] = {}
    for number, (regex, template) in enumerate(pairs, start=1):
        found, substitution = first_match(regex, template, "regex_uri")
        rules[str(number)] = (found, "=" + substitution)
        for group in groups:
            found, caught = group_of(regex, group, "regex_uri")
            rules[f"{number}.{group}"] = (found, "=" + caught)
    if rules:
        yield remember_matches(NAMESPACE, "x-gf-path", rules)
    yield from lua(
        "proxy-rewrite",
        SOURCE,
        {
            "uri": lua_parts(uri),
            "pairs": len(pairs),
            "groups": [str(group) for group in groups],
            "method": conf.method or "",
            "host": host,
        },
    )


def _settings(conf: ProxyRewrite, scope: Scope) -> Iterator[Setting]:
    changes = _changes(conf)
    numbers = bool(conf.regex_uri and not conf.uri)
    for source, added in ((changes.add or {}, True), (changes.set or {}, False)):
        for name, values in source.items():
            if name.lower() == "host":
                raise Invalid("[headers] cannot change Host: set [host]")
            for place, value in enumerate(values if isinstance(values, tuple) else (values,)):
                parts = parse(text_of(value), f"headers.{name}", scope, numbers=numbers)
                yield Setting(name.lower(), parts, added=added, further=place > 0)


def _options(
    conf: ProxyRewrite, settings: tuple[Setting, ...], formats: list[Format]
) -> tuple[list[core.HeaderValueOption], list[str]]:
    """Headers to add and to remove. Envoy removes first, so that what is removed in the end is not added at all.

    Setting a header to nothing removes it, as in APISIX; unless the new value is made of that very header.
    """
    changes = _changes(conf)
    removed = {name.lower() for name in changes.remove or ()}
    replaced = {name.lower() for name in changes.set or {}}
    add: list[core.HeaderValueOption] = []
    first = set(removed)
    for one, form in zip(settings, formats, strict=True):
        if one.name in removed or (one.added and one.name in replaced):
            continue
        append = one.added or one.further
        certain = any(isinstance(part, str) and part for part in one.parts)
        if not append and not certain and f"%REQ({one.name.upper()})%" not in form.text:
            first.add(one.name)
        if form.text:
            add.append((add_header if append else set_header)(one.name, form.text))
    return add, sorted(first)


def _changes(conf: ProxyRewrite) -> HeaderChanges:
    return conf.headers if isinstance(conf.headers, HeaderChanges) else HeaderChanges(set=conf.headers)


PLUGIN = Plugin(
    name="proxy-rewrite",
    priority=1008,
    phase=Phase.REWRITE,
    conf=ProxyRewrite,
    translate=translate,
    summary="Changes path, host, method and headers of requests to the upstream.",
    category="transformation",
    examples={
        "Another path": {"uri": "/v2/orders"},
        "Without the first part of the path": {"regex_uri": ["^/api/(.*)", "/$1"]},
        "Headers for the upstream": {"headers": {"set": {"X-Api-Version": "v1"}, "remove": ["X-Debug"]}},
    },
)
