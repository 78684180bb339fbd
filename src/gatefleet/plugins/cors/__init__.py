"""Cross-origin resource sharing: answers every OPTIONS request, and tells browsers what other origins may do.

The order of questions is APISIX's: `allow_origins_by_regex` stands in for `allow_origins`, and
`allow_origins_by_metadata` is asked when neither allows the origin. Unlike there, `Vary: Origin` is also sent where
regular expressions decide.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from gatefleet.filters import (
    Strings,
    groups,
    headers,
    lua,
    lua_source,
    mutation,
    remember_matches,
    set_header,
)
from gatefleet.plugin import Conf, Effect, Filter, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
ANSWER_OPTIONS = lua_source(__name__, "options.lua")
NAMESPACE = "gf.cors"
ALL_METHODS = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE"
ORIGINS = r"^(\*|\*\*|null|\w+://[^,]+(,\w+://[^,]+)*)$"
TEXT = r"^[^\x00-\x1f\x7f]*$"


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("values must be unique")
    return values


Origins = Annotated[str, Field(pattern=ORIGINS, max_length=65536)]
Text = Annotated[str, Field(pattern=TEXT, max_length=8192)]
Rules = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(distinct),
]


class CorsMetadata(Conf):
    """For all uses of the plugin in the gateway group."""

    allow_origins: dict[str, Origins] = Field(
        default_factory=dict[str, str], description="Origins by a name that `allow_origins_by_metadata` refers to."
    )


class Cors(Conf):
    """Without any field every origin may do everything that needs no credentials."""

    allow_origins: Origins = Field(
        default="*",
        description="Origins as `scheme://host:port`, separated by commas; `*` is all, `**` all even with credentials.",
    )
    allow_methods: Text = Field(
        default="*", description="Methods separated by commas; `*` is all, `**` all even with credentials."
    )
    allow_headers: Text = Field(
        default="*",
        description="Request headers separated by commas; `*` for all, `**` for whatever the browser asks for.",
    )
    expose_headers: Text | None = Field(
        default=None, description="Response headers scripts may read, separated by commas."
    )
    max_age: int = Field(
        default=5, ge=-1, le=2**31, description="Seconds a browser may remember the answer; -1 for not at all."
    )
    allow_credential: bool = Field(
        default=False, description="Let browsers send credentials; then no other field may be `*`."
    )
    allow_origins_by_regex: Rules | None = Field(
        default=None,
        description="Regular expressions (RE2) for origins, anywhere in them; then `allow_origins` does not count.",
    )
    allow_origins_by_metadata: Rules | None = Field(
        default=None, description="Names of origins in the plugin's metadata."
    )
    timing_allow_origins: Origins | None = Field(
        default=None, description="Origins that may see timings, as `allow_origins`."
    )
    timing_allow_origins_by_regex: Rules | None = Field(
        default=None, description="Regular expressions (RE2) for such origins."
    )

    @model_validator(mode="after")
    def no_star_with_credentials(self) -> Self:
        starred = (
            self.allow_origins,
            self.allow_methods,
            self.allow_headers,
            self.expose_headers,
            self.timing_allow_origins,
        )
        if self.allow_credential and "*" in starred:
            raise ValueError("you can not set '*' for other option when 'allow_credential' is true")
        return self


def translate(conf: Cors, scope: Scope) -> Iterator[Effect]:
    static = _static(conf)
    if _same_for_all(conf):
        timing = {"timing-allow-origin": "*"} if conf.timing_allow_origins else {}
        always = {"access-control-allow-origin": "*", **static, **timing}
        formats = {name: value.replace("%", "%%") for name, value in always.items()}
        yield headers(response=[mutation(set_header(name, value)) for name, value in formats.items()])
        yield from lua("cors", ANSWER_OPTIONS, {})
        return
    regexes = {"allow": conf.allow_origins_by_regex, "timing": conf.timing_allow_origins_by_regex}
    if any(regexes.values()):
        yield _match_origins({key: rules for key, rules in regexes.items() if rules})
    by_regex = conf.allow_origins_by_regex is not None
    context = {
        "headers": static,
        "echo_headers": conf.allow_headers == "**",
        "allow": {"regex": True} if by_regex else _origins(conf.allow_origins),
        "also": [_origins(origins) for origins in _named(conf, scope)],
        "timing": _timing(conf),
        "vary": conf.allow_origins != "*" or by_regex,
    }
    yield from lua("cors", SOURCE, context)


def _same_for_all(conf: Cors) -> bool:
    """Whether the answer is the same whoever asks."""
    by_regex = conf.allow_origins_by_regex or conf.timing_allow_origins_by_regex
    any_origin = conf.allow_origins == "*" and conf.timing_allow_origins in (None, "*")
    return any_origin and not by_regex and conf.allow_headers != "**"


def _static(conf: Cors) -> dict[str, str]:
    """The headers that do not depend on the request."""
    named = {
        "access-control-allow-methods": ALL_METHODS if conf.allow_methods == "**" else conf.allow_methods,
        "access-control-max-age": str(conf.max_age),
        "access-control-expose-headers": conf.expose_headers or "",
        "access-control-allow-headers": "" if conf.allow_headers == "**" else conf.allow_headers,
        "access-control-allow-credentials": "true" if conf.allow_credential else "",
    }
    return {name: value for name, value in named.items() if value}


def _timing(conf: Cors) -> dict[str, Any]:
    if conf.timing_allow_origins_by_regex:
        return {"regex": True}
    return _origins(conf.timing_allow_origins) if conf.timing_allow_origins else {}


def _origins(origins: str) -> dict[str, Any]:
    """`any`: answer `*`; `echo`: answer whatever origin asks; `set`: those."""
    if origins == "*":
        return {"any": True}
    if origins == "**":
        return {"echo": True}
    return {"set": dict.fromkeys(origins.split(","), True)}


def _named(conf: Cors, scope: Scope) -> Iterator[str]:
    known: Mapping[str, str] = CorsMetadata.model_validate(dict(scope.metadata)).allow_origins
    for name in conf.allow_origins_by_metadata or ():
        if name in known:
            yield known[name]


def _match_origins(regexes: Mapping[str, Strings]) -> Filter:
    for rules in regexes.values():
        for rule in rules:
            groups(rule, "allow_origins_by_regex")
    return remember_matches(
        NAMESPACE, "origin", {key: (f"(?s)^.*(?:{'|'.join(rules)}).*$", "=") for key, rules in regexes.items()}
    )


PLUGIN = Plugin(
    name="cors",
    priority=4000,
    phase=Phase.REWRITE,
    conf=Cors,
    translate=translate,
    summary="Lets scripts of other origins use an API.",
    category="security",
    examples={
        "One web application, with cookies": {
            "allow_origins": "https://app.example.com",
            "allow_methods": "GET,POST,PUT,DELETE",
            "allow_headers": "Content-Type,Authorization",
            "allow_credential": True,
            "max_age": 3600,
        },
        "Everybody may read": {"allow_origins": "*", "allow_methods": "GET"},
    },
    metadata=CorsMetadata,
)
