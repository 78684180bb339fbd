"""What a stream sends, and in which order, to a client that subscribes, acknowledges and refuses."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet.protos.envoy.service.discovery import v3 as discovery
from gatefleet.snapshot import (
    CLUSTER,
    ENDPOINTS,
    HOST,
    PUSH_ORDER,
    ROUTES,
    SCOPED_ROUTES,
    SEAL,
    SECRET,
    Entry,
    Snapshot,
    diff,
    entry,
    snapshot_of,
)  # fmt: skip
from gatefleet.xds import stream as stream_module
from gatefleet.xds.feed import Feed, Resolver
from gatefleet.xds.stream import State, names
from gatefleet.xds.wire import CHUNK, responses
from tests.xds.xds_client import FakeClient, short

ALL = (CLUSTER, ENDPOINTS, SECRET, SCOPED_ROUTES, ROUTES, HOST, SEAL)


def snap(**types: dict[str, str]) -> Snapshot:
    """`snap(cluster={"a": "1"})`: one type per argument."""
    urls = {t.rpartition(".")[2].lower(): t for t in ALL}
    urls |= {"routes": ROUTES, "scopes": SCOPED_ROUTES, "endpoints": ENDPOINTS}
    return snapshot_of((urls[kind], name, body.encode()) for kind, some in types.items() for name, body in some.items())


def client(
    feed: Feed, *types: str, stepwise: bool = False, resolve: Resolver | None = None, held: Snapshot | None = None
) -> FakeClient:
    fake = FakeClient(State(feed, PUSH_ORDER, stepwise=stepwise, resolve=resolve))
    for type_url in types:
        have = held.of(type_url) if held else {}
        fake.held[type_url] = {n: e.body for n, e in have.items()}
        fake.subscribe(type_url, "*", held={n: e.version for n, e in have.items()})
    return fake


@pytest.fixture
def feed() -> Feed:
    return Feed(map(str, itertools.count(1)))


def test_responses_parse_as_envoys_own_messages() -> None:
    entries = {"a": entry(b"x" * 200), "b": entry(b""), "é": entry(b"y" * 20_000)}
    (made,) = responses(CLUSTER, entries, ("gone", "too"), iter("7"))
    parsed = discovery.DeltaDiscoveryResponse.FromString(made.body)
    assert {r.name: (r.version, r.resource.type_url, r.resource.value) for r in parsed.resources} == {
        n: (e.version, CLUSTER, e.body) for n, e in entries.items()
    }
    assert (parsed.nonce, parsed.type_url, list(parsed.removed_resources)) == ("7", CLUSTER, ["gone", "too"])


def test_big_changes_go_in_chunks() -> None:
    made = list(responses(CLUSTER, {str(n): entry(b"x" * 10_000) for n in range(100)}, (), map(str, range(99))))
    assert len(made) == 4
    assert all(len(r.body) < CHUNK + 12_000 for r in made)


def test_additions_in_order_then_removals_in_reverse_then_what_closes(feed: Feed) -> None:
    feed.publish(snap(cluster={"old": "1"}, routes={"r": "to old"}, host={"h1": "1"}, seal={"seal": "1"}))
    fake = client(feed, *reversed(ALL))
    assert list(fake.drain())
    feed.publish(snap(cluster={"new": "1"}, routes={"r": "to new"}, host={"h2": "1"}, seal={"seal": "2"}))
    assert [short(r) for r in fake.drain()] == [
        ("Cluster", ["new"], []),
        ("RouteConfiguration", ["r"], []),
        ("Host", ["h2"], []),
        ("Host", [], ["h1"]),
        ("Cluster", [], ["old"]),
        ("Seal", ["seal"], []),
    ]


def test_a_stepwise_stream_waits_for_each_types_answer_but_not_for_ever(feed: Feed) -> None:
    feed.publish(snap(cluster={"c": "1"}, scopes={"s": "1"}))
    fake = client(feed, CLUSTER, SCOPED_ROUTES, stepwise=True)
    assert short(fake.receive()) == ("Cluster", ["c"], [])
    assert fake.receive() is None
    fake.now = stream_module.PATIENCE + 1
    assert short(fake.receive()) == ("ScopedRouteConfiguration", ["s"], [])


def test_a_wildcard_subscriber_is_answered_even_with_nothing_but_only_once(feed: Feed) -> None:
    fake = client(feed, CLUSTER)
    assert fake.receive() is None  # nothing was published yet
    feed.publish(Snapshot())
    assert [short(r) for r in fake.drain()] == [("Cluster", [], [])]
    feed.publish(Snapshot())
    assert not list(fake.drain())


def test_a_slow_stream_skips_what_is_outdated(feed: Feed) -> None:
    fake = client(feed, CLUSTER)
    for n in range(100):
        feed.publish(snap(cluster={"c": str(n)}))
    assert [r.resources[0].resource.value for r in fake.drain()] == [b"99"]


def test_clients_that_come_back_together_are_sent_the_very_same(feed: Feed) -> None:
    feed.publish(snap(cluster={"a": "1", "b": "1"}))
    states = [State(feed, PUSH_ORDER) for _ in range(2)]
    for state in states:
        FakeClient(state).subscribe(CLUSTER, "*", held={"a": "another", "gone": "one"})
    for expected in (["a", "b"], []):
        first, second = (state.next(0.0) for state in states)
        assert first is second
        assert first
        assert list(first.names) == expected


def test_names_asked_for_are_answered_and_followed_until_dropped(feed: Feed) -> None:
    feed.publish(snap(routes={"a": "1", "b": "1"}))
    fake = FakeClient(State(feed, PUSH_ORDER))
    fake.subscribe(ROUTES, "a", "none")
    assert [short(r) for r in fake.drain()] == [("RouteConfiguration", ["a"], ["none"])]
    feed.publish(snap(routes={"a": "2", "b": "2", "none": "1"}))
    assert len(list(fake.drain())) == 1
    assert fake.held[ROUTES] == {"a": b"2", "none": b"1"}
    fake.unsubscribe(ROUTES, "a")
    feed.publish(snap(routes={"a": "3", "none": "1"}))
    assert not list(fake.drain())
    fake.subscribe(ROUTES, "none")  # asked for again: said again
    assert [short(r) for r in fake.drain()] == [("RouteConfiguration", ["none"], [])]


def test_routes_and_endpoints_go_with_their_parents_and_secrets_are_said_to_be_gone(feed: Feed) -> None:
    feed.publish(snap(routes={"r": "1"}, secret={"s": "1"}))
    fake = FakeClient(State(feed, PUSH_ORDER))
    fake.subscribe(ROUTES, "r")
    fake.subscribe(SECRET, "s")
    assert list(fake.drain())
    feed.publish(Snapshot())
    assert [short(r) for r in fake.drain()] == [("Secret", [], ["s"])]


@pytest.mark.parametrize("first", ["cluster is sent", "endpoints are asked for"])
def test_a_client_that_comes_back_gets_the_endpoints_of_a_cluster_that_changed_meanwhile(
    feed: Feed, first: str
) -> None:
    old, new = snap(cluster={"c": "1"}, endpoints={"c": "e"}), snap(cluster={"c": "2"}, endpoints={"c": "e"})
    feed.publish(new)
    fake = client(feed, CLUSTER, stepwise=True, held=old)
    if first == "cluster is sent":
        assert short(fake.receive()) == ("Cluster", ["c"], [])
    fake.subscribe(ENDPOINTS, "c", held={"c": old.of(ENDPOINTS)["c"].version})
    got = [short(fake.receive()) for _ in range(1 if first == "cluster is sent" else 2)]
    assert got[-1] == ("ClusterLoadAssignment", ["c"], [])


def wildcard_secrets(snapshot: Snapshot, type_url: str, name: str) -> Entry | None:
    parent = snapshot.of(type_url).get("*." + name.partition(".")[2])
    return entry(name.encode() + b":" + parent.body) if parent else None


def test_on_demand_names_are_made_by_the_resolver_and_follow_later_snapshots(feed: Feed) -> None:
    feed.publish(snap(secret={"*.w.test": "1"}))
    fake = FakeClient(State(feed, PUSH_ORDER, resolve=wildcard_secrets))
    fake.subscribe(SECRET, "a.w.test", "a.x.test")
    assert [short(r) for r in fake.drain()] == [("Secret", ["a.w.test"], ["a.x.test"])]
    feed.publish(snap(secret={"*.w.test": "2", "*.x.test": "1"}))
    assert list(fake.drain())
    assert fake.held[SECRET] == {"a.w.test": b"a.w.test:2", "a.x.test": b"a.x.test:1"}
    feed.publish(snap(secret={"*.x.test": "1", "a.x.test": "own"}))
    assert list(fake.drain())
    assert fake.held[SECRET] == {"a.x.test": b"own"}


def test_unknown_names_do_not_grow_the_state(feed: Feed) -> None:
    feed.publish(Snapshot())
    fake = FakeClient(State(feed, PUSH_ORDER, resolve=wildcard_secrets))
    for n in range(stream_module.MAX_UNKNOWN + 50):
        fake.subscribe(SECRET, f"{n}.test")
        assert short(fake.receive())[2] == [f"{n}.test"]
        fake.ack()
    sub = fake.state.subscriptions[SECRET]
    assert len(sub.names) == len(sub.unknown) == stream_module.MAX_UNKNOWN
    assert not sub.unanswered
    assert not sub.held


def test_a_refused_resource_is_named_and_its_companions_are_sent_again(feed: Feed) -> None:
    feed.publish(snap(cluster={"c1": "1", "c10": "1", "good": "1"}))
    fake = client(feed, CLUSTER)
    fake.receive()
    fake.nack("Error adding/updating cluster(s) c10: no such address")
    assert [short(r) for r in fake.drain()] == [("Cluster", ["c1", "good"], [])]
    assert fake.state.subscriptions[CLUSTER].rejected == {
        "c10": "Error adding/updating cluster(s) c10: no such address"
    }
    feed.publish(snap(cluster={"c1": "1", "c10": "2", "good": "1"}))
    assert [short(r) for r in fake.drain()] == [("Cluster", ["c10"], [])]
    assert not fake.state.subscriptions[CLUSTER].rejected


def test_when_the_reason_names_nothing_the_culprit_is_found_by_halves(feed: Feed) -> None:
    feed.publish(snap(routes={str(n): "bad" if n == 5 else "good" for n in range(16)}))
    fake = client(feed, ROUTES)
    while response := fake.receive():
        if any(r.resource.value == b"bad" for r in response.resources):
            fake.nack("something is wrong")
        else:
            fake.ack()
    assert fake.state.subscriptions[ROUTES].rejected == {"5": "something is wrong"}
    assert len(fake.held[ROUTES]) == 15


@pytest.mark.parametrize(
    ("reason", "name", "found"),
    [
        ("cluster(s) a, b: no", "a", True),
        ("cluster 'ab' is bad", "a", False),
        ("route foo.com: bad.", "foo.com", True),
        ("route x.foo.com bad", "foo.com", False),
        ("ends with foo.com.", "foo.com", True),
    ],
)
def test_names_in_error_texts_are_whole_words(reason: str, name: str, *, found: bool) -> None:
    assert names(reason, name) is found


snapshots = st.dictionaries(
    st.sampled_from(ALL), st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=2), max_size=4), max_size=7
).map(lambda types: snapshot_of((t, n, b) for t, entries in types.items() for n, b in entries.items()))


@settings(deadline=None)
@given(steps=st.lists(st.tuples(snapshots, st.integers(0, 6)), min_size=1, max_size=8), stepwise=st.booleans())
def test_any_sequence_of_publishes_leaves_a_client_with_the_newest_snapshot(
    *, steps: list[tuple[Snapshot, int]], stepwise: bool
) -> None:
    feed = Feed(map(str, itertools.count(1)))
    fake = client(feed, *ALL, stepwise=stepwise)
    for snapshot, takes in steps:
        feed.publish(snapshot)
        for _ in range(takes):  # the client may lag behind at any point
            if fake.receive():
                fake.ack()
    assert fake.state.reached < feed.generation or not fake.state.waiting
    list(fake.drain())
    assert not diff(fake.snapshot, feed.snapshot or Snapshot())
    assert fake.state.reached == feed.generation


@settings(deadline=None)
@given(snapshots, snapshots)
def test_a_client_that_comes_back_is_sent_just_what_it_lacks(old: Snapshot, new: Snapshot) -> None:
    feed = Feed(map(str, itertools.count(1)))
    feed.publish(new)
    fake = client(feed, *ALL, held=old)
    got = list(fake.drain())
    sent = {(r.type_url, res.name) for r in got for res in r.resources}
    assert sent == {(t, n) for t, entries in diff(old, new).changed.items() for n in entries}
    assert not diff(fake.snapshot, new)
