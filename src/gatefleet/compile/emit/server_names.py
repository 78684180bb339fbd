"""Certificates as secrets, and filter chains of the TLS listener for names that need more than one on demand.

A chain holds names of secrets only, so a new certificate or authority rebuilds nothing; which names lead to it is
the listener's matcher. So the chain of a name changes with its client check and versions of TLS alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from gatefleet.compile.emit import listeners
from gatefleet.compile.emit.guards import CLIENT_HEADER
from gatefleet.compile.emit.upstreams import ADS
from gatefleet.compile.server_names import VERSIONS, Pair, Shown
from gatefleet.compile.wire import dump
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.common.mutation_rules import v3 as mutations
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.protos.envoy.extensions.http.early_header_mutation.header_mutation import v3 as early
from gatefleet.protos.envoy.extensions.matching.common_inputs.network import v3 as inputs
from gatefleet.protos.envoy.extensions.transport_sockets.quic import v3 as quic
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher

if TYPE_CHECKING:
    from google.protobuf.message import Message

Matcher = matcher.Matcher
ENUM: Final = {version: version.replace(".", "_") for version in VERSIONS}
OLD_CIPHERS: Final = tuple(
    f"ECDHE-{kind}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")
    for kind in ("ECDSA", "RSA")
)
"""TLS 1.1 knows none of the ciphers that Envoy offers by itself, which stand first here."""


def secret(name: str, pair: Pair) -> bytes:
    """Serialized Secret with a certificate and its key."""
    certificate = tls.TlsCertificate(
        certificate_chain={"inline_string": pair[0]}, private_key={"inline_string": pair[1]}
    )
    return dump(tls.Secret(name=name, tls_certificate=certificate))


def secrets_apart(shown: Shown) -> Iterator[tuple[str, bytes]]:
    """(name, serialized Secret) of what the chain of `shown` names.

    `depth` counts the authorities between the client's certificate and the trusted one, as OpenSSL counts them since
    1.1.0 (SSL_CTX_set_verify_depth(3)); BoringSSL counts the trusted one too.
    """
    for number, pair in enumerate(shown.pairs):
        name = _certificate_name(shown, number)
        yield name, secret(name, pair)
    if shown.client:
        context = tls.CertificateValidationContext(
            trusted_ca={"inline_string": shown.client.authorities},
            max_verify_depth=wkt.UInt32Value(value=shown.client.depth + 1),
        )
        yield _authority_name(shown), dump(tls.Secret(name=_authority_name(shown), validation_context=context))


def chain(shown: Shown) -> listener.FilterChain:
    """The filter chain of names that stand apart."""
    more = [_told_client(shown)] if shown.client else []
    return listener.FilterChain(
        name=shown.id,
        filters=[listeners.http_filter(more, http3=shown.http3)],
        transport_socket=core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(_context(shown))),
    )


def http3_chain(shown: Shown) -> listener.FilterChain:
    """The filter chain of names that speak HTTP/3, on its own listener."""
    transport = quic.QuicDownstreamTransport(
        downstream_tls_context=_context(shown, alpn=("h3",)), enable_early_data=wkt.BoolValue(value=False)
    )
    socket = core.TransportSocket(name="envoy.transport_sockets.quic", typed_config=pack(transport))
    return listener.FilterChain(name=shown.id, filters=[listeners.http3_filter()], transport_socket=socket)


def chooser(names: Mapping[str, str]) -> matcher.Matcher:
    """From the client's server name to the name of its chain; `names` are exact or `*.suffix`, one level below it."""
    otherwise = _to(listeners.ON_DEMAND)
    wild = {name: to for name, to in names.items() if name.startswith("*.")}
    exact = {name: _to(to) for name, to in names.items() if name not in wild}
    if wild:
        fields = [
            Matcher.MatcherList.FieldMatcher(predicate=_below(name), on_match=_to(wild[name])) for name in sorted(wild)
        ]
        below = Matcher(matcher_list=Matcher.MatcherList(matchers=fields), on_no_match=otherwise)
        otherwise = Matcher.OnMatch(matcher=below)
    if not exact:
        return otherwise.matcher if wild else Matcher(on_no_match=otherwise)
    tree = Matcher.MatcherTree(input=_SERVER_NAME, exact_match_map=Matcher.MatcherTree.MatchMap(map=exact))
    return Matcher(matcher_tree=tree, on_no_match=otherwise)


def _certificate_name(shown: Shown, number: int) -> str:
    return f"{shown.id}/certificate/{number}"


def _authority_name(shown: Shown) -> str:
    return f"{shown.id}/authority"


def _by_name(name: str) -> tls.SdsSecretConfig:
    return tls.SdsSecretConfig(name=name, sds_config=ADS)


def _context(shown: Shown, alpn: tuple[str, ...] = listeners.HTTP_PROTOCOLS) -> tls.DownstreamTlsContext:
    low, high = shown.versions
    required = shown.client is not None and not shown.client.skip
    return tls.DownstreamTlsContext(
        require_client_certificate=wkt.BoolValue(value=True) if required else None,
        common_tls_context=tls.CommonTlsContext(
            tls_params=tls.TlsParameters(
                tls_minimum_protocol_version=ENUM[low],
                tls_maximum_protocol_version=ENUM[high],
                cipher_suites=OLD_CIPHERS if low == VERSIONS[0] else None,
            ),
            tls_certificate_sds_secret_configs=[
                _by_name(_certificate_name(shown, number)) for number in range(len(shown.pairs))
            ],
            validation_context_sds_secret_config=_by_name(_authority_name(shown)) if shown.client else None,
            alpn_protocols=alpn,
        ),
    )


def _told_client(shown: Shown) -> core.TypedExtensionConfig:
    """Tells the routes which names the connection is for, and the client's certificate, which has been verified."""
    option = core.HeaderValueOption(
        header={"key": CLIENT_HEADER, "value": f"{shown.id}/%DOWNSTREAM_PEER_FINGERPRINT_256%"},
        append_action="OVERWRITE_IF_EXISTS_OR_ADD",
    )
    mutation = early.HeaderMutation(mutations=[mutations.HeaderMutation(append=option)])
    return core.TypedExtensionConfig(name="client", typed_config=pack(mutation))


def _below(name: str) -> Matcher.MatcherList.Predicate:
    pattern = rf"(?i)[^.]+{re.escape(name[1:])}"
    single = Matcher.MatcherList.Predicate.SinglePredicate(
        input=_SERVER_NAME, value_match={"safe_regex": {"google_re2": {}, "regex": pattern}}
    )
    return Matcher.MatcherList.Predicate(single_predicate=single)


def _to(chain_name: str) -> Matcher.OnMatch:
    return Matcher.OnMatch(action=_typed("chain", wkt.StringValue(value=chain_name)))


def _typed(name: str, config: "Message") -> xds.TypedExtensionConfig:
    return xds.TypedExtensionConfig(name=name, typed_config=pack(config))


_SERVER_NAME: Final = _typed("name", inputs.ServerNameInput())


def suffixes(name: str) -> Iterable[str]:
    """The wildcards that a server name, exact or wildcard, lies under, nearest first."""
    labels = name.removeprefix("*.").split(".")
    start = 1 if not name.startswith("*.") else 0
    return [f"*.{'.'.join(labels[n:])}" for n in range(start, len(labels)) if f"*.{'.'.join(labels[n:])}" != name]
