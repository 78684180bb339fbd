"""What a node has proven, revision by revision, and how much of it the DP Manager has on record."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gatefleet.fleet import Proof, Proven

MOST: Final = 32
"""Revisions that are reported one by one, of a longer burst the newest: they stand for all before them."""
_SHOWN: Final = 3
"""Scopes that a reason names."""


@dataclass(frozen=True, slots=True)
class Step:
    """One revision that Envoy has answered for: how its changes are proven, and what of them Envoy refused."""

    revision: int
    proof: Proof
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """A revision that is proven; `at` on the caller's monotonic clock, in seconds."""

    revision: int = 0
    proof: Proof = field(default_factory=Proof)
    rejected: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it changed and Envoy refuses, to the reason."""
    at: float = 0.0


class Ledger:
    """Revisions as they are taken, proven, and put on record."""

    def __init__(self) -> None:
        self.newest = Report()
        self.pending = ""
        """Why what was taken last is not proven; empty when it is."""
        self._open: list[Step] = []
        self._unrecorded: list[Report] = []

    @property
    def open(self) -> bool:
        """Something was taken that is not proven yet."""
        return bool(self._open)

    def waits(self, reason: str) -> None:
        """Say why the newest revision is not even taken yet."""
        self.pending = reason

    def took(self, step: Step) -> None:
        """Envoy has answered for a revision."""
        self._open = [_joined([*self._open, step])] if len(self._open) >= MOST else [*self._open, step]

    def judge(self, unproven: Collection[str], problems: Mapping[str, str], now: float) -> bool:
        """Whether what was taken last is proven now and was not before.

        `unproven`: scopes that do not show what they should; `problems`: what Envoy refuses, to the reason.
        """
        if unproven:
            shown = ", ".join(sorted(unproven)[:_SHOWN]) + (" ..." if len(unproven) > _SHOWN else "")
            self.pending = f"{len(unproven)} route scopes do not show their new version yet: {shown}"
            return False
        self.pending = ""
        if not self._open:
            return False
        whole, self._open = _joined(self._open), []
        if whole.revision != self.newest.revision:
            rejected = {name: problems[name] for name in sorted(whole.refused) if name in problems}
            self.newest = Report(whole.revision, whole.proof, rejected, now)
            self._unrecorded = [*self._unrecorded, self.newest][-MOST:]
        return True

    def recorded(self, revision: int) -> None:
        """The DP Manager has our report of this revision on record, and those of all before it."""
        self._unrecorded = [report for report in self._unrecorded if report.revision > revision]

    def told(self, now: float) -> tuple[Proven, ...]:
        """What a heartbeat says: all that is not on record, and the newest in any case."""
        reports = self._unrecorded or ([self.newest] if self.newest.revision else [])
        return tuple(Proven(r.revision, int((now - r.at) * 1000), r.proof, r.rejected) for r in reports)


def _joined(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    proof = Proof(
        probed=sum(step.proof.probed for step in steps),
        scopes=sum(step.proof.scopes for step in steps),
        acknowledged=_totals([step.proof.acknowledged for step in steps]),
        written=_totals([step.proof.written for step in steps]),
    )
    return Step(steps[-1].revision, proof, frozenset[str]().union(*(step.refused for step in steps)))


def _totals(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    names = sorted({name for each in counts for name in each})
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
