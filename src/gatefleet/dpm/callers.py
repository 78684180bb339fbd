"""Who is calling: what the TLS front found in the client certificate, and nothing the caller says itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import grpc.aio

from gatefleet import pki
from gatefleet.errors import Forbidden, Invalid, Unauthorized
from gatefleet.pki import Identity

XFCC: Final = "x-forwarded-client-cert"
"""Set by the front for every call, a caller's own is dropped: `Hash=<hex>;URI=<uri>`."""

Context = grpc.aio.ServicerContext[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Caller:
    """The certificate's identity and its fingerprint."""

    identity: Identity
    fingerprint: str


@dataclass(slots=True)
class Callers:
    """Recognises callers; knows which certificates are revoked, for connections older than the revocation."""

    revoked: frozenset[str] = frozenset()
    by_group: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Group to the fingerprints of its revoked certificates, ascending."""

    def revoked_of(self, group_id: str) -> tuple[str, ...]:
        return self.by_group.get(group_id, ())

    def caller(self, context: Context) -> Caller:
        """Unauthorized without a certificate, Forbidden with a revoked one or one that names no group."""
        said = header(context, XFCC)
        if not said:
            raise Unauthorized("this call needs a client certificate")
        fields = {name: value for name, _, value in (part.partition("=") for part in said.split(";"))}
        try:
            caller = Caller(pki.identity_in(fields.get("URI", "")), fields.get("Hash", ""))
        except Invalid as error:
            raise Forbidden(str(error)) from error
        if caller.fingerprint in self.revoked:
            raise Forbidden("the client certificate is revoked")
        return caller


def header(context: Context, name: str) -> str:
    """A header of the call; empty when it is not there."""
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), "")
