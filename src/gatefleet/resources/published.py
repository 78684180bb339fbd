"""Published: everything one gateway group holds, as one frozen value; it is what the compiler takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gatefleet.resources.kinds import KINDS, document_key


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as stored: what the user sent plus scalar defaults, secrets in clear.

    `id` is the id within its owner: a service's or route's id, a username, a plugin's name. `parent` is the owner's id
    (the service of a route or upstream, the consumer of a credential), else None.
    """

    kind: str
    id: str
    parent: str | None
    body: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """Its key in `Published.documents[kind]`."""
        return document_key(KINDS[self.kind], self.id, self.parent)


@dataclass(frozen=True, slots=True)
class Published:
    """The documents of a group: by kind's path, then by document key."""

    documents: Mapping[str, Mapping[str, Document]] = field(
        default_factory=lambda: MappingProxyType(dict[str, Mapping[str, Document]]())
    )

    @classmethod
    def of(cls, documents: Iterable[Document]) -> "Published":
        """The group that holds just these documents."""
        return cls().changed(documents)

    def all(self, kind: str) -> Mapping[str, Document]:
        """The documents of a kind by key; none if the group has none."""
        return self.documents.get(kind, MappingProxyType({}))

    def get(self, kind: str, key: str) -> Document | None:
        return self.all(kind).get(key)

    def changed(self, upserts: Iterable[Document], deletes: Iterable[tuple[str, str]] = ()) -> "Published":
        """The group after these changes; `deletes` are (kind, document key). Kinds not touched are shared."""
        touched: dict[str, dict[str, Document]] = {}

        def writable(kind: str) -> dict[str, Document]:
            if kind not in touched:
                touched[kind] = dict(self.all(kind))
            return touched[kind]

        for kind, key in deletes:
            writable(kind).pop(key, None)
        for document in upserts:
            writable(document.kind)[document.key] = document
        frozen = {kind: MappingProxyType(held) for kind, held in touched.items()}
        return Published(MappingProxyType({**self.documents, **frozen}))
