"""What a node has proven, revision by revision, and how much of it the DP Manager has on record."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatefleet.fleet import Proof

MOST_STEPS: Final = 64
"""Steps kept one by one while nobody records them; older ones are joined."""
_SHOWN: Final = 3
"""Scopes that a reason names."""


@dataclass(frozen=True, slots=True)
class Step:
    """One revision that Envoy has answered for: how its changes were proven, and what of them Envoy refused."""

    revision: int
    proof: Proof
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """The newest revision that is proven; `at` on the caller's monotonic clock, in seconds."""

    revision: int = 0
    proof: Proof = field(default_factory=Proof)
    rejected: Mapping[str, str] = field(default_factory=dict[str, str])
    """What changed up to this revision since the last one on record, and Envoy refuses, to the reason."""
    at: float = 0.0


class Ledger:
    """Steps in order; a step is proven once nothing that was probed is missing any more."""

    def __init__(self) -> None:
        self.report = Report()
        self.pending = ""
        """Why what was taken last is not proven; empty when it is."""
        self._steps: list[Step] = []

    @property
    def open(self) -> bool:
        """A step was taken that is not proven yet."""
        return bool(self._steps) and self._steps[-1].revision > self.report.revision

    def waits(self, reason: str) -> None:
        """Say why the newest revision is not even taken yet."""
        self.pending = reason

    def took(self, step: Step) -> None:
        """Envoy has answered for a revision."""
        self._steps.append(step)
        if len(self._steps) > MOST_STEPS:
            first, second, *rest = self._steps
            self._steps = [_joined([first, second]), *rest]

    def judge(self, unproven: Collection[str], problems: Mapping[str, str], now: float) -> bool:
        """Whether the newest step is proven now and was not before.

        `unproven`: scopes that do not show what they should; `problems`: what Envoy refuses, to the reason.
        """
        if unproven:
            shown = ", ".join(sorted(unproven)[:_SHOWN]) + (" ..." if len(unproven) > _SHOWN else "")
            self.pending = f"{len(unproven)} route scopes do not show their new version yet: {shown}"
            return False
        self.pending = ""
        if not self.open:
            return False
        whole = _joined(self._steps)
        rejected = {name: problems[name] for name in sorted(whole.refused) if name in problems}
        self.report = Report(whole.revision, whole.proof, rejected, now)
        return True

    def recorded(self, revision: int) -> None:
        """The DP Manager has our report of this revision on record."""
        self._steps = [step for step in self._steps if step.revision > revision]


def _joined(steps: Collection[Step]) -> Step:
    *_, newest = steps
    refused = frozenset[str]().union(*(step.refused for step in steps))
    return Step(newest.revision, _sum([step.proof for step in steps]), refused)


def _sum(proofs: Collection[Proof]) -> Proof:
    return Proof(
        probed=sum(proof.probed for proof in proofs),
        scopes=sum(proof.scopes for proof in proofs),
        acknowledged=_totals([proof.acknowledged for proof in proofs]),
        written=_totals([proof.written for proof in proofs]),
    )


def _totals(counts: Collection[Mapping[str, int]]) -> Mapping[str, int]:
    names = sorted({name for each in counts for name in each})
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
