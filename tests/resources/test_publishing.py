"""Laws of releases: a version brings what it holds and keeps what is the group's, and going back undoes it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet.resources import Document
from gatefleet.resources.diff import diff
from gatefleet.resources.publishing import RUNTIME, content_of, documents_of, publish, runs, runtime_of

PLUGINS: dict[str, Any] = {"cors": {}}
ids = st.sampled_from(["a", "b", "s"])
routes = st.dictionaries(
    ids, st.fixed_dictionaries({"name": ids, "paths": st.lists(st.just("/"), min_size=1, max_size=2)})
)
services: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": ids}, optional={"plugins": st.just(PLUGINS), "hosts": st.lists(ids, max_size=4)}
)
runtimes = st.fixed_dictionaries({}, optional={"hosts": st.lists(ids, max_size=4), "path_prefix": st.just("/p")})


def group(service: dict[str, Any], routes: dict[str, Any]) -> tuple[Document, ...]:
    """What a group holds of service `s`, whose routes may be called like it."""
    below = (Document("routes", key, "s", {**body, "service_id": "s"}) for key, body in routes.items())
    return (Document("services", "s", None, service), *below)


def body(documents: tuple[Document, ...]) -> dict[str, Any]:
    return next(dict(document.body) for document in documents if document.kind == "services")


@given(services, routes, services, routes, runtimes)
def test_publishing_and_rolling_back(
    template: dict[str, Any], new: dict[str, Any], present: dict[str, Any], old: dict[str, Any], runtime: dict[str, Any]
) -> None:
    before, wanted = group(present, old), group(template, new)
    first, second = content_of(present, before), content_of(template, wanted)
    after = publish("s", second, before, runtime, {}).after(before)
    assert runs(second, after)
    assert runtime_of(body(after)) == {"status": 1, **runtime_of(present), **runtime}
    assert not set(second.service) & set(RUNTIME)
    back = publish("s", first, after, {}, {}).after(after)
    assert body(back) == {**present, "status": 1, **runtime}
    assert {d.key for d in back if d.kind == "routes"} == set(old)


@settings(deadline=None)
@given(services, routes, services, routes)
def test_nothing_is_written_that_is_there_already(
    template: dict[str, Any], new: dict[str, Any], present: dict[str, Any], old: dict[str, Any]
) -> None:
    before = group(present, old)
    content = content_of(template, group(template, new))
    outcome = publish("s", content, before, {}, {}).against(before)
    after = outcome.after(before)
    assert {(d.kind, d.key) for d in outcome.upserts} == {
        (change.kind, change.id) for change in diff(before, after) if change.action != "removed"
    }
    again = publish("s", content, after, {}, {}).against(after)
    assert (again.upserts, again.deletes) == ((), ())


@given(services, routes, st.randoms(use_true_random=False))
def test_the_order_of_routes_makes_no_other_version(service: dict[str, Any], held: dict[str, Any], random: Any) -> None:
    documents = list(group(service, held))
    content = content_of(service, documents)
    random.shuffle(documents)
    assert documents_of("s", content_of(service, documents)) == documents_of("s", content)
