"""Rings: what a publication would change in a group, kept aside while only some instances serve it; and which do."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from gatefleet.errors import Invalid
from gatefleet.resources.published import Document

Key = tuple[str, str]
"""Kind and document key."""
COUNTER: Final = "prometheus"
"""The plugin that counts a route's requests."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a ring's members serve beyond the group's documents.

    `present`: the documents of the ring's services as the group has them; they do not change while the ring runs.
    `counting`: the counter's configuration for those of its services that have none.
    """

    upserts: tuple[Document, ...]
    deletes: tuple[Key, ...] = ()
    present: tuple[Document, ...] = ()
    counting: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def touched(self) -> frozenset[Key]:
        """The documents in which the ring differs from the rest."""
        return frozenset((*((document.kind, document.key) for document in self.upserts), *self.deletes))

    @property
    def size(self) -> int:
        """How many documents are compiled anew when the ring starts, about."""
        return len(self.upserts) + len(self.deletes) + len(self.present)

    def labels(self) -> Mapping[str, frozenset[str]]:
        """Service id to what its requests are counted under: its id, or the names it goes by."""
        services = [d for d in (*self.present, *self.upserts) if d.kind == "services"]
        found: dict[str, frozenset[str]] = {}
        for service in services:
            found[service.id] = found.get(service.id, frozenset({service.id})) | {str(service.body.get("name") or "")}
        return {id_: names - {""} for id_, names in found.items()}

    def counted(self, document: Document) -> Document:
        """The document as it is served while the ring runs: an HTTP service counts its requests, whatever it did."""
        if document.kind != "services" or document.body.get("type") == "stream":
            return document
        own: Mapping[str, Any] = document.body.get("plugins") or {}
        plugins = {COUNTER: self.counting, **own}
        return Document(document.kind, document.id, document.parent, {**document.body, "plugins": plugins})

    def to_json(self) -> str:
        """As it is sealed and stored; secrets are in clear."""
        return msgspec.json.encode(
            {
                "upserts": [_plain(document) for document in self.upserts],
                "deletes": self.deletes,
                "present": [_plain(document) for document in self.present],
                "counting": self.counting,
            }
        ).decode()

    @classmethod
    def from_json(cls, text: str) -> "Overlay":
        """The reverse of `to_json`."""
        found = msgspec.json.decode(text, type=_Stored)
        return cls(
            upserts=tuple(Document(*each) for each in found.upserts),
            deletes=found.deletes,
            present=tuple(Document(*each) for each in found.present),
            counting=found.counting,
        )


class _Stored(msgspec.Struct):
    upserts: list[tuple[str, str, str | None, dict[str, Any]]]
    deletes: tuple[tuple[str, str], ...]
    present: list[tuple[str, str, str | None, dict[str, Any]]]
    counting: dict[str, Any]


class Share(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which part of a group's instances: a percentage, a number of them, or those that carry all these labels."""

    percent: float | None = None
    count: int | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instance that could be chosen."""

    id: str
    labels: Mapping[str, str]


def choose(share: Share, candidates: Iterable[Candidate]) -> Sequence[str]:
    """The ids of the instances that make up the share, always the same ones of the same instances; sorted.

    A percentage is rounded up, so it is one at least. Invalid when the share says nothing, too much, or nobody fits.
    """
    said = [name for name in Share.__struct_fields__ if getattr(share, name) is not None]
    if len(said) != 1:
        raise Invalid('Error at "/share": give one of "percent", "count" and "labels"')
    ordered = sorted(candidates, key=lambda c: hashlib.sha256(c.id.encode()).digest())
    if share.labels is not None:
        wanted = share.labels.items()
        chosen = [c for c in ordered if wanted and wanted <= c.labels.items()]
    else:
        chosen = ordered[: _number(share, len(ordered))]
    if not chosen:
        raise Invalid('Error at "/share": no connected instance of the gateway group belongs to it')
    return sorted(candidate.id for candidate in chosen)


def _number(share: Share, there: int) -> int:
    if share.percent is not None:
        if not 0 < share.percent <= 100:
            raise Invalid('Error at "/share/percent": number must be more than 0 and at most 100')
        return -int(-there * share.percent // 100)
    if share.count is None or not 1 <= share.count <= there:
        raise Invalid(f'Error at "/share/count": number must be from 1 to {there}, the connected instances')
    return share.count


def _plain(document: Document) -> tuple[str, str, str | None, Mapping[str, Any]]:
    return document.kind, document.id, document.parent, document.body
