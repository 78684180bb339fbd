"""What only one of all DP Managers does: the rules of rings each second, forgetting what is old each hour."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import delete, func

from gatefleet.dpm.forward import Forwarder
from gatefleet.dpm.ring_keeper import OPERATOR, RingKeeper
from gatefleet.errors import GatefleetError, Unreachable
from gatefleet.outbound import Outbound
from gatefleet.store import (
    Author,
    Store,
    approvals,
    audit,
    fleet,
    fleet_keys,
    receipts,
    request_tests,
    revisions,
    rings,
    telemetry,
)
from gatefleet.store.lead import lead
from gatefleet.store.tables import session

log = structlog.stdlib.get_logger(__name__)

TURN_SECONDS: Final = 1.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so many seconds; it must not matter if it is interrupted, or done twice."""

    name: str
    every: float
    run: Callable[[], Awaitable[None]]


class Leader:
    """Does the jobs while this process leads."""

    def __init__(self, dsn: str, jobs: Sequence[Job]) -> None:
        self.leads = False
        self._dsn, self._jobs = dsn, tuple(jobs)

    async def run(self) -> None:
        """Until cancelled."""
        await lead(self._dsn, self._work)

    async def _work(self) -> None:
        self.leads = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for job in self._jobs:
                    tasks.create_task(_again_and_again(job))
        finally:
            self.leads = False


def jobs(
    store: Store,
    history_days: int = revisions.KEEP_DAYS,
    history_revisions: int = revisions.KEEP_COUNT,
    audit_days: int = audit.KEEP_DAYS,
    outbound: Outbound | None = None,
) -> Sequence[Job]:
    """All there is to do; history is kept for this long, and at least this many revisions of each group.

    The audit log is kept for `audit_days`, and forwarded to where `outbound` allows.
    """
    return (
        Job("rings", TURN_SECONDS, RingKeeper(store).turn),
        Job("approvals", _MINUTE, lambda: _expire_approvals(store)),
        Job("sessions", _HOUR, lambda: _forget_sessions(store)),
        Job("audit seals", TURN_SECONDS, lambda: _seal_audit(store)),
        Job("audit log", _HOUR, lambda: _forget_audit(store, audit_days)),
        Job("audit forwarding", TURN_SECONDS, Forwarder(store, outbound or Outbound()).turn),
        Job("silent nodes", _HOUR, lambda: _forget_nodes(store)),
        Job("snapshot keys", _MINUTE, lambda: _forget_keys(store)),
        Job("receipts", _HOUR, lambda: _forget_receipts(store)),
        Job("history", _HOUR, lambda: _forget_history(store, history_days, history_revisions)),
        Job("ring samples", _HOUR, lambda: _forget_samples(store)),
        Job("request tests", _MINUTE, lambda: _forget_request_tests(store)),
        Job("telemetry", _MINUTE, lambda: _forget_telemetry(store)),
    )


async def _again_and_again(job: Job) -> None:
    """Each job by itself: none waits for another."""
    while True:
        began = time.monotonic()
        await _attempt(job)
        await asyncio.sleep(max(0.0, began + job.every - time.monotonic()))


async def _attempt(job: Job) -> None:
    try:
        await job.run()
    except Unreachable:
        pass  # said by the groups; it is done when PostgreSQL is back
    except GatefleetError as error:
        log.warning("a job failed", job=job.name, reason=str(error))
    except Exception:  # the other jobs go on
        log.exception("a job failed", job=job.name)


async def _forget_nodes(store: Store) -> None:
    async with store.transaction() as connection:
        if removed := await fleet.remove_forgotten(connection, Author(OPERATOR, str(uuid4()))):
            log.info("removed silent nodes", count=removed)


async def _forget_keys(store: Store) -> None:
    async with store.transaction() as connection:
        if removed := await fleet_keys.forget(connection):
            log.info("removed snapshot keys that have ended", count=removed)


async def _forget_receipts(store: Store) -> None:
    async with store.transaction() as connection:
        await receipts.forget(connection)


async def _forget_history(store: Store, days: int, count: int) -> None:
    for group_id in await store.revisions():
        async with store.transaction() as connection:
            await revisions.forget(connection, group_id, datetime.now(UTC), days, count)


async def _forget_samples(store: Store) -> None:
    async with store.transaction() as connection:
        await rings.thin(connection)


async def _forget_request_tests(store: Store) -> None:
    async with store.transaction() as connection:
        await request_tests.forget(connection)


async def _forget_telemetry(store: Store) -> None:
    async with store.transaction() as connection:
        await telemetry.forget(connection, time.time())


async def _expire_approvals(store: Store) -> None:
    async with store.transaction() as connection:
        if count := await approvals.expire_overdue(connection, Author(OPERATOR, str(uuid4()))):
            log.info("requests expired that nobody decided", count=count)


async def _forget_sessions(store: Store) -> None:
    async with store.transaction() as connection:
        await connection.execute(delete(session).where(session.c.expires_at <= func.now()))


async def _seal_audit(store: Store) -> None:
    async with store.transaction() as connection:
        await audit.seal(connection)


async def _forget_audit(store: Store, days: int) -> None:
    async with store.transaction() as connection:
        if count := await audit.forget(connection, datetime.now(UTC), days):
            log.info("forgot old rows of the audit log", count=count)
