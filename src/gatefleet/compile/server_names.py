"""Which certificates are shown for which server names, and to which clients; what upstreams are shown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

from cryptography import x509

from gatefleet.errors import Invalid
from gatefleet.filters import groups
from gatefleet.resources import Document
from gatefleet.resources.messages import error_at

Json = Mapping[str, Any]
Pair = tuple[str, str]
"""A certificate chain and its key, PEM."""
At = tuple[str | int, ...]

VERSIONS: Final = ("TLSv1.1", "TLSv1.2", "TLSv1.3")
USUAL_VERSIONS: Final = ("TLSv1.2", "TLSv1.3")
NAME: Final = re.compile(r"(\*\.)?[0-9a-z_-]+(\.[0-9a-z_-]+)*\.?")
MOST_PATTERN: Final = 4096


@dataclass(frozen=True, slots=True)
class Trust:
    """What other documents name by id: the group's certificates, those of authorities, its service registries."""

    pairs: Mapping[str, Pair] = field(default_factory=lambda: MappingProxyType(dict[str, Pair]()))
    authorities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(dict[str, str]()))
    registries: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType(dict[str, Mapping[str, Any]]())
    )

    @classmethod
    def of(
        cls, certificates: Iterable[Document], authorities: Iterable[Document], registries: Iterable[Document] = ()
    ) -> "Trust":
        """What documents of these kinds hold."""
        return cls(
            {document.id: (document.body["cert"], document.body["key"]) for document in certificates},
            {document.id: document.body["cert"] for document in authorities},
            {document.id: document.body for document in registries},
        )

    def authorities_of(self, ids: Sequence[str], at: At) -> str:
        """The certificates of these authorities as one PEM; Invalid for one that is not there."""
        for number, one in enumerate(ids):
            if one not in self.authorities:
                raise Invalid(error_at((*at, number), f"CA certificate [{one}] not found"))
        return "\n".join(self.authorities[one].strip() for one in ids) + "\n" if ids else ""


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Which certificates clients must have, and on which paths they may come without one."""

    authorities: str
    depth: int
    skip: tuple[str, ...]
    """Regular expressions that are looked for in nginx's $uri."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One certificate, or one per kind of key, for some server names (exact or `*.suffix`, lower case)."""

    id: str
    """`ssl:<id>` or `sni:<id>`."""
    names: tuple[str, ...]
    pairs: tuple[Pair, ...]
    client: ClientCheck | None = None
    versions: tuple[str, str] = USUAL_VERSIONS
    """The lowest and the highest version of TLS."""
    http3: bool = False

    @property
    def apart(self) -> bool:
        """Whether the listener must know these names; else a certificate on demand does."""
        return self.http3 or self.client is not None or len(self.pairs) > 1 or self.versions != USUAL_VERSIONS

    @property
    def on_demand(self) -> bool:
        """Whether its first certificate may be shown wherever one is asked for by name."""
        return self.client is None and self.versions == USUAL_VERSIONS


def of_ssl(document_id: str, body: Json) -> Shown | None:
    """What an SSL object shows; None when it is switched off or shows itself to upstreams only."""
    if not _is_on(body) or body.get("type") == "client":
        return None
    first = [(body["cert"], body["key"])] if body.get("cert") else []
    further = list(zip(body.get("certs") or (), body.get("keys") or (), strict=True))
    names = body.get("snis") or ([body["sni"]] if body.get("sni") else ())
    client: Json = body.get("client") or {}
    check = _client_check(client.get("ca") or "", client, ("client", "ca"), ("client",)) if client else None
    versions = _versions(body.get("ssl_protocols"))
    http3 = _http3(body, check, versions)
    return Shown(f"ssl:{document_id}", _names(names, ("snis",)), (*first, *further), check, versions, http3)


def of_sni(document_id: str, body: Json, trust: Trust | None) -> Shown:
    """What an SNI shows; without `trust` only its own fields are looked at."""
    if body.get("plugins"):
        raise Invalid('Error at "/plugins": plugins of server names are not supported yet; leave them out')
    mtls: Json = body.get("mtls") or {}
    ids: Sequence[str] = body["certificates"]
    held = trust or Trust()
    missing = [(number, one) for number, one in enumerate(ids) if trust and one not in held.pairs]
    if missing:
        raise Invalid(error_at(("certificates", missing[0][0]), f"certificate [{missing[0][1]}] not found"))
    check = None
    if mtls.get("enabled"):
        at: At = ("mtls", "ca_certificates")
        authorities = held.authorities_of(mtls.get("ca_certificates") or (), at) if trust else None
        check = _client_check(authorities, mtls, at, ("mtls",))
    pairs = tuple(held.pairs[one] for one in ids) if trust else ()
    names = _names([body["domain"]], ("domain",))
    versions = _versions(body.get("ssl_protocols"))
    return Shown(f"sni:{document_id}", names, pairs, check, versions, _http3(body, check, versions))


def _is_on(body: Json) -> bool:
    return body.get("status", 1) != 0


def _names(names: Iterable[str], at: At) -> tuple[str, ...]:
    found = sorted({name.lower() for name in names})
    for name in found:
        if not NAME.fullmatch(name):
            raise Invalid(error_at(at, f"[{name}] is not a server name; give a host name or *. and a host name"))
    return tuple(found)


def _client_check(authorities: str | None, given: Json, at: At, at_check: At) -> ClientCheck:
    if authorities is not None:
        try:
            x509.load_pem_x509_certificates(authorities.encode())
        except ValueError:
            raise Invalid(error_at(at, "the certificate of the authority is not valid PEM")) from None
    skip = cast("Sequence[str]", given.get("skip_mtls_uri_regex") or ())
    for number, pattern in enumerate(skip):
        _check_pattern(pattern, (*at_check, "skip_mtls_uri_regex", number))
    return ClientCheck(authorities or "", int(given.get("depth", 1)), tuple(skip))


def _check_pattern(pattern: str, at: At) -> None:
    try:
        groups(pattern, "the pattern")
    except Invalid as error:
        raise Invalid(error_at(at, str(error))) from None
    if len(pattern) > MOST_PATTERN:
        raise Invalid(error_at(at, f"longer than {MOST_PATTERN} characters"))


def _http3(body: Json, check: ClientCheck | None, versions: tuple[str, str]) -> bool:
    if not body.get("enable_http3"):
        return False
    if check:
        raise Invalid(
            'Error at "/enable_http3": Envoy asks no clients of HTTP/3 for certificates; leave one of the two'
        )
    if versions[1] != VERSIONS[-1]:
        raise Invalid('Error at "/enable_http3": HTTP/3 needs TLSv1.3 in ssl_protocols')
    return True


def _versions(given: Sequence[str] | None) -> tuple[str, str]:
    if not given:
        return USUAL_VERSIONS
    wanted = [version for version in VERSIONS if version in given]
    if len(wanted) != len(set(given)):
        raise Invalid(f'Error at "/ssl_protocols": these can be spoken: {", ".join(VERSIONS)}')
    low, high = wanted[0], wanted[-1]
    if VERSIONS.index(high) - VERSIONS.index(low) != len(wanted) - 1:
        raise Invalid('Error at "/ssl_protocols": TLSv1.2 cannot be left out between TLSv1.1 and TLSv1.3')
    return low, high
