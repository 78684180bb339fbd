"""Our Lua's reader of JSON against Python's: both refuse the same texts, and read the same values out of all others."""

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from luajit import library

KIND = """function(value)
  return value == json_null and "null" or is_json_list(value) and "list" or type(value)
end"""
read, kind = library("json", answer=f"json_read, {KIND}")
DEPTH = 128

whole_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | whole_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(whole_texts, inner, max_size=4),
    max_leaves=12,
)
written = st.builds(
    json.dumps,
    values,
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, "\t", 1]),
    separators=st.sampled_from([None, (",", ":"), (" ,\r\n", " : ")]),
)
pieces = st.sampled_from(
    [
        *'{}[],:"\\/-+.eE019 \t\r\n',
        *"\0\1\x1f\x7f\xa0é😀",
        *("{}", "[]", '":', '","', "true", "false", "null", "t", "NaN", "Infinity", "1e5", "1.5", "-0", "00"),
        *("\\n", "\\b", "\\x", "\\u", "\\u0041", "\\ud83d", "\\ude00", "\\uD83D\\uDE00"),
    ]
)


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    text = draw(written)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(pieces) + text[at + draw(st.integers(0, 2)) :]


made_up = st.lists(pieces, max_size=8).map("".join)


def no_constant(name: str) -> NoReturn:
    """Python knows NaN and Infinity, which are no JSON."""
    raise ValueError(name)


def number(value: str | float) -> float:
    """All numbers as the one kind that Lua has, with one zero."""
    return float(value) + 0.0


def in_python(value: Any) -> Any:
    match kind(value):
        case b"null":
            return None
        case b"list":
            return [in_python(inner) for inner in value.values()]
        case b"table":
            return {key.decode(): in_python(inner) for key, inner in value.items()}
        case b"string":
            return value.decode()
        case _:
            return value if isinstance(value, bool) else number(value)


def theirs(text: str) -> str | None:
    """What Python reads, or None: half of a character, which Python takes, cannot be written in UTF-8."""
    try:
        value = json.loads(text, parse_constant=no_constant, parse_int=number, parse_float=number)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return None
    return json.dumps(value, sort_keys=True)


def ours(text: str) -> str | None:
    said = read(text.encode())
    if isinstance(said, tuple):
        assert b" at character " in said[1]
        return None
    return json.dumps(in_python(said), sort_keys=True)


@settings(max_examples=1000, deadline=None)
@given(written | spoiled() | made_up)
def test_reads_what_python_reads_and_refuses_what_it_refuses(text: str) -> None:
    assert ours(text) == theirs(text)


@pytest.mark.parametrize("around", [("[", "]"), ('{"a":', "}")])
def test_what_is_too_deep_is_refused(around: tuple[str, str]) -> None:
    opened, closed = around
    assert ours(opened * DEPTH + "1" + closed * DEPTH) is not None
    assert read((opened * (DEPTH + 1) + "1").encode())[1].startswith(b"too deep at character ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a":1,"a":[2]}', {"a": [2.0]}),
        (b'"a\x7fb"', "a\x7fb"),
        (rb'"\ud83d\ude00 \u00e9\/"', "😀 é/"),
        (b" \r\n\t[ 1 , 2.50e+1 ] ", [1.0, 25.0]),
    ],
)
def test_reads(text: bytes, said: Any) -> None:
    assert in_python(read(text)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'"a\0b"', b"control character in a string at character 3"),
        (b'"a\nb"', b"control character in a string at character 3"),
        (b'"abc', b"unfinished string at character 5"),
        (b'"a\\', b"invalid escape at character 3"),
        (rb'"\ud83d"', b"invalid surrogate at character 4"),
        (rb'"\ude00\ud83d"', b"invalid surrogate at character 4"),
        (rb'"\u00g0"', b"invalid unicode escape at character 4"),
        (b"[1 2]", b"expected comma or array end at character 4"),
        (b'{"a" 1}', b"expected colon at character 6"),
        (b'{"a":1,}', b"expected object key string at character 8"),
        (b"01", b"invalid number at character 1"),
        (b"-", b"invalid token at character 1"),
        (b"1.", b"something follows the value at character 2"),
        (b"\xff", b"invalid token at character 1"),
        (b"", b"invalid token at character 1"),
    ],
)
def test_says_what_is_wrong(text: bytes, said: bytes) -> None:
    assert read(text) == (None, said)
