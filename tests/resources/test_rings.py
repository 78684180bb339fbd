"""Who becomes a member of a ring, what counters say, and what a rule makes of it."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefleet.errors import Invalid
from gatefleet.resources.ring_rules import Rule, Sample, Traffic, decide, series, served
from gatefleet.resources.rings import Candidate, Share, choose

NODES = [Candidate(f"n{n}", {"zone": "a" if n < 3 else "b", "n": str(n)}) for n in range(10)]


@pytest.mark.parametrize(
    ("share", "count"),
    [
        (Share(percent=1), 1),
        (Share(percent=10), 1),
        (Share(percent=11), 2),
        (Share(percent=100), 10),
        (Share(count=4), 4),
        (Share(labels={"zone": "a"}), 3),
        (Share(labels={"zone": "a", "n": "1"}), 1),
    ],
)
def test_a_share_is_so_many_instances_and_always_the_same(share: Share, count: int) -> None:
    chosen = choose(share, NODES)
    assert len(chosen) == count
    assert chosen == choose(share, reversed(NODES)) == sorted(chosen)


def test_a_larger_share_holds_the_smaller_one() -> None:
    for percent in range(1, 100):
        assert set(choose(Share(percent=percent), NODES)) <= set(choose(Share(percent=percent + 1), NODES))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (Share(), 'one of "percent", "count" and "labels"'),
        (Share(percent=5, count=1), 'one of "percent", "count" and "labels"'),
        (Share(percent=0), "/share/percent"),
        (Share(percent=101), "/share/percent"),
        (Share(count=0), "from 1 to 10"),
        (Share(count=11), "from 1 to 10"),
        (Share(labels={}), "no connected instance"),
        (Share(labels={"zone": "c"}), "no connected instance"),
    ],
)
def test_a_share_that_is_none_is_refused(share: Share, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        choose(share, NODES)


def sample(at: float, requests: int, errors: int = 0, *, instance: str = "a", run: int = 1) -> Sample:
    return Sample(instance, at, run, {"s": Traffic(requests, errors, {10: requests - errors, inf: requests})})


def test_counters_that_begin_anew_count_from_zero() -> None:
    readings = [sample(0, 100), sample(1, 150, 5), sample(2, 20, run=2), sample(3, 30, 1, run=2), sample(4, 4, run=2)]
    assert served(readings, 0, 9) == Traffic(50 + 20 + 10 + 4, 5 + 1, {10: 45 + 20 + 9 + 4, inf: 84})


def test_only_what_came_within_the_window_counts_and_of_the_service_asked_for() -> None:
    readings = [sample(at, at * 10, instance=name) for name in "ab" for at in range(10)]
    assert served(readings, 3, 5).requests == 2 * 20
    assert served(readings, 3, 5, "s").requests == 2 * 20
    assert served(readings, 3, 5, "t").requests == 0
    assert served(readings[:1], 0, 9) == Traffic()


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9), st.sampled_from("abc"), st.integers(1, 2)), max_size=30)
)
def test_the_parts_of_a_series_are_all_there_is(readings: list[tuple[int, int, str, int]]) -> None:
    samples = [sample(at, requests, instance=name, run=run) for at, requests, name, run in readings]
    parts = series(samples, [-1, 7, 8, 20, 60])
    assert sum(part.requests for part in parts) == served(samples, -1, 60).requests


@pytest.mark.parametrize(
    ("latency", "part", "expected"),
    [
        ({}, 0.5, None),
        ({10: 0, inf: 0}, 0.5, None),
        ({10: 100, inf: 100}, 0.5, 5.0),
        ({10: 50, 20: 100, inf: 100}, 0.75, 15.0),
        ({10: 50, 20: 50, 50: 100, inf: 100}, 0.99, 49.4),
        ({10: 50, inf: 100}, 0.99, 10.0),
    ],
)
def test_a_quantile_lies_within_its_bucket(latency: dict[float, int], part: float, expected: float | None) -> None:
    assert Traffic(100, 0, latency).quantile(part) == (pytest.approx(expected) if expected is not None else None)


RATIO = Rule("5xx_ratio", 0.02, window_seconds=60, min_requests=50)
REST = Rule("5xx_ratio", 2, window_seconds=60, min_requests=50, compare="rest")
SLOW = Rule("latency_p99_ms", 100, window_seconds=60, min_requests=50, promote_after_seconds=300)
GOOD, BAD = Traffic(100, 1, {50: 100, inf: 100}), Traffic(100, 10, {50: 90, 500: 100, inf: 100})


@pytest.mark.parametrize(
    ("rule", "ring", "rest", "age", "action", "reason"),
    [
        (RATIO, GOOD, Traffic(), 10, "keep", "1.00%, limit 2.00%"),
        (RATIO, Traffic(49, 49), GOOD, 10, "keep", "49 of 50 requests needed in 60 s"),
        (RATIO, BAD, GOOD, 10, "roll_back", "10 of 100 requests were answered with 5xx in 60 s: 10.00%, limit 2.00%"),
        (RATIO, Traffic(100, 2), GOOD, 10, "keep", "2.00%"),
        (REST, BAD, Traffic(49), 10, "keep", "49 of 50 requests needed of the rest"),
        (REST, BAD, BAD, 10, "keep", "limit 20.00% (2 times the rest's)"),
        (REST, BAD, GOOD, 10, "roll_back", "limit 2.00% (2 times the rest's)"),
        (REST, Traffic(100, 1), Traffic(100), 10, "roll_back", "limit 0.00%"),
        (SLOW, GOOD, Traffic(), 299, "keep", "limit 100 ms"),
        (SLOW, GOOD, Traffic(), 300, "promote", "for 300 s without a breach"),
        (SLOW, BAD, Traffic(), 300, "roll_back", "99 % of 100 requests were answered within 455 ms"),
        (SLOW, Traffic(), Traffic(), 300, "keep", "0 of 50"),
    ],
)
def test_what_a_rule_decides(rule: Rule, ring: Traffic, rest: Traffic, age: float, action: str, reason: str) -> None:
    decision = decide(rule, ring, rest, age)
    assert decision.action == action
    assert reason in decision.reason
