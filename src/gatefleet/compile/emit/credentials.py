"""What authenticates: consumers' entries of the native module's table, and certificates as on-demand secrets."""

from collections.abc import Iterable, Iterator

from gatefleet.compile import ir, resolve
from gatefleet.compile.wire import dump
from gatefleet.native import records
from gatefleet.plugin import Who
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls


def consumer_entries(consumer: ir.Consumer) -> list[tuple[bytes, bytes]]:
    """Entries (key, value) of the consumer table for a consumer and each of its credentials, in order of the keys."""
    found = [records.consumer_entry(consumer.username)]
    for credential_id, name, conf in consumer.credentials:
        auth = resolve.plugin(name).auth
        if auth is not None:
            who = Who(consumer=consumer.username, credential_id=credential_id)
            found.extend(auth.entries(auth.read(conf), who))
    return sorted(found)


def secrets(certificates: Iterable[ir.Certificate]) -> Iterator[tuple[str, bytes]]:
    """(name, serialized Secret) for each server name: a node finds the certificate by the client's SNI."""
    for certificate in certificates:
        for name in certificate.names:
            yield (
                name,
                dump(
                    tls.Secret(
                        name=name,
                        tls_certificate={
                            "certificate_chain": {"inline_string": certificate.chain},
                            "private_key": {"inline_string": certificate.key},
                        },
                    )
                ),
            )
