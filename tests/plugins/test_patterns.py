"""The regular expressions we hand to Envoy substitute as APISIX does: the first match is replaced, the rest kept."""

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gatefleet.errors import Invalid
from gatefleet.filters import anchored_match, first_match, group_of

PAIRS = [
    ("^/a/(.*)", "/b/$1"),
    ("^/(a+)/(b*)$", "/$2-$1-$0"),
    ("a", "<$0>"),
    ("a|^/b", "x"),
    ("x*", "$$1"),
    ("(a)|(b)", "${2}$1$3"),
    (r"\d+(/)?", r"\1$1\\"),
    ("^(?:/a)?/(?P<name>[^/]+)", "/$1/$1"),
    ("(?i)A/B", "_"),
    ("", "/new"),
]
PATHS = st.text("/ab0é %", max_size=12).map("/".__add__)


def expected(regex: str, template: str, path: str) -> str:
    found = re.search(regex, path)
    if not found:
        return path
    groups = [found[0], *found.groups("")]
    made = re.sub(
        r"\$(?:\{?(\d+)\}?|\$)",
        lambda m: "$" if m[1] is None else groups[int(m[1])] if int(m[1]) < len(groups) else "",
        template,
    )
    return path[: found.start()] + made + path[found.end() :]


@pytest.mark.parametrize(("regex", "template"), PAIRS)
@given(path=PATHS)
def test_the_first_match_is_replaced(regex: str, template: str, path: str) -> None:
    found, substitution = first_match(regex, template, "f")
    made = re2.sub(found, "=" + substitution, path)
    wanted = expected(regex, template, path)
    assert made == (f"={wanted}" if re.search(regex, path) else path)
    if simple := anchored_match(regex, template, "f"):
        assert re2.sub(simple[0], simple[1].replace(r"\0", r"\g<0>"), path) == wanted  # Envoy's \0 is Python's \g<0>


@pytest.mark.parametrize(("regex", "template"), PAIRS)
@given(path=PATHS)
def test_a_group_is_what_it_caught(regex: str, template: str, path: str) -> None:
    del template
    if caught := re.search(regex, path):
        groups = [caught[0], *caught.groups("")]
        for number in range(4):
            found, substitution = group_of(regex, number, "f")
            wanted = groups[number] if number < len(groups) else ""
            assert re2.sub(found, substitution, path) == wanted


@pytest.mark.parametrize("regex", ["(", "a(?=b)", r"(a)\1", "*", "(?<!a)b"])
def test_what_re2_cannot_do_is_refused_by_the_fields_name(regex: str) -> None:
    with pytest.raises(Invalid, match=r"^\[my_field\] is not a regular expression of RE2"):
        first_match(regex, "/", "my_field")
