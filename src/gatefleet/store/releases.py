"""Service templates, their immutable versions, and which version every gateway group runs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import Row, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.resources import Document
from gatefleet.resources.publishing import ROUTE_KINDS, Content
from gatefleet.resources.secrets import Path, secret_paths
from gatefleet.store.crypto import Cipher
from gatefleet.store.documents import Query, Stored
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.tables import publication, publication_history, service_version, template, write_order

T: Final = template.c
V: Final = service_version.c
P: Final = publication.c
H: Final = publication_history.c


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before it is made. `rollback_note` is for whoever has to go back from it, `owner` whom to ask."""

    service_id: str
    name: str
    content: Content
    note: str = ""
    rollback_note: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Draft):
    """One version of a service: number 1, 2, 3 ... per service, and the name its publisher gave it."""

    id: str
    number: int
    content_hash: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """Which version of a service a group runs; None: it was edited on the group since."""

    group_id: str
    service_id: str
    version_id: str | None
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to a service in a group: one entry of its history.

    `action`: publish, sync, rollback, edit, enable, disable, runtime or offline. `revision` is the group's that has it.
    """

    action: str
    operator: str
    revision: int
    note: str = ""
    source_group_id: str | None = None


class Releases:
    """Reads and writes within one transaction."""

    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self.connection = connection
        self._cipher = cipher

    async def template(self, kind: str, id: str, *, locked: bool = False) -> Stored | None:  # noqa: A002 - the contract's word
        """A template; `locked`: until the transaction ends nobody else changes it."""
        statement = select(template).where(T.kind == kind, T.id == id)
        row = (await self.connection.execute(statement.with_for_update() if locked else statement)).one_or_none()
        return self._stored(row) if row else None

    async def templates(self, kind: str, query: Query) -> tuple[Sequence[Stored], int]:
        """A page of templates, newest change first unless asked otherwise, and how many there are in all."""
        condition = T.kind == kind
        if query.parent is not None:
            condition &= T.parent == query.parent
        if query.name is not None:
            condition &= T.body["name"].astext == query.name
        if query.search:
            condition &= T.body["name"].astext.icontains(query.search, autoescape=True)
        order = T.created_order if query.order_by == "created_at" else T.updated_order
        statement = select(template).where(condition).order_by(order.desc() if query.descending else order.asc())
        if query.page_size is not None:
            statement = statement.limit(query.page_size).offset((query.page - 1) * query.page_size)
        counted = await self.connection.execute(select(func.count()).select_from(template).where(condition))
        rows = (await self.connection.execute(statement)).all()
        return [self._stored(row) for row in rows], counted.scalar_one()

    async def template_content(self, service_id: str) -> tuple[Document, ...]:
        """A service template and then what stands below it, as they are at one moment; nothing if there is none."""
        mine = or_(and_(T.kind == "services", T.id == service_id), T.parent == service_id)
        rows = await self.connection.execute(select(template).where(mine).order_by(T.kind, T.id))
        found = [self._stored(row).document for row in rows]
        services = [document for document in found if document.parent is None]
        return (*services, *(document for document in found if document.parent is not None)) if services else ()

    async def put_template(self, document: Document) -> Stored:
        """Create or replace a template."""
        paths = secret_paths(document.kind, document.id, document.body)
        body, sealed = seal(self._cipher, f"template/{document.kind}/{document.id}", document.body, paths)
        values = {"parent": document.parent, "body": body, "sealed": sealed}
        fresh = {"updated_order": write_order.next_value(), "updated_at": func.clock_timestamp()}
        row = (
            await self.connection.execute(
                upsert(template)
                .values(kind=document.kind, id=document.id, **values)
                .on_conflict_do_update(index_elements=[T.kind, T.id], set_=values | fresh)
                .returning(T.created_at, T.updated_at, T.updated_order)
            )
        ).one()
        when = int(row.created_at.timestamp()), int(row.updated_at.timestamp())
        return Stored(document, *when, row.updated_order, paths)

    async def delete_template(self, kind: str, id: str) -> bool:  # noqa: A002 - the contract's word
        """Delete a template and what stands below a service template; False if it was not there."""
        gone = await self.connection.execute(delete(template).where(T.kind == kind, T.id == id).returning(T.id))
        if kind == "services":
            await self.connection.execute(delete(template).where(T.parent == id))
        return gone.one_or_none() is not None

    async def add_version(self, draft: Draft, author: str) -> Version:
        """The next version of a service, or the one that has this name and the very same content already.

        Conflict if the name is taken by other content: a version never changes.
        """
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": draft.service_id}
        )
        if made := await self.taken(draft):
            return made
        newest = await self.connection.execute(select(func.max(V.number)).where(V.service_id == draft.service_id))
        version_id = str(uuid4())
        secrets = _content_secrets(draft.content)
        body, sealed = seal(self._cipher, f"version/{version_id}", draft.content.plain(), secrets)
        row = {
            "id": version_id,
            "service_id": draft.service_id,
            "number": (newest.scalar_one_or_none() or 0) + 1,
            "version": draft.name,
            "content": body,
            "sealed": sealed,
            "content_hash": content_hash(draft.content),
            "created_by": author,
            "note": draft.note,
            "rollback_note": draft.rollback_note,
            "owner": draft.owner,
        }
        row_made = await self.connection.execute(insert(service_version).values(row).returning(service_version))
        return self._version(row_made.one())

    async def taken(self, draft: Draft) -> Version | None:
        """The version that has this name and content, None if the name is free; Conflict if it has other content."""
        made = await self.find_version(draft.service_id, draft.name)
        wanted = content_hash(draft.content)
        if made and made.content_hash != wanted:
            raise Conflict(
                f"version [{draft.name}] of service [{draft.service_id}] already exists with other content "
                f"(sha256 {made.content_hash[:12]}, this is {wanted[:12]}); a version never changes: take a new number"
            )
        return made

    async def versions(self, service_id: str) -> Sequence[Row[Any]]:
        """Every version of a service, newest first, without what it holds."""
        columns = [column for column in V if column.name not in {"content", "sealed"}]
        statement = select(*columns).where(V.service_id == service_id).order_by(V.number.desc())
        return (await self.connection.execute(statement)).all()

    async def version(self, version_id: str) -> Version | None:
        row = (await self.connection.execute(select(service_version).where(V.id == version_id))).one_or_none()
        return self._version(row) if row else None

    async def part(self, version_id: str, kind: str, id: str) -> Mapping[str, Any] | None:  # noqa: A002
        """What a version holds of its service or of one of its routes, without reading the rest; None if nothing."""
        path = ("service",) if kind == "services" else (kind, id)
        body = V.content[path].label("body")
        row = (await self.connection.execute(select(body, V.sealed).where(V.id == version_id))).one_or_none()
        if row is None or row.body is None:
            return None
        mine = [each[len(path) :] for each in row.sealed if tuple(each[: len(path)]) == path]
        return unseal(self._cipher, "/".join((f"version/{version_id}", *path)), row.body, mine)

    async def find_version(self, service_id: str, name: str) -> Version | None:
        condition = and_(V.service_id == service_id, V.version == name)
        row = (await self.connection.execute(select(service_version).where(condition))).one_or_none()
        return self._version(row) if row else None

    async def publication(self, group_id: str, service_id: str) -> Publication | None:
        condition = and_(P.group_id == group_id, P.service_id == service_id)
        row = (await self.connection.execute(select(publication).where(condition))).one_or_none()
        return Publication(row.group_id, row.service_id, row.version_id, row.published_at) if row else None

    async def publications(self, service_id: str) -> Sequence[Publication]:
        """Where a service is published, latest first."""
        statement = select(publication).where(P.service_id == service_id).order_by(P.published_at.desc(), P.group_id)
        rows = await self.connection.execute(statement)
        return [Publication(row.group_id, row.service_id, row.version_id, row.published_at) for row in rows]

    async def publish(self, group_id: str, version: Version, deed: Deed) -> None:
        """Say which version a group runs from now on, and remember it."""
        values = {"version_id": version.id, "published_at": func.clock_timestamp()}
        await self.connection.execute(
            upsert(publication)
            .values(group_id=group_id, service_id=version.service_id, **values)
            .on_conflict_do_update(index_elements=[P.group_id, P.service_id], set_=values)
        )
        await self.remember(group_id, version.service_id, version, deed)

    async def clear_version(self, group_id: str, service_id: str, deed: Deed) -> None:
        """The group's service was edited: it runs no version any more."""
        condition = and_(P.group_id == group_id, P.service_id == service_id)
        await self.connection.execute(update(publication).where(condition).values(version_id=None))
        await self.remember(group_id, service_id, None, deed)

    async def end_publication(self, group_id: str, service_id: str, deed: Deed) -> None:
        """The service is gone from the group; what was never published leaves no history."""
        condition = and_(P.group_id == group_id, P.service_id == service_id)
        gone = await self.connection.execute(delete(publication).where(condition).returning(P.group_id))
        if gone.one_or_none():
            await self.remember(group_id, service_id, None, deed)

    async def history(self, group_id: str, service_id: str) -> Sequence[Row[Any]]:
        """Every deed about a service in a group, latest first."""
        condition = and_(H.group_id == group_id, H.service_id == service_id)
        return (await self.connection.execute(select(publication_history).where(condition).order_by(H.id.desc()))).all()

    async def remember(self, group_id: str, service_id: str, version: Version | None, deed: Deed) -> None:
        """Write an entry of a service's history in a group, which runs `version` from now on."""
        await self.connection.execute(
            insert(publication_history).values(
                group_id=group_id,
                service_id=service_id,
                version_id=version.id if version else None,
                version=version.name if version else None,
                action=deed.action,
                operator=deed.operator,
                revision=deed.revision,
                note=deed.note,
                source_group_id=deed.source_group_id,
            )
        )

    def _stored(self, row: Row[Any]) -> Stored:
        body = unseal(self._cipher, f"template/{row.kind}/{row.id}", row.body, row.sealed)
        document = Document(row.kind, row.id, row.parent, body)
        when = int(row.created_at.timestamp()), int(row.updated_at.timestamp())
        return Stored(document, *when, row.updated_order, tuple(map(tuple, row.sealed)))

    def _version(self, row: Row[Any]) -> Version:
        content = unseal(self._cipher, f"version/{row.id}", row.content, row.sealed)
        return Version(
            service_id=row.service_id,
            name=row.version,
            content=Content(content["service"], content["routes"], content.get("stream_routes", {})),
            note=row.note,
            rollback_note=row.rollback_note,
            owner=row.owner,
            id=row.id,
            number=row.number,
            content_hash=row.content_hash,
            created_by=row.created_by,
            created_at=row.created_at,
        )


def content_hash(content: Content) -> str:
    """SHA-256 over the content with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(content.plain(), order="sorted")).hexdigest()


def _content_secrets(content: Content) -> list[Path]:
    found: list[Path] = [("service", *path) for path in secret_paths("services", "", content.service)]
    for kind in ROUTE_KINDS:
        for key, body in sorted(content.below(kind).items()):
            found.extend((kind, key, *path) for path in secret_paths(kind, key, body))
    return found
