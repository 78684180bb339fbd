"""The documents of one gateway group, within one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.resources import KINDS, Document, Kind
from gatefleet.resources.secrets import CLAIMING, Claim, claims, secret_paths
from gatefleet.store.crypto import Cipher
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.tables import claim, resource, write_order

Column = ColumnElement[Any]
R: Final = resource.c


@dataclass(frozen=True, slots=True)
class Stored:
    """A document with its times (Unix seconds) and the group revision that last touched it."""

    document: Document
    created_at: int
    updated_at: int
    revision: int


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
    """Reads and writes of one group. What is written becomes revision `revision`, once the transaction commits."""

    def __init__(
        self,
        connection: AsyncConnection,
        cipher: Cipher,
        group_id: str,
        revision: int,
        *,
        publishing_only: bool = False,
    ) -> None:
        self.publishing_only = publishing_only
        self.connection = connection
        self.group_id = group_id
        self.revision = revision
        self.upserts: list[tuple[str, str]] = []
        self.deletes: list[tuple[str, str]] = []
        self._cipher = cipher

    @property
    def touched(self) -> bool:
        return bool(self.upserts or self.deletes)

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

    async def put(self, document: Document) -> Stored:
        """Create or replace. Conflict if it holds what another document of the group already holds."""
        paths = secret_paths(document.kind, document.id, document.body)
        body, sealed = seal(self._cipher, self._place(document.kind, document.key), document.body, paths)
        values = {"id": document.id, "parent": document.parent, "body": body, "sealed": sealed}
        row = (
            await self.connection.execute(
                upsert(resource)
                .values(group_id=self.group_id, kind=document.kind, key=document.key, revision=self.revision, **values)
                .on_conflict_do_update(
                    index_elements=[R.group_id, R.kind, R.key],
                    set_=values
                    | {
                        "revision": self.revision,
                        "updated_order": write_order.next_value(),
                        "updated_at": func.clock_timestamp(),
                    },
                )
                .returning(R.created_at, R.updated_at)
            )
        ).one()
        await self._claim(document)
        self.upserts.append((document.kind, document.key))
        return Stored(document, _seconds(row.created_at), _seconds(row.updated_at), self.revision)

    async def delete(self, kind: str, key: str) -> Sequence[Document]:
        """Delete a document and all it owns; returns what is gone (secrets sealed), nothing if it was not there."""
        row = (
            await self.connection.execute(
                delete(resource).where(self._kind(kind), R.key == key).returning(R.id, R.parent, R.body)
            )
        ).one_or_none()
        if row is None:
            return []
        self.deletes.append((kind, key))
        gone = [Document(kind, row.id, row.parent, row.body)]
        for owned in KINDS.values():
            if owned.owner and owned.owner.kind == kind:
                children = await self.connection.execute(
                    select(R.key).where(self._kind(owned.path), R.parent == row.id).order_by(R.key)
                )
                for child in children.scalars().all():
                    gone.extend(await self.delete(owned.path, child))
        return gone

    async def _claim(self, document: Document) -> None:
        if document.kind not in CLAIMING:
            return
        mine = and_(claim.c.group_id == self.group_id, claim.c.kind == document.kind, claim.c.key == document.key)
        await self.connection.execute(delete(claim).where(mine))
        wanted = {(c.space, self._cipher.token(c.space, c.text)): c for c in claims(document.kind, document.body)}
        if not wanted:
            return
        rows = [
            {"group_id": self.group_id, "space": space, "token": token, "kind": document.kind, "key": document.key}
            for space, token in wanted
        ]
        had = await self.connection.execute(
            upsert(claim).values(rows).on_conflict_do_nothing().returning(claim.c.space, claim.c.token)
        )
        missing = wanted.keys() - {(row.space, row.token) for row in had}
        if missing:
            raise Conflict(await self._holder(wanted[min(missing)], min(missing)[1]))

    async def _holder(self, wanted: Claim, token: str) -> str:
        row = (
            await self.connection.execute(
                select(claim.c.kind, claim.c.key).where(
                    claim.c.group_id == self.group_id, claim.c.space == wanted.space, claim.c.token == token
                )
            )
        ).one()
        return f"{wanted.said} is already used by {KINDS[row.kind].singular} [{row.key}]"

    def _kind(self, kind: str) -> Column:
        return and_(R.group_id == self.group_id, R.kind == kind)

    def _place(self, kind: str, key: str) -> str:
        return f"{self.group_id}/{kind}/{key}"

    def _stored(self, row: Row[Any]) -> Stored:
        document = opened(self._cipher, row)
        return Stored(document, _seconds(row.created_at), _seconds(row.updated_at), row.revision)


def opened(cipher: Cipher, row: Row[Any]) -> Document:
    """A row of `resource` as a document, secrets in clear."""
    body = cast("dict[str, Any]", row.body)
    if row.sealed:
        body = unseal(cipher, f"{row.group_id}/{row.kind}/{row.key}", body, row.sealed)
    return Document(row.kind, row.id, row.parent, body)


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


def _seconds(moment: Any) -> int:
    return int(moment.timestamp())
