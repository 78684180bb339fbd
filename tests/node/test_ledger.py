"""What a node reports as proven: nothing that does not show, everything that nobody has on record yet."""

from gatefleet.fleet import Proof
from gatefleet.node.ledger import MOST, Ledger, Step

REFUSED = frozenset({"Route/a"})
REASONS = {"Route/a": "no such cluster"}


def revisions(ledger: Ledger) -> list[int]:
    return [proven.revision for proven in ledger.told(0.0)]


def test_a_revision_is_proven_once_nothing_probed_is_missing() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(probed=2, scopes=2)))
    assert not ledger.judge({"b", "a", "d", "c"}, {}, 10.0)
    assert ledger.pending == "4 route scopes do not show their new version yet: a, b, c ..."
    assert (ledger.open, ledger.told(10.0)) == (True, ())
    assert ledger.judge((), {}, 11.0)
    assert (ledger.open, ledger.pending) == (False, "")
    assert not ledger.judge((), {}, 12.0)
    (proven,) = ledger.told(12.5)
    assert (proven.revision, proven.ms_ago, proven.proof, proven.rejected) == (1, 1500, Proof(2, 2), {})


def test_a_later_revision_waits_for_what_an_earlier_one_changed() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(probed=1, scopes=1, acknowledged={"Cluster": 2})))
    ledger.judge({"a"}, {}, 1.0)
    ledger.took(Step(2, Proof(probed=1, scopes=1, acknowledged={"Cluster": 1, "Secret": 1}, written={"Host": 1})))
    assert not ledger.judge({"a"}, {}, 2.0)
    assert ledger.judge((), {}, 3.0)
    (proven,) = ledger.told(3.0)
    assert (proven.revision, proven.proof) == (2, Proof(2, 2, {"Cluster": 3, "Secret": 1}, {"Host": 1}))


def test_what_is_refused_is_said_of_the_revision_that_brought_it_only() -> None:
    ledger = Ledger()
    for revision, refused in ((1, REFUSED), (2, frozenset[str]())):
        ledger.took(Step(revision, Proof(), refused))
        ledger.judge((), REASONS, 1.0)
    assert [(proven.revision, proven.rejected) for proven in ledger.told(1.0)] == [(1, REASONS), (2, {})]


def test_what_was_refused_and_is_mended_before_anything_was_proven_is_no_rejection() -> None:
    ledger = Ledger()
    ledger.took(Step(1, Proof(), REFUSED))
    ledger.took(Step(2, Proof()))
    ledger.judge((), {}, 1.0)
    assert [(proven.revision, proven.rejected) for proven in ledger.told(1.0)] == [(2, {})]


def test_what_is_on_record_is_not_said_again_but_the_newest() -> None:
    ledger = Ledger()
    for revision in (1, 2, 3):
        ledger.took(Step(revision, Proof()))
        ledger.judge((), {}, 1.0)
    assert revisions(ledger) == [1, 2, 3]
    ledger.recorded(0)
    assert revisions(ledger) == [1, 2, 3]
    ledger.recorded(2)
    assert revisions(ledger) == [3]
    ledger.recorded(3)
    assert revisions(ledger) == [3]


def test_it_stays_small_while_nobody_records_or_nothing_shows() -> None:
    ledger = Ledger()
    for revision in range(1, 3 * MOST):
        ledger.took(Step(revision, Proof(probed=1)))
        ledger.judge((), {}, 1.0)
    assert revisions(ledger) == list(range(2 * MOST, 3 * MOST))
    for revision in range(3 * MOST, 6 * MOST):
        ledger.took(Step(revision, Proof(probed=1), REFUSED if revision == 3 * MOST else frozenset()))
        ledger.judge({"a"}, REASONS, 1.0)
    assert ledger.judge((), REASONS, 2.0)
    newest = ledger.told(2.0)[-1]
    assert (newest.revision, newest.proof.probed, newest.rejected) == (6 * MOST - 1, 3 * MOST, REASONS)
