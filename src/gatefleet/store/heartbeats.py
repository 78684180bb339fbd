"""Heartbeats on record: how each node is, and the receipt of what it has proven, many nodes in one statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Integer, Text, bindparam, case, func, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.fleet import Heartbeat, Proven
from gatefleet.pki import Identity
from gatefleet.store.fleet_tables import instance
from gatefleet.store.release_tables import receipt
from gatefleet.store.rings import note_samples, sample_row
from gatefleet.store.tables import gateway_group

CHANNEL: Final = "gatefleet_receipt"
"""PostgreSQL's channel that tells the id of a group whose nodes have proven something new."""
OLDEST_PROOF: Final = 7 * 24 * 3600.0
"""Seconds; what a node says it proved before that was proven then."""
MOST_RECEIPTS: Final = 5_000
"""Rows that one statement adds while there are revisions to skip."""
_NAMED: Final = 10
_LONGEST_REASON: Final = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """A node's heartbeat, and how many seconds ago it arrived."""

    identity: Identity
    beat: Heartbeat
    seconds_ago: float = 0.0


_STATED: Final = (
    Column("group_id", Text),
    Column("id", Text),
    Column("hostname", Text),
    Column("ip", Text),
    Column("version", Text),
    Column("ports", JSONB),
    Column("cores", Integer),
    Column("labels", JSONB),
    Column("applied_revision", BigInteger),
    Column("proven_revision", BigInteger),
    Column("pending", Text),
    Column("envoy", Text),
    Column("problems", JSONB),
    Column("registries", JSONB),
)
"""What a heartbeat states, under the names of the table's columns."""
_BEAT: Final = (*_STATED, Column("expires_at", BigInteger), Column("leaving", Boolean))
_PROVEN: Final = (
    Column("group_id", Text),
    Column("instance_id", Text),
    Column("revision", BigInteger),
    Column("state", Text),
    Column("reason", Text),
    Column("proof", JSONB),
    Column("ago", Float),
)


async def record(connection: AsyncConnection, said: Sequence[Said]) -> None:
    """Record heartbeats in the order they came; nodes not seen before are added, nodes of no group are left out.

    The first report of a revision stays its receipt; whoever listens on `CHANNEL` is told of new ones.
    """
    newest = {(one.identity.group, one.identity.instance): one for one in said}
    rows = {"beats": [_beat(one) for one in newest.values()], "receipts": list(_receipts(said))}
    await connection.execute(_RECORD, rows)
    tallies = [(one.identity, one.beat.tally) for one in newest.values() if one.beat.tally]
    await note_samples(connection, [sample_row(who.group, who.instance, tally) for who, tally in tallies])


def _statement() -> Any:
    beats = func.jsonb_to_recordset(bindparam("beats", type_=JSONB)).table_valued(*_BEAT, name="said")
    beats = beats.render_derived(with_types=True)
    times = {
        "certificate_expires_at": case((beats.c.expires_at > 0, func.to_timestamp(beats.c.expires_at))),
        "last_heartbeat_at": func.now(),
        "left_at": case((beats.c.leaving, func.now()), else_=null().cast(DateTime(timezone=True))),
    }
    stated = [column.name for column in _STATED]
    known = select(*(beats.c[name] for name in stated), *times.values()).join(
        gateway_group, gateway_group.c.id == beats.c.group_id
    )
    kept = upsert(instance).from_select([*stated, *times], known)
    fresh = {name: kept.excluded[name] for name in (*stated, *times) if name not in ("group_id", "id")}
    kept = kept.on_conflict_do_update(index_elements=[instance.c.group_id, instance.c.id], set_=fresh)

    proven = func.jsonb_to_recordset(bindparam("receipts", type_=JSONB)).table_valued(*_PROVEN, name="proven")
    proven = proven.render_derived(with_types=True)
    names = [column.name for column in _PROVEN if column.name != "ago"]
    at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, proven.c.ago)
    wanted = select(*(proven.c[name] for name in names), at).join(
        gateway_group, gateway_group.c.id == proven.c.group_id
    )
    added = upsert(receipt).from_select([*names, "at"], wanted).on_conflict_do_nothing().returning(receipt.c.group_id)
    told = select(added.cte("added").c.group_id).distinct().subquery()
    return select(func.pg_notify(CHANNEL, told.c.group_id)).add_cte(kept.cte("kept"))


_RECORD: Final = _statement()


def _beat(said: Said) -> Mapping[str, Any]:
    beat, machine = said.beat, said.beat.machine
    return {
        "group_id": said.identity.group,
        "id": said.identity.instance,
        "hostname": machine.hostname,
        "ip": machine.ip,
        "version": machine.version,
        "ports": machine.ports,
        "cores": machine.cores,
        "labels": machine.labels,
        "applied_revision": beat.applied_revision,
        "proven_revision": None if beat.proven is None else max((one.revision for one in beat.proven), default=0),
        "pending": beat.pending,
        "envoy": beat.envoy,
        "problems": beat.problems,
        "registries": beat.registries,
        "expires_at": beat.certificate_expires_at,
        "leaving": beat.leaving,
    }


def _receipts(said: Sequence[Said]) -> Collection[Mapping[str, Any]]:
    """The rows to add: of each instance and revision the first; of very many, only each instance's newest."""
    rows: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    for one in said:
        for proven in one.beat.proven or ():
            rows.setdefault((one.identity.group, one.identity.instance, proven.revision), _receipt(one, proven))
    if len(rows) <= MOST_RECEIPTS:
        return rows.values()
    return {(group, name): rows[group, name, revision] for group, name, revision in sorted(rows)}.values()


def _receipt(said: Said, proven: Proven) -> Mapping[str, Any]:
    return {
        "group_id": said.identity.group,
        "instance_id": said.identity.instance,
        "revision": proven.revision,
        "state": "rejected" if proven.rejected else "live",
        "reason": _reason(proven.rejected),
        "proof": msgspec.to_builtins(proven.proof),
        "ago": min(OLDEST_PROOF, proven.ms_ago / 1000 + said.seconds_ago),
    }


def _reason(rejected: Mapping[str, str]) -> str:
    """The refused resources, each with Envoy's reason; the type's URL shortened to its last word."""
    named = [f"{name.removeprefix('type.googleapis.com/').rpartition('.')[2]}: {rejected[name]}" for name in rejected]
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return "; ".join(named[:_NAMED] + more)[:_LONGEST_REASON]
