"""Encrypting anew, with the key in use, whatever is stored under an older one; while everything runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Table, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gatefleet.store.access_tables import audit_sink
from gatefleet.store.crypto import Cipher
from gatefleet.store.database import transaction
from gatefleet.store.fleet_tables import certificate_authority, request_test, snapshot_key
from gatefleet.store.release_tables import approval, ring
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.tables import resource, resource_history, service_version, template
from gatefleet.store.telemetry_tables import prometheus

BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that holds secrets: a JSON body with their paths beside it, or one text that is a secret.

    `place` says what its secrets are bound to.
    """

    table: Table
    column: str
    place: Callable[[Row[Any]], str]
    paths: str = ""


COLUMNS: Final = (
    Sealed(resource, "body", lambda row: f"{row.group_id}/{row.kind}/{row.key}", "sealed"),
    Sealed(resource_history, "body", lambda row: f"{row.group_id}/{row.kind}/{row.key}", "sealed"),
    Sealed(template, "body", lambda row: f"template/{row.kind}/{row.id}", "sealed"),
    Sealed(service_version, "content", lambda row: f"version/{row.id}", "sealed"),
    Sealed(audit_sink, "config", lambda row: f"audit_sink/{row.id}", "sealed"),
    Sealed(prometheus, "config", lambda row: row.id, "sealed"),
    Sealed(certificate_authority, "sealed_key", lambda _: "fleet/ca"),
    Sealed(snapshot_key, "sealed_seal", lambda row: f"{SNAPSHOT_KEY.format(row=row)}/seal"),
    Sealed(snapshot_key, "sealed_copy", lambda row: f"{SNAPSHOT_KEY.format(row=row)}/copy"),
    Sealed(ring, "sealed_overlay", lambda row: f"ring/{row.id}"),
    Sealed(approval, "sealed_order", lambda row: f"approval/{row.id}"),
    Sealed(request_test, "sealed_order", lambda row: f"request_test/{row.id}/order"),
    Sealed(request_test, "sealed_answer", lambda row: f"request_test/{row.id}/answer"),
)
SNAPSHOT_KEY: Final = "fleet/snapshot_key/{row.group_id}/{row.key_id}"


async def reseal(engine: AsyncEngine, cipher: Cipher) -> int:
    """Encrypt everything anew that is not under the key in use; how many rows there were.

    Each batch is a transaction of its own, and a row that somebody changes meanwhile is left: it is new anyway.
    """
    return sum([await _column(engine, cipher, each) for each in COLUMNS])


async def _column(engine: AsyncEngine, cipher: Cipher, where: Sealed) -> int:
    count, after = 0, None
    key = list(where.table.primary_key.columns)
    while True:
        statement = select(where.table).order_by(*key).limit(BATCH)
        if after is not None:
            statement = statement.where(tuple_(*key) > tuple_(*after))
        async with transaction(engine) as connection:
            rows = (await connection.execute(statement)).all()
            for row in rows:
                if (fresh := _fresh(cipher, where, row)) is None:
                    continue
                same = [column == getattr(row, column.name) for column in key]
                old = where.table.c[where.column] == getattr(row, where.column)
                change = update(where.table).where(*same, old).values({where.column: fresh})
                count += (await connection.execute(change)).rowcount
        if len(rows) < BATCH:
            return count
        after = [getattr(rows[-1], column.name) for column in key]


def _fresh(cipher: Cipher, where: Sealed, row: Row[Any]) -> Any:
    """What is stored, encrypted anew; None if it is under the key in use already."""
    held = getattr(row, where.column)
    if held is None:
        return None
    if not where.paths:
        return None if cipher.current(held) else cipher.seal(cipher.open(held, where.place(row)), where.place(row))
    paths = [tuple(path) for path in getattr(row, where.paths)]
    if all(map(cipher.current, _texts(held, paths))):
        return None
    return seal(cipher, where.place(row), unseal(cipher, where.place(row), held, paths), paths)[0]


def _texts(body: Mapping[str, Any], paths: Sequence[tuple[str | int, ...]]) -> Iterator[str]:
    for path in paths:
        node: Any = body
        for part in path:
            node = node[part]
        yield node
