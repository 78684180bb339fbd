"""Which version of each service gateway groups run, now and at earlier revisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.store.tables import publication, publication_history, service_version

P: Final = publication.c
H: Final = publication_history.c
V: Final = service_version.c


@dataclass(frozen=True, slots=True)
class Running:
    """A service's version in a group: its id, its name, and since when."""

    version_id: str
    name: str
    since: datetime


async def running(connection: AsyncConnection, group_ids: Iterable[str]) -> Mapping[tuple[str, str], Running]:
    """The versions that services run now, by group and service; a service without version is not in it."""
    columns = select(P.group_id, P.service_id, V.id, V.version, P.published_at)
    joined = columns.join_from(publication, service_version, V.id == P.version_id)
    rows = await connection.execute(joined.where(P.group_id.in_(list(group_ids))))
    return {(row.group_id, row.service_id): Running(row.id, row.version, row.published_at) for row in rows}


async def running_at(connection: AsyncConnection, group_id: str, revision: int) -> Mapping[str, Running]:
    """The versions that a group's services ran at a revision, by service."""
    before = and_(H.group_id == group_id, H.revision <= revision)
    latest = select(publication_history).where(before).order_by(H.service_id, H.id.desc())
    rows = await connection.execute(latest.ext(distinct_on(H.service_id)))
    return {row.service_id: Running(row.version_id, row.version, row.at) for row in rows if row.version_id}


async def once_ran(connection: AsyncConnection, group_id: str, service_id: str, revision: int) -> Sequence[str]:
    """The ids of versions a service ran up to a revision, the latest first."""
    mine = and_(H.group_id == group_id, H.service_id == service_id, H.revision <= revision, H.version_id.is_not(None))
    grouped = select(H.version_id).where(mine).group_by(H.version_id).order_by(func.max(H.id).desc())
    return [str(version_id) for version_id in (await connection.execute(grouped)).scalars()]
