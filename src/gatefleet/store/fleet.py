"""The fleet in the database: who may join, what was issued to whom, how each node is.

Every function works within the caller's transaction. Private keys are encrypted by the store's cipher, join tokens are
stored as hashes. A node's status is worked out when it is read, so nothing has to notice that it went silent.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import pki
from gatefleet.errors import NotFound, Unauthorized
from gatefleet.pki import Bundle, Identity, JoinToken, Pair
from gatefleet.store.authority import authorities
from gatefleet.store.crypto import Cipher
from gatefleet.store.events import record_event
from gatefleet.store.fleet_keys import snapshot_keys
from gatefleet.store.fleet_tables import (
    client_certificate,
    group_status,
    instance,
    join_token,
)
from gatefleet.store.tables import gateway_group, revision_log

if TYPE_CHECKING:
    from gatefleet.store.store import Author

LOST_AFTER: Final = timedelta(seconds=30)
OFFLINE_AFTER: Final = timedelta(hours=2)
REMOVED_AFTER: Final = timedelta(days=7)
SYNC_SECONDS: Final = 10
"""A node may be this long behind its group before it counts as out of sync."""

Status = Literal["Healthy", "OutOfSync", "LostConnection", "Offline"]


@dataclass(frozen=True, slots=True)
class Instance:
    """A node as it last reported."""

    id: str
    group_id: str
    hostname: str
    ip: str
    version: str
    ports: tuple[int, ...]
    cores: int
    applied_revision: int
    proven_revision: int | None
    """The newest one that it saw served; None from a node too old to look."""
    behind: int
    """How many revisions of its group it has not proven, or not applied if it cannot prove any."""
    pending: str
    """Why it has not proven what came after that."""
    envoy: str
    problems: Mapping[str, str]
    """Resources its Envoy refuses, "<type URL>/<name>" to the reason."""
    status: Status
    created_at: datetime
    last_heartbeat_at: datetime
    silent: timedelta
    """Since its last heartbeat."""
    certificate_expires_at: datetime | None
    labels: Mapping[str, str]
    to_be_deleted_at: datetime | None
    """Set while it is offline."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked certificate."""

    serial: str
    fingerprint: str
    """SHA-256 of the DER form, hex."""
    group_id: str


# What the CA issues


async def issue(
    connection: AsyncConnection, ca: Pair, identity: Identity, csr: str, origin: str, life: timedelta = pki.CLIENT_LIFE
) -> str:
    """A client certificate (PEM) for the key in `csr`, on record to be revocable. Invalid for a bad request.

    `origin` is what the node joined with, as the table says it.
    """
    certificate = pki.sign_csr(ca, csr, identity, datetime.now(UTC), life)
    await _record(connection, identity, certificate, origin)
    return certificate


async def origin_of(connection: AsyncConnection, fingerprint: str) -> str:
    """What the node with this certificate once joined with; empty when that is not known."""
    c = client_certificate.c
    found = (await connection.execute(select(client_certificate).where(c.fingerprint == fingerprint))).first()
    if found is None:
        return ""
    return f"certificate/{found.serial}" if found.instance_id.startswith(pki.SHARED) else str(found.origin)


async def issue_client_bundle(
    connection: AsyncConnection, cipher: Cipher, group_id: str, *, dp_manager_addresses: Sequence[str] = ()
) -> dict[str, Any]:
    """A client certificate with its key and all else a node needs to join, as the Admin API shows it once.

    `id` is the certificate's serial number, `expiry` Unix seconds, `bundle` the join bundle as a JSON text.
    NotFound if there is no such group.
    """
    keys = await snapshot_keys(connection, cipher, group_id)
    ca = await authorities(connection, cipher)
    identity = Identity(group_id, pki.SHARED + uuid.uuid4().hex[:16])
    pair = pki.issue_client(ca.issuing, identity, datetime.now(UTC))
    await _record(connection, identity, pair.certificate, "")
    bundle = Bundle(
        certificate=pair.certificate,
        private_key=pair.key,
        ca_certificate=ca.certificates,
        gateway_group_id=group_id,
        verification_keys={key.key_id: key.verification for key in keys},
        snapshot_key=keys[0].copy,
        copy_keys={key.key_id: key.copy for key in keys},
        dp_manager_addresses=tuple(dp_manager_addresses),
    )
    return {
        "id": pki.serial(pair.certificate),
        "certificate": pair.certificate,
        "private_key": pair.key,
        "ca_certificate": ca.certificates,
        "gateway_group_id": group_id,
        "expiry": int(pki.expiry(pair.certificate).timestamp()),
        "bundle": bundle.to_json().decode(),
    }


async def revoke_group(connection: AsyncConnection, group_id: str) -> None:
    """Revoke all certificates of a group: what deleting it needs."""
    mine = client_certificate.c.group_id == group_id
    await connection.execute(update(client_certificate).where(mine).values(revoked_at=func.now()))


async def revoked(connection: AsyncConnection) -> Sequence[Revoked]:
    """Every revoked certificate that has not expired yet, in the order of their fingerprints."""
    c = client_certificate.c
    rows = await connection.execute(
        select(c.serial, c.fingerprint, c.group_id)
        .where(c.revoked_at.is_not(None), c.expires_at > func.now())
        .order_by(c.fingerprint)
    )
    return [Revoked(row.serial, row.fingerprint, row.group_id) for row in rows]


# Join tokens


async def mint_join_token(connection: AsyncConnection, cipher: Cipher, group_id: str) -> tuple[str, str]:
    """Id and plain text of a new join token, which is never shown again. NotFound if there is no such group."""
    await _group(connection, group_id)
    ca = await authorities(connection, cipher)
    token, number = pki.mint_token(ca.serving.certificate), uuid.uuid4().hex[:16]
    await connection.execute(insert(join_token).values(id=number, group_id=group_id, hash=token.hashed))
    return number, token.plain


async def admit(connection: AsyncConnection, token: JoinToken) -> tuple[str, str]:
    """The group a join token admits to, and the token's id. Unauthorized if it is none of ours."""
    found = await connection.execute(
        update(join_token)
        .where(join_token.c.hash == token.hashed)
        .values(last_used_at=func.now())
        .returning(join_token.c.group_id, join_token.c.id)
    )
    row = found.one_or_none()
    if row is None:
        raise Unauthorized("the join token is not known here; mint a new one for the gateway group")
    return row.group_id, row.id


# Nodes


async def list_instances(connection: AsyncConnection, group_id: str | None = None) -> Sequence[Instance]:
    """The nodes of a group, or of all groups, newest first, with their statuses as of now."""
    due = (
        select(revision_log.c.revision)
        .where(
            revision_log.c.group_id == gateway_group.c.id,
            revision_log.c.at < func.now() - text(f"interval '{SYNC_SECONDS} seconds'"),
        )
        .order_by(revision_log.c.revision.desc())
        .limit(1)
        .scalar_subquery()
    )
    groups = select(gateway_group.c.id, gateway_group.c.revision, func.coalesce(due, 0).label("due"))
    if group_id is not None:
        groups = groups.where(gateway_group.c.id == group_id)
    once = groups.cte("groups").prefix_with("materialized")  # not for each of a group's nodes anew
    query = (
        select(instance, once.c.due, func.now().label("now"), once.c.revision)
        .join(once, once.c.id == instance.c.group_id)
        .order_by(instance.c.created_at.desc())
    )
    if group_id is not None:
        query = query.where(instance.c.group_id == group_id)
    return tuple(_instance(row) for row in (await connection.execute(query)).all())


async def remove_forgotten(connection: AsyncConnection, author: "Author") -> int:
    """Remove nodes that have been silent for a week, each with a row of the audit log; how many there were."""
    silent = instance.c.last_heartbeat_at < func.now() - REMOVED_AFTER
    gone = await connection.execute(
        delete(instance).where(silent).returning(instance.c.group_id, instance.c.id, instance.c.hostname)
    )
    found = gone.all()
    for node in found:
        told = {"reason": f"silent for {REMOVED_AFTER.days} days", "hostname": node.hostname}
        await record_event(connection, author, "DeleteInstance", node.group_id, "instances", node.id, told)
    return len(found)


# Problems


async def report(connection: AsyncConnection, group_id: str, revision: int, problems: Mapping[str, str]) -> None:
    """Record what compiling a revision came to; an older revision never overwrites a newer one.

    NotFound if there is no such group.
    """
    values = {"revision": revision, "problems": dict(problems), "compiled_at": func.now()}
    await _group(connection, group_id)
    await connection.execute(
        upsert(group_status)
        .values(group_id=group_id, **values)
        .on_conflict_do_update(
            index_elements=[group_status.c.group_id], set_=values, where=group_status.c.revision <= revision
        )
    )


async def problems(connection: AsyncConnection, group_id: str) -> Mapping[str, str]:
    """What of the group is not live as it stands, and why.

    Documents that could not be compiled ("kind/key"), and resources that the Envoys of connected nodes refuse
    ("<type URL>/<name>"); both keep their last good form.
    """
    compiled = await connection.execute(select(group_status.c.problems).where(group_status.c.group_id == group_id))
    heard = instance.c.last_heartbeat_at > func.now() - LOST_AFTER
    refused = await connection.execute(select(instance.c.problems).where(instance.c.group_id == group_id, heard))
    found: dict[str, str] = {}
    for problems_of_one in (*refused.scalars(), *compiled.scalars()):
        found |= cast("Mapping[str, str]", problems_of_one)
    return found


async def _record(connection: AsyncConnection, identity: Identity, certificate: str, origin: str) -> None:
    await connection.execute(
        insert(client_certificate).values(
            serial=pki.serial(certificate),
            fingerprint=pki.certificate_hash(certificate),
            group_id=identity.group,
            instance_id=identity.instance,
            expires_at=pki.expiry(certificate),
            origin=origin,
        )
    )


async def _group(connection: AsyncConnection, group_id: str) -> None:
    found = await connection.execute(select(gateway_group.c.id).where(gateway_group.c.id == group_id))
    if found.one_or_none() is None:
        raise NotFound(f"gateway group [{group_id}] not found")


def _instance(row: Row[Any]) -> Instance:
    silent: timedelta = row.now - row.last_heartbeat_at
    reached = row.applied_revision if row.proven_revision is None else row.proven_revision
    status = _status(silent, behind=reached < row.due, left=row.left_at is not None)
    return Instance(
        id=row.id,
        group_id=row.group_id,
        hostname=row.hostname,
        ip=row.ip,
        version=row.version,
        ports=tuple(row.ports),
        cores=row.cores,
        applied_revision=row.applied_revision,
        proven_revision=row.proven_revision,
        behind=max(0, row.revision - reached),
        pending=row.pending,
        envoy=row.envoy,
        problems=row.problems,
        status=status,
        created_at=row.created_at,
        last_heartbeat_at=row.last_heartbeat_at,
        silent=silent,
        certificate_expires_at=row.certificate_expires_at,
        labels=row.labels,
        to_be_deleted_at=row.last_heartbeat_at + REMOVED_AFTER if status == "Offline" else None,
    )


def _status(silent: timedelta, *, behind: bool, left: bool) -> Status:
    if left or silent >= OFFLINE_AFTER:
        return "Offline"
    if silent >= LOST_AFTER:
        return "LostConnection"
    return "OutOfSync" if behind else "Healthy"
