"""What a client sees of a document: its id and times around the body as stored; private keys never."""

from collections.abc import Mapping
from typing import Any, Final

from gatefleet.resources import KINDS
from gatefleet.resources.certificate import described
from gatefleet.resources.kept import concealed
from gatefleet.resources.secrets import bared
from gatefleet.store import Stored

UNREADABLE: Final = {"ssls": frozenset({"key", "keys"}), "certificates": frozenset({"key"})}
"""What documents keep to themselves, by kind."""
SECRETIVE: Final = frozenset({"service_registries"})
"""Kinds whose answers leave out every secret."""
CERTIFICATES: Final = frozenset({"certificates", "ca_certificates"})
"""Kinds whose answers also say what the certificate says of itself."""


def shown(stored: Stored, *, clear: bool = False) -> dict[str, Any]:
    """One document as the value of an answer; stars for secrets but in `clear`, and then still for private keys."""
    document = stored.document
    whole = concealed(document, stored.secrets, clear=clear)
    if document.kind == "plugin_metadata":
        return whole
    hidden = UNREADABLE.get(document.kind, frozenset[str]())
    if document.kind in SECRETIVE:
        whole = bared(document.kind, document.id, document.body)
    body = {key: part for key, part in whole.items() if key not in hidden}
    own = {} if KINDS[document.kind].key == "username" else {"id": document.id}
    said = described(document.body["cert"]) if document.kind in CERTIFICATES else {}
    return {**own, **body, **said, "created_at": stored.created_at, "updated_at": stored.updated_at}


def default_upstream(service_id: str, body: Mapping[str, Any], service: Stored) -> dict[str, Any] | None:
    """A service's inline upstream as it stands among its upstreams: under the service's own id."""
    upstream = body.get("upstream")
    if not isinstance(upstream, Mapping):
        return None
    return {"id": service_id, **upstream, "created_at": service.created_at, "updated_at": service.updated_at}
