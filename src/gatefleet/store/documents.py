"""The documents of one gateway group, within one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SelectBase,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.resources import KINDS, Document, Kind
from gatefleet.resources.secrets import Path, secret_paths
from gatefleet.store.claims import take
from gatefleet.store.crypto import Cipher
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.tables import resource, resource_history, write_order

T = TypeVar("T")
Column = ColumnElement[Any]
R: Final = resource.c
H: Final = resource_history.c
NO_RING: Final[Mapping[str, str]] = {}
BATCH: Final = 500
"""Documents written in one round trip."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document with its times (Unix seconds), the group revision that last touched it, and where secrets stand.

    A template belongs to no group: its revision is the number of its last write.
    """

    document: Document
    created_at: int
    updated_at: int
    revision: int
    secrets: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Kin:
    """A document as an owner, or as something owned; `type` is the body's field of that name, if it is text."""

    parent: str | None
    type: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """Which documents of a kind, and in which order. `labels`: key to value, None for "has the key"."""

    parent: str | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    name: str | None = None
    search: str | None = None
    plugin: str | None = None
    type: str | None = None
    host: str | None = None
    order_by: Literal["created_at", "updated_at"] = "updated_at"
    descending: bool = True
    page: int = 1
    page_size: int | None = None


EVERYTHING: Final = Query()


class Documents:
    """Reads and writes of one group. What is written becomes revision `revision`, once the transaction commits.

    Every form of a document is kept beside it as history. `action` and `note` say in the log of revisions what was done
    and why.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        cipher: Cipher,
        group_id: str,
        revision: int,
        *,
        publishing_only: bool = False,
        publishing_rule: str | None = None,
        ringed: Mapping[str, str] = NO_RING,
    ) -> None:
        self.publishing_only = publishing_only
        self.publishing_rule = publishing_rule
        self.ringed = ringed
        """The services of the ring that runs, to the ring's id: only the ring's end may change them."""
        self.raised = False
        """A revision is made although no document is written."""
        self.connection = connection
        self.group_id = group_id
        self.revision = revision
        self.action = "edit"
        self.note = ""
        self._there: dict[tuple[str, str], bool] = {}
        self._cipher = cipher

    @property
    def restricted(self) -> bool:
        """Whether services and their routes come to this group by publishing only."""
        return self.publishing_only or self.publishing_rule is not None

    @property
    def touched(self) -> bool:
        return self.raised or bool(self._there)

    @property
    def upserts(self) -> Sequence[tuple[str, str]]:
        """(kind, key) of what was written and is still there."""
        return [name for name, there in self._there.items() if there]

    @property
    def deletes(self) -> Sequence[tuple[str, str]]:
        """(kind, key) of what was deleted and did not come back."""
        return [name for name, there in self._there.items() if not there]

    async def get(self, kind: str, key: str) -> Stored | None:
        row = (await self.connection.execute(select(resource).where(self._kind(kind), R.key == key))).one_or_none()
        return self._stored(row) if row else None

    async def kin(self, *wanted: tuple[str, str]) -> Mapping[tuple[str, str], Kin]:
        """Those of the (kind, key) that exist, each with what its relatives must know of it; one round trip."""
        columns = (R.kind, R.key, R.parent, R.body["type"].astext.label("type"))
        rows = await self.connection.execute(
            select(*columns).where(R.group_id == self.group_id, tuple_(R.kind, R.key).in_(wanted))
        )
        return {(row.kind, row.key): Kin(row.parent, row.type) for row in rows}

    async def list(self, kind: str, query: Query = EVERYTHING) -> tuple[Sequence[Stored], int]:
        """The page asked for, and how many documents there are in all pages."""
        condition = and_(self._kind(kind), _matches(KINDS[kind], query))
        rows = (await self.connection.execute(_paged(select(resource).where(condition), query))).all()
        total = len(rows)
        if query.page_size is not None:
            counted = await self.connection.execute(select(func.count()).select_from(resource).where(condition))
            total = counted.scalar_one()
        return [self._stored(row) for row in rows], total

    async def family(self, kind: str, key: str) -> Sequence[Document]:
        """A document and what it owns directly, by kind and key; nothing if it is not there."""
        owned = [owned.path for owned in KINDS.values() if owned.owner and owned.owner.kind == kind]
        condition = or_(and_(R.kind == kind, R.key == key), and_(R.kind.in_(owned), R.parent == key))
        statement = select(resource).where(R.group_id == self.group_id, condition).order_by(R.kind, R.key)
        found = [opened(self._cipher, row) for row in await self.connection.execute(statement)]
        return found if any(document.kind == kind for document in found) else []

    async def everything(self) -> Sequence[Document]:
        """All documents of the group, secrets in clear, owners before what they own."""
        rows = await self.connection.execute(select(resource).where(R.group_id == self.group_id))
        return in_order(opened(self._cipher, row) for row in rows)

    async def put(self, document: Document) -> Stored:
        """Create or replace. Conflict if it holds what another document of the group already holds."""
        return (await self.put_all([document]))[0]

    async def put_all(self, documents: Iterable[Document]) -> Sequence[Stored]:
        """Create or replace all, in this order; a document named twice has its last form.

        What only one document may hold can change hands among them. Conflict if one wants what a document that is not
        among them holds, or two want the same.
        """
        wanted = {(document.kind, document.key): document for document in documents}
        self.check_free(wanted.values())
        stored: list[Stored] = []
        for batch in _batches(list(wanted.values())):
            given = [self._row(document) for document in batch]
            rows = await self.connection.execute(_WRITE, self._written(given))
            times = {(row.kind, row.key): row for row in rows}
            for document, written in zip(batch, given, strict=True):
                row = times[document.kind, document.key]
                when = _seconds(row.created_at), _seconds(row.updated_at)
                stored.append(Stored(document, *when, self.revision, tuple(written["sealed"])))
        await take(self.connection, self._cipher, self.group_id, list(wanted.values()))
        self._there.update(dict.fromkeys(wanted, True))
        return stored

    async def delete(self, kind: str, key: str) -> Sequence[Document]:
        """Delete a document and all it owns; returns what is gone (secrets sealed), nothing if it was not there."""
        return await self.delete_all([(kind, key)])

    async def delete_all(self, names: Iterable[tuple[str, str]]) -> Sequence[Document]:
        """Delete all of these (kind, key) that are there, and all they own; returns what is gone."""
        gone: list[Document] = []
        for batch in _batches(list(names)):
            doomed: Column | None = tuple_(R.kind, R.key).in_(batch)
            while doomed is not None:
                level = await self._delete(doomed)
                gone.extend(level)
                doomed = _owned(level)
        return gone

    async def _delete(self, condition: Column) -> Sequence[Document]:
        """Delete what meets the condition, and remember that it was deleted now."""
        gone = delete(resource).where(R.group_id == self.group_id, condition).returning(resource).cte("gone")
        tombstones = select(
            gone.c.group_id, gone.c.kind, gone.c.key, literal(self.revision, R.revision.type), gone.c.id, gone.c.parent
        )
        kept = _kept(["group_id", "kind", "key", "revision", "id", "parent"], tombstones)
        rows = await self.connection.execute(
            select(gone.c.kind, gone.c.key, gone.c.id, gone.c.parent, gone.c.body)
            .order_by(gone.c.kind, gone.c.key)
            .add_cte(kept.cte("kept"))
        )
        level = [Document(row.kind, row.id, row.parent, row.body) for row in rows]
        self._there.update({(document.kind, document.key): False for document in level})
        self.check_free(level)
        return level

    def check_free(self, documents: Iterable[Document]) -> None:
        """Conflict if one of them belongs to a service that a ring is trying."""
        for document in documents:
            owner = KINDS[document.kind].owner
            service = document.id if document.kind == "services" else str(document.parent)
            of_service = document.kind == "services" or (owner is not None and owner.kind == "services")
            if of_service and service in self.ringed:
                raise Conflict(
                    f"service [{service}] is in ring [{self.ringed[service]}] of gateway group [{self.group_id}]: "
                    "promote the ring or roll it back first"
                )

    def _row(self, document: Document) -> dict[str, Any]:
        paths = secret_paths(document.kind, document.id, document.body)
        body, sealed = seal(self._cipher, self._place(document.kind, document.key), document.body, paths)
        names = {"kind": document.kind, "key": document.key, "id": document.id, "parent": document.parent}
        return {**names, "body": body, "sealed": sealed}

    def _written(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"rows": rows, "group": self.group_id, "as_revision": self.revision}

    def _kind(self, kind: str) -> Column:
        return and_(R.group_id == self.group_id, R.kind == kind)

    def _place(self, kind: str, key: str) -> str:
        return f"{self.group_id}/{kind}/{key}"

    def _stored(self, row: Row[Any]) -> Stored:
        document = opened(self._cipher, row)
        when = _seconds(row.created_at), _seconds(row.updated_at)
        return Stored(document, *when, row.revision, tuple(map(tuple, row.sealed)))


def _write() -> Select[Any, Any, Any, Any]:
    """One statement that writes the documents of the parameter `rows`, and keeps their form as history."""
    given = func.jsonb_to_recordset(bindparam("rows", type_=JSONB)).table_valued(
        *(column(name, R[name].type) for name in ("kind", "key", "id", "parent", "body", "sealed")), name="given"
    )
    rows = given.render_derived(with_types=True)
    group, revision = bindparam("group", type_=R.group_id.type), bindparam("as_revision", type_=R.revision.type)
    fields = [R.group_id, R.kind, R.key, R.id, R.parent, R.body, R.sealed, R.revision]
    source = select(group, rows.c.kind, rows.c.key, rows.c.id, rows.c.parent, rows.c.body, rows.c.sealed, revision)
    put = upsert(resource).from_select([each.name for each in fields], source)
    replaced = {name: put.excluded[name] for name in ("id", "parent", "body", "sealed", "revision")}
    fresh = {"updated_order": write_order.next_value(), "updated_at": func.clock_timestamp()}
    written = (
        put.on_conflict_do_update(index_elements=[R.group_id, R.kind, R.key], set_=replaced | fresh)
        .returning(*fields, R.created_at, R.updated_at)
        .cte("written")
    )
    kept = _kept([each.name for each in fields], select(*(written.c[each.name] for each in fields)))
    times = select(written.c.kind, written.c.key, written.c.created_at, written.c.updated_at)
    return times.add_cte(kept.cte("kept"))


def _kept(names: Sequence[str], source: SelectBase) -> Insert:
    """Write history; a document written twice in one revision keeps its last form there."""
    put = upsert(resource_history).from_select(list(names), source)
    last = {name: put.excluded[name] for name in ("id", "parent", "body", "sealed")}
    return put.on_conflict_do_update(index_elements=[H.group_id, H.kind, H.key, H.revision], set_=last)


_WRITE: Final = _write()


def opened(cipher: Cipher, row: Row[Any]) -> Document:
    """A row of `resource` as a document, secrets in clear."""
    body = cast("dict[str, Any]", row.body)
    if row.sealed:
        body = unseal(cipher, f"{row.group_id}/{row.kind}/{row.key}", body, row.sealed)
    return Document(row.kind, row.id, row.parent, body)


def in_order(documents: Iterable[Document]) -> Sequence[Document]:
    """By kind, owners before what they own, and by key."""
    places = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(documents, key=lambda document: (places[document.kind], document.key))


def _matches(kind: Kind, query: Query) -> Column:
    conditions: list[Column] = [true()]
    if query.parent is not None:
        conditions.append(R.parent == query.parent)
    if kind.labelled:
        for key, value in query.labels.items():
            labels = R.body["labels"]
            conditions.append(labels.has_key(key) if value is None else labels.contains({key: value}))
    if query.name is not None:
        conditions.append(R.body["name"].astext == query.name)
    if query.search:
        like = f"%{_literal(query.search)}%"
        conditions.append(or_(*(column.ilike(like) for column in (R.id, R.body["name"].astext, R.body["desc"].astext))))
    if query.type is not None:
        conditions.append(R.body["type"].astext == query.type)
    if query.host is not None:
        conditions.append(R.body["hosts"].has_key(query.host))
    if query.plugin is not None:
        conditions.append(R.body["plugins"].has_key(query.plugin))
    return and_(*conditions)


def _paged(statement: Select[Any], query: Query) -> Select[Any]:
    order = R.created_order if query.order_by == "created_at" else R.updated_order
    statement = statement.order_by(order.desc() if query.descending else order.asc())
    if query.page_size is None:
        return statement
    return statement.limit(query.page_size).offset((query.page - 1) * query.page_size)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _owned(owners: Sequence[Document]) -> Column | None:
    """What belongs to these documents; None if nothing can."""
    ids: dict[str, list[str]] = {}
    for document in owners:
        ids.setdefault(document.kind, []).append(document.id)
    owned = [
        and_(R.kind == kind.path, R.parent.in_(ids[kind.owner.kind]))
        for kind in KINDS.values()
        if kind.owner and kind.owner.kind in ids
    ]
    return or_(*owned) if owned else None


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _seconds(moment: Any) -> int:
    return int(moment.timestamp())
