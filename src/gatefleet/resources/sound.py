"""What must be right in a document beyond its shape: keys fit certificates, and nothing is asked that nobody does."""

from collections.abc import Iterator

from gatefleet.errors import Invalid
from gatefleet.protobuf import definitions
from gatefleet.references import is_token
from gatefleet.resources.certificate import authorities_problem
from gatefleet.resources.certificate import pair_problem as known_pair_problem
from gatefleet.resources.messages import error_at
from gatefleet.resources.reference_data import Proto, VaultProvider
from gatefleet.resources.route import Route
from gatefleet.resources.service import Service, StreamService
from gatefleet.resources.shape import Shape
from gatefleet.resources.ssl import Ssl
from gatefleet.resources.tls import CaCertificate, Certificate, Sni
from gatefleet.resources.upstream import StreamUpstream, Tls, Upstream

At = tuple[str | int, ...]


def flaws(shaped: Shape) -> Iterator[str]:  # noqa: C901 - one case per shape
    """Every such problem of a document, as sentences that name the field."""
    match shaped:
        case Ssl():
            yield from _ssl(shaped)
        case Certificate():
            if problem := pair_problem(shaped.cert, shaped.key.get_secret_value()):
                yield error_at(("cert",), problem)
        case CaCertificate():
            if problem := authorities_problem(shaped.cert):
                yield error_at(("cert",), problem)
        case VaultProvider():
            yield from (error_at((name,), f'property "{name}" is missing') for name in shaped.missing())
        case Proto():
            yield from _definition(shaped)
        case Sni(plugins=plugins) if plugins:
            yield error_at(("plugins",), "plugins of an SNI are not supported; put them on services or routes")
        case Upstream() | StreamUpstream():
            yield from _upstream(shaped, ())
        case Service(upstream=upstream) | StreamService(upstream=upstream) | Route(upstream=upstream) if upstream:
            yield from _upstream(upstream, ("upstream",))
        case _:
            pass


def _definition(proto: Proto) -> Iterator[str]:
    try:
        definitions(proto.content)
    except Invalid as error:
        yield error_at(("content",), str(error))


def _ssl(ssl: Ssl) -> Iterator[str]:
    if ssl.type == "client":
        yield error_at(("type",), "certificates of clients belong into upstream.tls or certificates")
    offset = len(ssl.pairs()) - len(ssl.certs)
    for number, (certificate, key) in enumerate(ssl.pairs()):
        problem = pair_problem(certificate, key.get_secret_value())
        if problem:
            yield error_at(("cert",) if number < offset else ("certs", number - offset), problem)
    if ssl.client and (problem := authorities_problem(ssl.client.ca)):
        yield error_at(("client", "ca"), problem)


def _upstream(upstream: Upstream | StreamUpstream, at: At) -> Iterator[str]:
    if upstream.discovery_type is not None and upstream.service_name is None:
        yield error_at((*at, "service_name"), 'property "service_name" is missing, and discovery_type is given')
    if upstream.service_name is not None and not 3 <= len(upstream.service_name.split("/")) <= 4:
        yield error_at((*at, "service_name"), "value must be <service registry id>/<namespace>[/<group>]/<name>")
    if upstream.service_name is not None and upstream.nodes:
        yield error_at((*at, "nodes"), "give either nodes or service_name")
    if upstream.tls:
        yield from _client_pair(upstream.tls, (*at, "tls"))


def pair_problem(certificate: str, key: str) -> str | None:
    """Why this pair cannot be served, in words. What is kept outside only the node sees."""
    return None if is_token(certificate) or is_token(key) else known_pair_problem(certificate, key)


def _client_pair(tls: Tls, at: At) -> Iterator[str]:
    if tls.client_cert_id is not None:
        yield error_at((*at, "client_cert_id"), "use client_certificate of the upstream, with the id of a certificate")
    if tls.client_cert is not None or tls.client_key is not None:
        problem = pair_problem(tls.client_cert or "", tls.client_key.get_secret_value() if tls.client_key else "")
        if problem:
            yield error_at((*at, "client_cert"), problem)
