"""PATCH: an array is a JSON Patch (RFC 6902), an object is merged (RFC 7396)."""

from typing import Any

import pytest

from tests.contract.calls import ABSENT, Call, Caller, error

pytestmark = pytest.mark.anyio
SERVICE = {"name": "one", "desc": "d", "hosts": ["a.com", "b.com"], "labels": {"a/b": "1", "c": "2"}}

PATCHES: list[tuple[Any, dict[str, Any]]] = [
    ([{"op": "replace", "path": "/status", "value": 0}], {"status": 0, "name": "one"}),
    ([{"op": "add", "path": "/hosts/-", "value": "c.com"}], {"hosts": ["a.com", "b.com", "c.com"]}),
    ([{"op": "add", "path": "/hosts/0", "value": "c.com"}], {"hosts": ["c.com", "a.com", "b.com"]}),
    ([{"op": "remove", "path": "/labels/a~1b"}], {"labels": {"c": "2", "a/b": ABSENT}}),
    ([{"op": "remove", "path": "/desc"}], {"desc": ABSENT}),
    ([{"op": "move", "from": "/labels/c", "path": "/labels/d"}], {"labels": {"a/b": "1", "d": "2", "c": ABSENT}}),
    ([{"op": "copy", "from": "/name", "path": "/desc"}], {"desc": "one"}),
    ([{"op": "test", "path": "/name", "value": "one"}], {"name": "one"}),
    ([], {"name": "one", "desc": "d"}),
    ({"desc": "new", "labels": {"c": None, "d": "3"}}, {"desc": "new", "labels": {"a/b": "1", "d": "3", "c": ABSENT}}),
    ({"desc": None, "hosts": ["x.com"]}, {"desc": ABSENT, "hosts": ["x.com"]}),
    ({}, {"name": "one", "desc": "d"}),
]
WRONG: list[Any] = [
    [{"op": "replace", "path": "/nothing", "value": 1}],
    [{"op": "replace", "path": "/name", "value": 5}],
    [{"op": "test", "path": "/name", "value": "two"}],
    [{"op": "fly", "path": "/name"}],
    [{"op": "add", "path": "name", "value": "x"}],
    [{"op": "add", "path": "/hosts/7", "value": "x.com"}],
    [{"op": "remove", "path": "/name"}],
    [{"op": "remove", "path": ""}],
    [{"path": "/name"}],
    [5],
    5,
    "x",
    {"name": None},
    {"hosts": "x.com"},
]


async def test_what_patches_do(group: Caller) -> None:
    for patch, expected in PATCHES:
        await group.put("services/s1", SERVICE)
        answered = await group.expect_value("PATCH", "services/s1", expected, patch)
        assert (await group.get("services/s1"))["value"] == answered


async def test_a_patch_that_does_not_fit_changes_nothing(group: Caller) -> None:
    held = (await group.put("services/s1", SERVICE))["value"]
    for patch in WRONG:
        await group.expect(Call("PATCH", "services/s1", patch, 400, error()))
    assert (await group.get("services/s1"))["value"] == held
    await group.refused(404, "PATCH", "services/nothing", [])


async def test_a_dry_run_only_says_whether_it_would_do(group: Caller) -> None:
    held = (await group.put("services/s1", SERVICE))["value"]
    await group.expect(Call("PATCH", "services/s1?dry-run=all", {"desc": "new"}))
    await group.refused(400, "PATCH", "services/s1?dry-run=all", {"hosts": 5})
    assert (await group.get("services/s1"))["value"] == held
