"""What a node reports as proven: nothing that does not show, everything that nobody has on record yet."""

from gatefleet.fleet import Proof
from gatefleet.node.ledger import MOST_STEPS, Ledger, Step

REFUSED = frozenset({"Route/a"})
REASONS = {"Route/a": "no such cluster"}


def test_a_revision_is_proven_once_nothing_probed_is_missing() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(probed=2, scopes=2)))
    assert not ledger.judge({"b", "a", "d", "c"}, {}, 10.0)
    assert ledger.pending == "4 route scopes do not show their new version yet: a, b, c ..."
    assert (ledger.open, ledger.report.revision) == (True, 0)
    assert ledger.judge((), {}, 11.0)
    assert (ledger.open, ledger.pending, ledger.report.revision, ledger.report.at) == (False, "", 1, 11.0)
    assert not ledger.judge((), {}, 12.0)
    assert ledger.report.at == 11.0


def test_a_later_revision_waits_for_what_an_earlier_one_changed() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(probed=1, scopes=1, acknowledged={"Cluster": 2})))
    ledger.judge({"a"}, {}, 1.0)
    ledger.took(Step(2, Proof(probed=1, scopes=1, acknowledged={"Cluster": 1, "Secret": 1}, written={"Host": 1})))
    assert not ledger.judge({"a"}, {}, 2.0)
    assert ledger.judge((), {}, 3.0)
    assert ledger.report.revision == 2
    assert ledger.report.proof == Proof(2, 2, {"Cluster": 3, "Secret": 1}, {"Host": 1})


def test_what_is_refused_is_said_until_it_is_on_record_and_then_not_of_later_revisions() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(), REFUSED))
    ledger.judge((), REASONS, 1.0)
    assert ledger.report.rejected == REASONS
    ledger.took(Step(2, Proof()))
    ledger.judge((), REASONS, 2.0)
    assert (ledger.report.revision, ledger.report.rejected) == (2, REASONS)
    ledger.recorded(2)
    assert ledger.report.rejected == REASONS
    ledger.took(Step(3, Proof()))
    ledger.judge((), REASONS, 3.0)
    assert (ledger.report.revision, ledger.report.rejected) == (3, {})


def test_what_was_refused_and_is_mended_before_anybody_heard_of_it_is_no_rejection() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(), REFUSED))
    ledger.took(Step(2, Proof()))
    ledger.judge((), {}, 1.0)
    assert (ledger.report.revision, ledger.report.rejected) == (2, {})


def test_nothing_is_lost_while_nobody_records_anything() -> None:
    ledger = Ledger()
    for revision in range(1, 3 * MOST_STEPS):
        ledger.took(Step(revision, Proof(probed=1), REFUSED if revision == 1 else frozenset()))
        ledger.judge((), REASONS, 1.0)
    assert ledger.report.proof.probed == 3 * MOST_STEPS - 1
    assert ledger.report.rejected == REASONS
    ledger.recorded(2 * MOST_STEPS)
    ledger.took(Step(500, Proof(probed=1)))
    assert ledger.judge((), REASONS, 2.0)
    assert (ledger.report.proof.probed, ledger.report.rejected) == (MOST_STEPS, {})
