"""The store: changes of a group in one transaction each, and what the compiler's side reads of them."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import structlog
from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gatefleet.errors import GatefleetError, NotFound
from gatefleet.resources import Document
from gatefleet.store import keys
from gatefleet.store.approvals import demanding
from gatefleet.store.crypto import Cipher
from gatefleet.store.database import autocommit, connect, snapshot, transaction
from gatefleet.store.documents import BATCH, Documents, in_order, opened
from gatefleet.store.listen import CHANNEL
from gatefleet.store.rings import ringed
from gatefleet.store.tables import gateway_group, resource, resource_history, revision_log

log = structlog.stdlib.get_logger(__name__)
H: Final = resource_history.c


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and in which request."""

    operator: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a group since a revision. `full`: `upserts` are all it holds, what is not there is gone."""

    revision: int
    upserts: tuple[Document, ...]
    deletes: tuple[tuple[str, str], ...]
    full: bool
    ring_id: str | None = None
    """The ring that runs in the group at that revision."""


class Store:
    """One database with its cipher. `open` it once per process; it keeps a pool of connections."""

    def __init__(self, engine: AsyncEngine, cipher: Cipher, master_key: bytes) -> None:
        self.engine = engine
        self.cipher = cipher
        self._following = asyncio.create_task(_follow_keys(engine, cipher, master_key))

    @classmethod
    async def open(cls, dsn: str, master_key: bytes, *, pool_size: int = 10) -> Self:
        """The store of a migrated database; WrongKey if the master key is not this database's."""
        engine = connect(dsn, pool_size=pool_size)
        try:
            async with transaction(engine) as connection:
                cipher = await keys.load(connection, master_key)
            return cls(engine, cipher, master_key)
        except BaseException:
            await engine.dispose()
            raise

    async def close(self) -> None:
        self._following.cancel()
        await asyncio.wait([self._following])
        await self.engine.dispose()

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction over what belongs to no group's configuration."""
        return transaction(self.engine)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reads that each stand alone."""
        return autocommit(self.engine)

    def moment(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reads that all see the same moment."""
        return snapshot(self.engine)

    @asynccontextmanager
    async def change(self, group_id: str, author: Author) -> AsyncGenerator[Documents]:
        """Everything in one transaction over one group; nodes hear of it only if it commits.

        Writers queue on the group's row, so none is lost and revisions have no gaps; nothing written means no revision.
        NotFound if there is no such group.
        """
        async with transaction(self.engine) as connection, changing(connection, self.cipher, group_id, author) as group:
            yield group

    @asynccontextmanager
    async def read(self, group_id: str) -> AsyncGenerator[Documents]:
        """The group's documents as they are; do not write through it. NotFound if there is no such group."""
        async with autocommit(self.engine) as connection:
            revision, _, _ = await _revision(connection, group_id)
            yield Documents(connection, self.cipher, group_id, revision)

    async def revisions(self) -> Mapping[str, int]:
        """The revision every group is at."""
        async with autocommit(self.engine) as connection:
            rows = await connection.execute(select(gateway_group.c.id, gateway_group.c.revision))
            return {row.id: row.revision for row in rows}

    async def read_changes(self, group_id: str, since: int) -> Changes:
        """What changed after revision `since`, read at one moment, secrets in clear.

        0, a revision this database has not reached (it was restored from a backup), or one from before the history that
        is kept reads everything. NotFound if there is no such group.
        """
        async with snapshot(self.engine) as connection:
            revision, oldest, ring_id = await _revision(connection, group_id)
            full = since == 0 or since > revision or since < oldest
            if since == revision:
                return Changes(revision, (), (), full=full, ring_id=ring_id)
            mine = resource.c.group_id == group_id
            condition = mine if full else mine & (resource.c.revision > since)
            rows = (await connection.execute(select(resource).where(condition))).all()
            upserts = tuple(opened(self.cipher, row) for row in rows)
            deletes = () if full else await _deletes(connection, group_id, since, upserts)
            return Changes(revision, upserts, deletes, full=full, ring_id=ring_id)

    async def read_at(self, group_id: str, revision: int) -> Sequence[Document]:
        """The group's documents as of a revision, secrets in clear, owners first; NotFound if it is not kept."""
        async with snapshot(self.engine) as connection:
            return await as_of(connection, self.cipher, group_id, revision)


@asynccontextmanager
async def changing(
    connection: AsyncConnection, cipher: Cipher, group_id: str, author: Author
) -> AsyncGenerator[Documents]:
    """A change of one group within a transaction that may hold more; see Store.change."""
    documents = await looking(connection, cipher, group_id, lock=True)
    yield documents
    if documents.touched:
        await _record(documents, author)


async def looking(connection: AsyncConnection, cipher: Cipher, group_id: str, *, lock: bool = False) -> Documents:
    """The group's documents as a change would find them, within a transaction; NotFound if there is no such group.

    With `lock` other changes wait, and what is written becomes the next revision; without it, do not write.
    """
    columns = (gateway_group.c.revision, gateway_group.c.enforce_service_publishing, gateway_group.c.ring_id)
    statement = select(*columns, demanding("publish").label("publishing_rule")).where(gateway_group.c.id == group_id)
    row = (await connection.execute(statement.with_for_update(key_share=True) if lock else statement)).one_or_none()
    if row is None:
        raise NotFound(f"gateway group [{group_id}] not found")
    return Documents(
        connection,
        cipher,
        group_id,
        row.revision + lock,
        publishing_only=row.enforce_service_publishing,
        publishing_rule=row.publishing_rule,
        ringed=await ringed(connection, row.ring_id) if row.ring_id else {},
    )


async def as_of(
    connection: AsyncConnection,
    cipher: Cipher,
    group_id: str,
    revision: int,
    only: Collection[tuple[str, str]] | None = None,
) -> Sequence[Document]:
    """The group's documents as of a revision, or those of these (kind, key) only, within a transaction.

    See Store.read_at.
    """
    newest, oldest, *_ = await _revision(connection, group_id)
    if not oldest <= revision <= newest:
        raise NotFound(
            f"revision [{revision}] of gateway group [{group_id}] is not kept; there are {oldest} to {newest}"
        )
    mine = (H.group_id == group_id) & (H.revision <= revision)
    if only is not None and len(only) <= BATCH:
        mine &= tuple_(H.kind, H.key).in_(list(only))
    newest_first = select(resource_history).where(mine).order_by(H.kind, H.key, H.revision.desc())
    rows = await connection.execute(newest_first.ext(distinct_on(H.kind, H.key)))
    wanted = (row for row in rows if row.body is not None and (only is None or (row.kind, row.key) in only))
    return in_order(opened(cipher, row) for row in wanted)


async def _follow_keys(engine: AsyncEngine, cipher: Cipher, master_key: bytes) -> None:
    """Learn of new keys before they are used, until cancelled."""
    while True:
        await asyncio.sleep(keys.POLL_SECONDS)
        try:
            async with autocommit(engine) as connection:
                cipher.learn(await keys.read(connection, master_key))
        except GatefleetError as error:
            log.warning("the encryption keys could not be read again; those that are known stay", reason=str(error))


async def _record(documents: Documents, author: Author) -> None:
    """The new revision, its log row and the notice, in one round trip."""
    raised = update(gateway_group).where(gateway_group.c.id == documents.group_id).values(revision=documents.revision)
    logged = insert(revision_log).values(
        group_id=documents.group_id,
        revision=documents.revision,
        operator=author.operator,
        request_id=author.request_id,
        upserts=documents.upserts,
        deletes=documents.deletes,
        action=documents.action,
        note=documents.note,
    )
    notified = select(func.pg_notify(CHANNEL, documents.group_id))
    await documents.connection.execute(notified.add_cte(raised.cte("raised"), logged.cte("logged")))


async def _revision(connection: AsyncConnection, group_id: str) -> tuple[int, int, str | None]:
    """The revision the group is at, the oldest that is kept, and the ring that runs."""
    columns = select(gateway_group.c.revision, gateway_group.c.history_from, gateway_group.c.ring_id)
    row = (await connection.execute(columns.where(gateway_group.c.id == group_id))).one_or_none()
    if row is None:
        raise NotFound(f"gateway group [{group_id}] not found")
    return row.revision, row.history_from, row.ring_id


async def _deletes(
    connection: AsyncConnection, group_id: str, since: int, upserts: tuple[Document, ...]
) -> tuple[tuple[str, str], ...]:
    rows = await connection.execute(
        select(revision_log.c.deletes).where(revision_log.c.group_id == group_id, revision_log.c.revision > since)
    )
    gone = {(kind, key) for deletes in rows.scalars() for kind, key in deletes}
    return tuple(sorted(gone - {(document.kind, document.key) for document in upserts}))
