"""What a plugin is: a configuration, a place in the order, and the few effects it may have on traffic."""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gatefleet.protos.envoy.config.route.v3 import Route


class Conf(BaseModel):
    """A plugin's configuration: APISIX's fields and defaults. Unknown keys are kept, wrong types are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True, strict=True, hide_input_in_errors=True)


class Phase(enum.IntEnum):
    """APISIX's phases: every plugin of an earlier phase runs before any of a later one, then by priority."""

    REWRITE = 0
    ACCESS = 1
    BEFORE_PROXY = 2
    RESPONSE = 3
    LOG = 4
    OUTPUT = 5
    """What nginx itself does to responses when all plugins are through with them: compression."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a plugin is used; `owner` (`route:r1`, `service:s1`, `consumer:jack`, `global`) keeps its counters."""

    owner: str
    route_id: str = ""
    service_id: str = ""
    service_name: str = ""
    route_name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The group's plugin metadata for this plugin."""
    protos: Mapping[str, str] | None = None
    """The group's protobuf definitions by id; None where they are not known."""
    paths: tuple[str, ...] = ()
    """The whole paths of the route: exact, `…*` prefixes, `:name` segments."""
    upstream: str = ""
    """The cluster that the route's requests go to."""
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """The `route` and its `service` with stars for secrets, for plugins that tell of them."""
    conditional: bool = False
    """Only some requests meet the plugin (`_meta.filter`), so it cannot patch the route."""
    only_where: tuple[str, str] | None = None
    """A request header of ours and its value: what counts requests counts those that have it, and takes it away."""
    below_global: bool = False
    """A global rule of the plugin stands before the route too, which has to be told its name."""
    one_of_several: bool = False
    """For an authentication plugin: it notes whom it knows as admitted, and leaves refusing strangers to others."""


@dataclass(frozen=True, slots=True)
class Filter:
    """An HTTP filter at the plugin's place in the chain; `config` is the filter's own message."""

    config: "Message"


@dataclass(frozen=True, slots=True)
class RoutePatch:
    """Fields of the route itself, merged into it; only plugins of routes and services can have this effect."""

    route: "Route"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua file that a filter of the same plugin refers to by `lua/<name>`."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class OwnUpstream:
    """An upstream that only this plugin sends requests to: the name of its cluster, and its body as of `upstreams`."""

    name: str
    body: Mapping[str, Any]


Effect = Filter | RoutePatch | Script | OwnUpstream


@dataclass(frozen=True, slots=True)
class Who:
    """Whose credential it is: sent upstream as X-Consumer-Username, X-Credential-Identifier, X-Consumer-Custom-Id."""

    consumer: str
    credential_id: str = ""
    custom_id: str = ""


@dataclass(frozen=True, slots=True)
class Authenticates:
    """What makes a plugin an authentication plugin: the shape of a consumer's credential and how it is found again."""

    credential: type[Conf]
    entries: Callable[[Any, Who], Iterable[tuple[bytes, bytes]]]
    """Entries of the consumer table (key, value) that the native filter looks credentials up in."""
    unique: Callable[[Any], str]
    """What no two consumers of a group may share, for example the key itself."""

    def read(self, conf: Mapping[str, Any]) -> Conf:
        """A credential as JSON documents hold it, checked; raises pydantic.ValidationError naming the wrong field."""
        return self.credential.model_validate_json(msgspec.json.encode(conf))


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin. `translate` is pure and raises errors.Invalid for what cannot be carried, naming the field."""

    name: str
    priority: int
    phase: Phase
    conf: type[Conf]
    translate: Callable[[Any, Scope], Iterable[Effect]]
    summary: str
    """One sentence for the catalogue and the documentation page."""
    category: str
    """APISIX's grouping: authentication, security, traffic, transformation, observability, general."""
    examples: Mapping[str, Mapping[str, Any]]
    """Configurations to begin with, by what each is for: in the catalogue and on the documentation page."""
    auth: Authenticates | None = None
    metadata: type[Conf] | None = None
    names_route: bool = False
    """True when what it does names the route: a global rule of it stands in each route too."""
    identifies: bool = False
    """True when it says who the consumer is without having credentials of its own."""
    splits: bool = False
    """True when it may send requests to other upstreams of the service."""
    tells_documents: bool = False
    """True when it may tell somebody of the route and the service it works on."""
    protects: bool = False
    """True when letting a request past on an internal error would be a hole: such a plugin answers 500 instead."""

    @property
    def names_consumer(self) -> bool:
        """Whether the consumer is known behind it."""
        return self.auth is not None or self.identifies

    def read(self, conf: Mapping[str, Any]) -> Conf:
        """`conf` as JSON documents hold it, checked; raises pydantic.ValidationError naming the wrong field."""
        return self.conf.model_validate_json(msgspec.json.encode(conf))

    def read_metadata(self, conf: Mapping[str, Any]) -> Conf:
        """Plugin metadata, checked; raises pydantic.ValidationError, and LookupError when the plugin has none."""
        if self.metadata is None:
            raise LookupError(f"plugin [{self.name}] has no metadata")
        return self.metadata.model_validate_json(msgspec.json.encode(conf))
