"""The table of kinds: everything the engine, the store and the compiler need to know about a group-scoped resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from gatefleet.resources.consumer import Consumer, Credential
from gatefleet.resources.plugin_use import GlobalRule, PluginMetadata
from gatefleet.resources.reference_data import AwsProvider, KubernetesProvider, Proto, VaultProvider
from gatefleet.resources.route import Route
from gatefleet.resources.service import Service, StreamService
from gatefleet.resources.service_registry import ServiceRegistry
from gatefleet.resources.shape import Shape
from gatefleet.resources.ssl import Ssl
from gatefleet.resources.stream_route import StreamRoute
from gatefleet.resources.tls import CaCertificate, Certificate, Sni
from gatefleet.resources.upstream import StreamUpstream, Upstream


@dataclass(frozen=True, slots=True)
class Owner:
    """What a resource belongs to and is deleted with.

    `field` is the body's field that names the owner; None: the owner stands in the URL (`/services/:id/upstreams/:id`),
    and ids are unique within the owner only.
    """

    kind: str
    field: str | None = None


Step = str | None
"""A step of a path in a body: the key of an object, or None for every item of a list."""


@dataclass(frozen=True, slots=True)
class Refers:
    """Where documents of a kind name documents of another kind by id. `leads`: more follows the id, after a slash."""

    path: tuple[Step, ...]
    kind: str
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `key` is the field a document is found by; `alias` a second, write-only name of it in requests."""

    path: str
    model: type[Shape]
    singular: str
    """Its name in messages and in /api/schema/core."""
    key: str = "id"
    owner: Owner | None = None
    alias: str | None = None
    labelled: bool = True
    variants: Mapping[tuple[str, str], type[Shape]] = field(default_factory=dict[tuple[str, str], type[Shape]])
    """Other shapes of the kind, by a field of the body and its value."""
    refers: tuple[Refers, ...] = ()
    id_path: str = "{id}"
    """How an id stands in its URL; with a slash in it the id has one, too."""
    carried: bool = True
    """Whether the data plane has it for itself; what is not carried only others refer to."""
    derived: frozenset[str] = frozenset()
    """What answers add to the body, and requests may repeat without effect."""

    def shape_of(self, body: Mapping[str, Any]) -> type[Shape]:
        """The shape this body must have: the kind's model, or the variant it names."""
        found = (shape for (name, said), shape in self.variants.items() if body.get(name) == said)
        return next(found, self.model)

    @property
    def nested(self) -> bool:
        """Whether its URL stands below its owner's."""
        return self.owner is not None and self.owner.field is None


PARSED: Final = frozenset({"subject", "issuer", "serial_number", "snis", "not_before", "not_after", "sha256"})
"""What a certificate says of itself."""
OF_UPSTREAMS: Final = (
    Refers(("client_certificate",), "certificates"),
    Refers(("ca_certificates", None), "ca_certificates"),
    Refers(("service_name",), "service_registries", leads=True),
)
OF_PLUGINS: Final = (Refers(("plugins", "grpc-transcode", "proto_id"), "protos"),)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.path: kind
        for kind in (
            Kind("certificates", Certificate, "certificate", carried=False, derived=PARSED),
            Kind("ca_certificates", CaCertificate, "ca_certificate", carried=False, derived=PARSED),
            Kind(
                "snis",
                Sni,
                "sni",
                refers=(
                    Refers(("certificates", None), "certificates"),
                    Refers(("mtls", "ca_certificates", None), "ca_certificates"),
                ),
            ),
            Kind("protos", Proto, "proto", carried=False),
            Kind(
                "secret_providers",
                VaultProvider,
                "secret_provider",
                id_path="{manager}/{id}",
                carried=False,
                variants={("manager", "aws"): AwsProvider, ("manager", "kubernetes"): KubernetesProvider},
            ),
            Kind("service_registries", ServiceRegistry, "service_registry", carried=False),
            Kind(
                "services",
                Service,
                "service",
                alias="service_id",
                variants={("type", "stream"): StreamService},
                refers=(*(replace(refers, path=("upstream", *refers.path)) for refers in OF_UPSTREAMS), *OF_PLUGINS),
            ),
            Kind(
                "upstreams",
                Upstream,
                "upstream",
                owner=Owner("services"),
                variants={("scheme", scheme): StreamUpstream for scheme in ("tcp", "udp", "tls")},
                refers=OF_UPSTREAMS,
            ),
            Kind(
                "routes",
                Route,
                "route",
                owner=Owner("services", "service_id"),
                alias="route_id",
                refers=OF_PLUGINS,
            ),
            Kind(
                "stream_routes",
                StreamRoute,
                "stream_route",
                owner=Owner("services", "service_id"),
                alias="stream_route_id",
            ),
            Kind("consumers", Consumer, "consumer", key="username"),
            Kind("credentials", Credential, "consumer_credential", owner=Owner("consumers")),
            Kind("ssls", Ssl, "ssl", alias="ssl_id"),
            Kind("global_rules", GlobalRule, "global_rule", key="plugin", labelled=False),
            Kind("plugin_metadata", PluginMetadata, "plugin_metadata", key="plugin", labelled=False),
        )
    }
)
"""Group-scoped kinds by path, owners before what they own."""


def document_key(kind: Kind, id: str, parent: str | None) -> str:  # noqa: A002 - the contract's own word
    """The key of a document within its group and kind: `id`, or `parent/id` for nested kinds (ids hold no slash)."""
    return f"{parent}/{id}" if kind.nested else id
