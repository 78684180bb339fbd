"""What documents of one group are to each other: who owns, who refers, and what a service's type allows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from gatefleet.resources.kinds import KINDS, Step
from gatefleet.resources.messages import error_at
from gatefleet.resources.published import Document


@dataclass(frozen=True, slots=True)
class Reference:
    """A document named by another one's body; `at` is where it is named."""

    at: tuple[str | int, ...]
    kind: str
    id: str


def references(kind: str, body: Mapping[str, Any]) -> Iterator[Reference]:
    """The documents this body names, its owner not among them."""
    for refers in KINDS[kind].refers:
        for at, named in _at(body, refers.path, ()):
            if isinstance(named, str | int):
                yield Reference(at, refers.kind, str(named).partition("/")[0] if refers.leads else str(named))


def misplaced(document: Document, owner_type: str | None) -> str | None:
    """Why a document cannot belong to a service of this type (None counts as http), in words; None if it can."""
    wanted = KINDS[document.kind].shape_of(document.body).service_type
    if wanted is None or wanted == (owner_type or "http"):
        return None
    if document.kind == "upstreams":
        schemes = "http, https, grpc or grpcs" if wanted == "stream" else "tcp, udp or tls"
        return error_at(("scheme",), f"service [{document.parent}] is of type {owner_type or 'http'}; use {schemes}")
    kinds = document.kind.replace("_", " ")
    return error_at(
        ("service_id",), f"service [{document.parent}] is of type {owner_type or 'http'}; {kinds} need one of {wanted}"
    )


def _at(node: Any, path: tuple[Step, ...], at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if not path:
        yield at, node
    elif path[0] is None and isinstance(node, list):
        for index, item in enumerate(cast("list[Any]", node)):
            yield from _at(item, path[1:], (*at, index))
    elif path[0] is not None and isinstance(node, Mapping) and path[0] in node:
        yield from _at(cast("Mapping[str, Any]", node)[path[0]], path[1:], (*at, path[0]))
