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


class RingKeeper:
    """Applies the rules, and says once what keeps one from being applied."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: dict[str, str] = {}

    async def turn(self) -> None:
        """One look at every running ring that has a rule."""
        async with self._store.reading() as connection:
            found = await rings.running(connection)
        self._said = {ring.id: self._said[ring.id] for ring in found if ring.id in self._said}
        for ring in found:
            if ring.rule:
                decision = await _decision(self._store, ring, ring.rule)
                if decision.action != "keep":
                    await self._end(ring, decision)

    async def _end(self, ring: Ring, decision: Decision) -> None:
        try:
            await _end(self._store, ring, decision)
        except (Conflict, NotFound) as error:  # somebody else ended it, or took what it needs
            if self._said.get(ring.id) != str(error):
                log.warning("a ring's rule cannot be applied", ring=ring.id, action=decision.action, reason=str(error))
                self._said[ring.id] = str(error)


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
    """Carry out the decision with its history and audit row. Conflict if the ring is over or cannot be promoted."""
    author = Author(OPERATOR, str(uuid4()))
    change = promote if decision.action == "promote" else roll_back
    async with (
        store.transaction() as connection,
        changing(connection, store.cipher, ring.group_id, author) as documents,
    ):
        await change(documents, store.cipher, ring, OPERATOR, decision.reason)
        why = {"reason": decision.reason}
        await record_event(connection, author, _EVENTS[decision.action], ring.group_id, "rings", ring.id, why)
    log.warning("a ring's rule applied", ring=ring.id, action=decision.action, reason=decision.reason)


_EVENTS: Final = {"promote": "PromoteRing", "roll_back": "RollbackRing"}
