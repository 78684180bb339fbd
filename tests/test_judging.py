"""Conditions over values at hand, as lua-resty-expr documents its operators."""

from typing import Any

import pytest

from gatefleet import judging
from gatefleet.errors import Invalid

VALUES = {"status": "404", "uri": "/a/b", "remote_addr": "10.1.2.3", "arg_name": "jack"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ([["status", "==", 404]], True),
        ([["status", "==", "404"]], True),
        ([["status", "~=", 404]], False),
        ([["none", "==", "x"]], False),
        ([["none", "~=", "x"]], True),
        ([["none", ">", 1]], False),
        ([["status", ">=", 400], ["status", "<", "500"]], True),
        ([["uri", ">", 1]], False),
        ([["arg_name", "in", ["jill", "jack"]]], True),
        ([["arg_name", "!", "in", ["jack"]]], False),
        ([["uri", "~~", "^/A"]], False),
        ([["uri", "~*", "^/A"]], True),
        ([["remote_addr", "ipmatch", ["10.0.0.0/8"]]], True),
        ([["uri", "ipmatch", ["10.0.0.0/8"]]], False),
        (["OR", ["status", "==", 200], ["arg_name", "==", "jack"]], True),
        (["!OR", ["status", "==", 200], ["arg_name", "==", "jack"]], False),
        (["!AND", ["status", "==", 404], ["arg_name", "==", "rose"]], True),
        ([["AND", ["status", "==", 404]], ["OR", ["status", "==", 1], ["uri", "~~", "b$"]]], True),
        (["status", "==", 404], True),
    ],
)
def test_a_condition_holds_as_documented(rule: list[Any], expected: bool) -> None:  # noqa: FBT001 - a table
    assert judging.holds(judging.check(rule, "match"), VALUES) is expected


@pytest.mark.parametrize(
    "rule",
    [
        [],
        ["OR"],
        [["a", "=="]],
        [["a", "has", "b"]],
        [["a", "~~", "("]],
        [["a", "in", "b"]],
        [["a", "ipmatch", ["nowhere"]]],
        [["a", "==", [1]]],
        [7],
    ],
)
def test_what_is_no_condition_is_refused_by_its_field(rule: list[Any]) -> None:
    with pytest.raises(Invalid, match=r"\[match\]"):
        judging.check(rule, "match")
