"""Two groups side by side: what has the same name in the same place is the same, whatever its id."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gatefleet.resources.kinds import KINDS
from gatefleet.resources.published import Document
from gatefleet.resources.relations import references
from gatefleet.resources.secrets import replaced

Place = tuple[str, str | None, str]
"""Kind, owner's id and name."""


@dataclass(slots=True)
class _Ids:
    """What is known by an id here, and what here goes by a name that only it has."""

    keys: frozenset[tuple[str, str]]
    by_name: Mapping[Place, str | None]
    taken: frozenset[tuple[str, str]]
    new: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def aligned(here: Iterable[Document], there: Iterable[Document]) -> tuple[Document, ...]:
    """`there` as if it had the ids of `here`.

    A resource keeps its id if there is one with it on both sides. Else it takes the id of the one that alone has its
    name, below the same owner; and what refers to it, or stands below it, follows.
    """
    theirs = sorted(there, key=lambda document: (list(KINDS).index(document.kind), document.key))
    ids = _known(list(here), theirs)
    moved = [_renamed(ids, document) for document in theirs]
    return tuple(_referring(ids, document) for document in moved)


def _known(here: list[Document], there: list[Document]) -> _Ids:
    by_name: dict[Place, str | None] = {}
    for document in here:
        if isinstance(name := document.body.get("name"), str):
            place = (document.kind, document.parent, name)
            by_name[place] = None if place in by_name else document.id
    keys = frozenset((document.kind, document.key) for document in here)
    return _Ids(keys, by_name, frozenset((document.kind, document.key) for document in there))


def _renamed(ids: _Ids, document: Document) -> Document:
    kind = KINDS[document.kind]
    moved = document
    if kind.owner and document.parent is not None:
        parent = ids.new.get((kind.owner.kind, document.parent), document.parent)
        body = {**document.body, kind.owner.field: parent} if kind.owner.field else document.body
        moved = replace(document, parent=parent, body=body)
    if (moved.kind, moved.key) in ids.keys:
        return moved
    known = ids.by_name.get((moved.kind, moved.parent, str(moved.body.get("name"))))
    if known is None or (moved.kind, replace(moved, id=known).key) in ids.taken:
        return moved
    ids.new[document.kind, document.id] = known
    return replace(moved, id=known)


def _referring(ids: _Ids, document: Document) -> Document:
    found: dict[tuple[str | int, ...], Any] = {
        reference.at: ids.new[reference.kind, reference.id]
        for reference in references(document.kind, document.body)
        if (reference.kind, reference.id) in ids.new
    }
    return replace(document, body=replaced(document.body, found)) if found else document
