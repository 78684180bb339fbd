"""TLS towards upstreams: the certificate the gateway shows, and how it checks what it is shown."""

from typing import Final

from gatefleet.compile import ir
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls

SCHEMES: Final = ("https", "grpcs", "tls")
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The authorities the node's system trusts, where an upstream names none."""


def transport_socket(upstream: ir.Upstream) -> core.TransportSocket | None:
    """None when the upstream is spoken to in clear.

    The server name is the upstream's own, else the one the request or connection is for. With `verify` the upstream's
    certificate must come from a known authority and be for that name.
    """
    if upstream.scheme not in SCHEMES:
        return None
    certificates = [
        tls.TlsCertificate(certificate_chain={"inline_string": chain}, private_key={"inline_string": key})
        for chain, key in ([upstream.client_certificate] if upstream.client_certificate else [])
    ]
    context = tls.UpstreamTlsContext(
        sni=upstream.server_name,
        auto_sni_san_validation=upstream.verify,
        common_tls_context=tls.CommonTlsContext(
            tls_certificates=certificates,
            validation_context=_validation(upstream) if upstream.verify else None,
            alpn_protocols=["h2"] if upstream.scheme == "grpcs" else None,
        ),
    )
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def _validation(upstream: ir.Upstream) -> tls.CertificateValidationContext:
    own = upstream.authorities
    return tls.CertificateValidationContext(trusted_ca={"inline_string": own} if own else {"filename": CA_BUNDLE})
