"""The rules of running rings, applied: what was counted decides whether a ring is rolled back, promoted or kept."""

from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from gatefleet.errors import Conflict, NotFound
from gatefleet.resources.ring_rules import Decision, Rule, decide, served
from gatefleet.store import Author, Store, rings
from gatefleet.store.events import record_event
from gatefleet.store.ring_changes import promote, roll_back
from gatefleet.store.rings import Ring
from gatefleet.store.store import changing

log = structlog.stdlib.get_logger(__name__)

OPERATOR: Final = "gatefleet"
"""Who is named in history for what a rule did."""


async def keep_rings(store: Store) -> None:
    """One look at every running ring that has a rule."""
    async with store.reading() as connection:
        found = await rings.running(connection)
    for ring in found:
        if ring.rule:
            decision = await _decision(store, ring, ring.rule)
            if decision.action != "keep":
                await _end(store, ring, decision)


async def _decision(store: Store, ring: Ring, rule: Rule) -> Decision:
    """What the rule says now. The rest is read only when the rule compares with it."""
    async with store.reading() as connection:
        now = await rings.clock(connection)
        since = now - timedelta(seconds=rule.window_seconds)
        wanted = None if rule.compare == "rest" else ring.members
        samples = await rings.samples(connection, ring.id, since, wanted)
    window = (since.timestamp(), now.timestamp())
    members = served((s for s in samples if s.instance in ring.members), *window)
    rest = served((s for s in samples if s.instance not in ring.members), *window)
    return decide(rule, members, rest, (now - ring.started_at).total_seconds())


async def _end(store: Store, ring: Ring, decision: Decision) -> None:
    """Carry out the decision with its history and audit row, unless somebody else ended the ring meanwhile."""
    author = Author(OPERATOR, str(uuid4()))
    change = promote if decision.action == "promote" else roll_back
    try:
        async with (
            store.transaction() as connection,
            changing(connection, store.cipher, ring.group_id, author) as documents,
        ):
            await change(documents, store.cipher, ring, OPERATOR, decision.reason)
            why = {"reason": decision.reason}
            await record_event(connection, author, _EVENTS[decision.action], ring.group_id, "rings", ring.id, why)
    except (Conflict, NotFound):
        return
    log.warning("a ring's rule applied", ring=ring.id, action=decision.action, reason=decision.reason)


_EVENTS: Final = {"promote": "PromoteRing", "roll_back": "RollBackRing"}
