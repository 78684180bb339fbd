"""What nodes have served, in PostgreSQL: written by the DP Managers, summed up for whoever asks.

Each table's partitions take turns, one for every so many hours; what is a day old is emptied as a whole. Every
function works within the caller's transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Table, delete, func, insert, literal, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.figures import FIELDS, NOTHING, Figures
from gatefleet.store.telemetry_tables import PARTITIONS, access_entry, telemetry_mark, traffic_fine, traffic_minute

Dimension = Literal["route", "consumer", "instance"]
OTHERS: Final = "*"
"""The name of those that are not told apart."""
ENTRIES_KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Figures in steps of so many seconds, for so long; a partition takes those of `turn` seconds."""

    table: Table
    step: int
    kept: timedelta
    turn: int


FINE: Final = Resolution(traffic_fine, 15, timedelta(hours=2), 3600)
MINUTE: Final = Resolution(traffic_minute, 60, timedelta(days=1), 4 * 3600)
RESOLUTIONS: Final = (FINE, MINUTE)
ENTRY_TURN: Final = 4 * 3600

Cell = tuple[int, str, Dimension, str, str]
"""When its step began (Unix seconds), group, dimension, service, and the name of the route, consumer or instance."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A report: of which instance, of which run of its Envoy, and its number."""

    group: str
    instance: str
    run: str
    seq: int


async def fresh(connection: AsyncConnection, marks: Sequence[Mark]) -> Collection[Mark]:
    """Those of these reports that are not on record yet, and from now on are, if the transaction ends well."""
    if not marks:
        return ()
    rows = [
        {"group_id": m.group, "instance_id": m.instance, "run": m.run, "seq": m.seq, "at": func.now()}
        for m in sorted(marks, key=lambda m: (m.group, m.instance, m.run))
    ]
    wanted = upsert(telemetry_mark).values(rows)
    T, new = telemetry_mark.c, wanted.excluded  # noqa: N806
    wanted = wanted.on_conflict_do_update(
        index_elements=[T.group_id, T.instance_id, T.run],
        set_={"seq": new.seq, "at": new.at},
        where=T.seq < new.seq,
    )
    taken = await connection.execute(wanted.returning(T.group_id, T.instance_id, T.run))
    found = {(row.group_id, row.instance_id, row.run) for row in taken}
    return {m for m in marks if (m.group, m.instance, m.run) in found}


async def add(connection: AsyncConnection, resolution: Resolution, cells: Mapping[Cell, Figures]) -> None:
    """Add figures to what is there; always in the same order, so that writers wait for each other in no circle."""
    if cells:
        rows = [_cell_row(resolution, cell, cells[cell]) for cell in sorted(cells)]
        await connection.execute(_ADDING[resolution.step], rows)


async def add_entries(connection: AsyncConnection, entries: Sequence[Mapping[str, Any]]) -> None:
    """Keep single requests: the table's columns but `slot` and `id`; `at` in Unix seconds."""
    if entries:
        rows = [
            {**one, "at": _moment(one["at"]), "slot": _slot(access_entry, ENTRY_TURN, one["at"])} for one in entries
        ]
        await connection.execute(insert(access_entry), rows)


async def forget(connection: AsyncConnection, now: float) -> None:
    """Empty the partitions whose time is over, ahead of their next turn."""
    for resolution in RESOLUTIONS:
        await _empty(connection, resolution.table, resolution.turn, resolution.kept, now)
    await _empty(connection, access_entry, ENTRY_TURN, ENTRIES_KEPT, now)
    await connection.execute(delete(telemetry_mark).where(telemetry_mark.c.at < func.now() - timedelta(days=1)))


# Asking


@dataclass(frozen=True, slots=True)
class Ask:
    """Which figures: of steps that begin from `began` on and before `ended`, in Unix seconds.

    `services`: only of these (group, service), None for all of `groups`; `groups`: None for all.
    """

    resolution: Resolution
    began: int
    ended: int
    dimension: Dimension = "route"
    groups: Collection[str] | None = None
    services: Collection[tuple[str, str]] | None = None
    service: str | None = None
    name: str | None = None


async def sums(connection: AsyncConnection, ask: Ask, by: Sequence[str] = ()) -> Mapping[tuple[str, ...], Figures]:
    """Figures by these columns: `group_id`, `service_id`, `name`; by none, under the empty key, zeros if need be."""
    table = ask.resolution.table
    columns = [table.c[column] for column in by]
    statement = select(*columns, *_summed(table)).where(*_conditions(ask)).group_by(*columns)
    found = {_key(row, len(by)): _figures(row, len(by)) for row in await connection.execute(statement)}
    return found or ({} if by else {(): NOTHING})


async def series(
    connection: AsyncConnection, ask: Ask, step: int, by: Sequence[str] = (), only: Collection[tuple[str, ...]] = ()
) -> Mapping[tuple[str, ...], Mapping[int, Figures]]:
    """As `sums`, of `only` these keys, for each step of so many seconds with requests, by its beginning."""
    table = ask.resolution.table
    columns = [table.c[column] for column in by]
    bucket = (func.floor(func.extract("epoch", table.c.at) / step) * step).label("bucket")
    chosen = tuple_(*columns).in_(list(only)) if by else true()
    statement = select(bucket, *columns, *_summed(table)).where(*_conditions(ask), chosen).group_by(bucket, *columns)
    found: dict[tuple[str, ...], dict[int, Figures]] = {}
    for row in await connection.execute(statement):
        found.setdefault(_key(row[1:], len(by)), {})[int(row.bucket)] = _figures(row, len(by) + 1)
    return found


@dataclass(frozen=True, slots=True)
class EntryAsk:
    """Which single requests; `low` and `high` bound the status."""

    group: str
    began: int
    ended: int
    services: Collection[str] | None = None
    service: str | None = None
    route: str | None = None
    consumer: str | None = None
    instance: str | None = None
    low: int = 0
    high: int = 999


async def entries(
    connection: AsyncConnection, ask: EntryAsk, page: int, page_size: int
) -> tuple[Sequence[Mapping[Any, Any]], int]:
    """A page of them, latest first, and how many there are."""
    E = access_entry.c  # noqa: N806
    wanted = {E.service_id: ask.service, E.route_id: ask.route, E.consumer: ask.consumer, E.instance_id: ask.instance}
    conditions: list[ColumnElement[bool]] = [column == name for column, name in wanted.items() if name is not None]
    conditions += [E.group_id == ask.group, E.at >= _moment(ask.began), E.at < _moment(ask.ended)]
    conditions += [E.status.between(ask.low, ask.high)]
    conditions += [E.slot.in_(_slots(access_entry, ENTRY_TURN, ask.began, ask.ended))]
    if ask.services is not None:
        conditions.append(E.service_id.in_(list(ask.services)))
    counted = await connection.execute(select(func.count()).select_from(access_entry).where(*conditions))
    statement = select(access_entry).where(*conditions).order_by(E.at.desc(), E.id.desc())
    rows = await connection.execute(statement.limit(page_size).offset((page - 1) * page_size))
    return rows.mappings().all(), counted.scalar_one()


def _conditions(ask: Ask) -> Iterable[ColumnElement[bool]]:
    resolution, T = ask.resolution, ask.resolution.table.c  # noqa: N806
    yield T.slot.in_(_slots(resolution.table, resolution.turn, ask.began, ask.ended))
    yield T.dimension == ask.dimension
    yield T.at >= _moment(ask.began)
    yield T.at < _moment(ask.ended)
    if ask.groups is not None:
        yield T.group_id.in_(list(ask.groups))
    if ask.services is not None:
        yield tuple_(T.group_id, T.service_id).in_(list(ask.services))
    if ask.service is not None:
        yield T.service_id == ask.service
    if ask.name is not None:
        yield T.name == ask.name


def _summed(table: Table) -> Iterable[Any]:
    return (func.sum(table.c[field]).label(field) for field in FIELDS)


def _key(row: Sequence[Any], size: int) -> tuple[str, ...]:
    return tuple(row[:size])


def _figures(row: Sequence[Any], first: int) -> Figures:
    return tuple(int(count or 0) for count in row[first:])


def _cell_row(resolution: Resolution, cell: Cell, figures: Figures) -> Mapping[str, Any]:
    at, group, dimension, service, name = cell
    return {
        "slot": _slot(resolution.table, resolution.turn, at),
        "group_id": group,
        "dimension": dimension,
        "at": _moment(at),
        "service_id": service,
        "name": name,
        **dict(zip(FIELDS, figures, strict=True)),
    }


def _adding(table: Table) -> Any:
    wanted = upsert(table)
    summed = {field: table.c[field] + wanted.excluded[field] for field in FIELDS}
    return wanted.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=summed)


_ADDING: Final = {resolution.step: _adding(resolution.table) for resolution in RESOLUTIONS}


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _slot(table: Table, turn: int, at: float) -> int:
    return int(at // turn) % PARTITIONS[table.name]


def _slots(table: Table, turn: int, began: float, ended: float) -> Collection[int]:
    turns = range(int(began // turn), int(ended // turn) + 1)
    return {number % PARTITIONS[table.name] for number in turns[: PARTITIONS[table.name]]}


async def _empty(connection: AsyncConnection, table: Table, turn: int, kept: timedelta, now: float) -> None:
    """Who is asked about it waits for an instant, so it is done only where there is something."""
    used = _slots(table, turn, now - kept.total_seconds(), now + turn / 2)
    for slot in sorted(set(range(PARTITIONS[table.name])) - set(used)):
        partition = f"{table.name}_p{slot}"
        some = select(literal(1)).select_from(text(partition)).limit(1)
        if (await connection.execute(some)).one_or_none():
            await connection.execute(text(f"truncate {partition}"))
