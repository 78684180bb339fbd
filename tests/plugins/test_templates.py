"""Our Lua's templates, XML and bodies of several parts: laws for any text, and what readers of XML agree on."""

import json
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from luajit import library

RENDER = """function(text, told)
  local ok, made = pcall(function() return template_render(template_compiled(text), json_read(told), {}) end)
  return ok, ok and made or made.template
end"""
READ = """function(text)
  local ok, made = pcall(xml_read, text)
  return ok, ok and json_text(made) or made.decode
end"""
PARTS = """function(text, kind)
  local ok, made = pcall(multipart_read, text, kind)
  return ok, ok and json_text(made:get_all()) or made.decode, ok and made:tostring()
end"""
render = library("json", "template", answer=RENDER)
read = library("json", "xml", answer=READ)
parts = library("json", "multipart", answer=PARTS)
plain = st.text(st.characters(exclude_characters="{\\", exclude_categories=["Cs"]), max_size=40)
names = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=10)


@settings(max_examples=200, deadline=None)
@given(plain, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_text_stays_and_values_are_escaped(around: str, value: str) -> None:
    told = json.dumps({"value": value}).encode()
    assert render(f"{around}{{*value*}}{around}".encode(), told) == (True, f"{around}{value}{around}".encode())
    escaped = escape(value, {'"': "&quot;", "'": "&#39;", "/": "&#47;"})
    assert render(f"{around}{{{{value}}}}".encode(), told) == (True, f"{around}{escaped}".encode())


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_template_renders_or_says_why_not(template: str) -> None:
    ok, said = render(template.encode(), b"{}")
    assert isinstance(said, bytes), (ok, said)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for i = 1, 2 do %}\n{{i}},\n{% end %}\n", "1,\n2,\n"),
        ("a {# not shown #} b", "a  b"),
        (r"\{{kept}}", "{{kept}}"),
        ("{{missing}}{*missing*}", ""),
        ('{"a":{"b":[{"c":"{{value}}"}]}}', '{"a":{"b":[{"c":"v"}]}}'),
        ("{-verbatim-}{{value}}{-verbatim-}", "{{value}}"),
        ("{{value", "{{value"),
        ("{% if context.value then %}{{context.value}}{% end %}", "v"),
    ],
)
def test_templates_say(template: str, said: str) -> None:
    assert render(template.encode(), b'{"value":"v"}') == (True, said.encode())


def elements(depth: int) -> st.SearchStrategy[Any]:
    """(name, text or children with different names)."""
    if not depth:
        return st.tuples(names, texts)
    children = st.lists(elements(depth - 1), min_size=1, max_size=3, unique_by=lambda child: child[0])
    return st.tuples(names, st.one_of(texts, children))


def written(element: Any) -> str:
    name, inner = element
    body = escape(inner) if isinstance(inner, str) else "\n".join(map(written, inner))
    return f"<ns:{name} >{body}</ns:{name}>"


def told(element: Any) -> Any:
    name, inner = element
    return {name: inner if isinstance(inner, str) else {k: v for one in inner for k, v in told(one).items()}}


@settings(max_examples=150, deadline=None)
@given(elements(3))
def test_xml_says_what_was_written(element: Any) -> None:
    ok, said = read(f'<?xml version="1.0"?>\n<!-- c -->{written(element)}\n'.encode())
    assert ok, said
    assert json.loads(said) == told(element)


@settings(max_examples=300, deadline=None)
@given(st.text("<>/!-[]CDATA?='\" a&;#x1", max_size=40))
def test_any_xml_is_read_or_refused_with_a_reason(text: str) -> None:
    ok, said = read(text.encode())
    assert isinstance(said, bytes), (ok, said)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, st.binary(max_size=20), min_size=1, max_size=4))
def test_parts_are_read_and_written_as_they_are(fields: dict[str, bytes]) -> None:
    assume(not any(b"\r" in value or b"--x" in value for value in fields.values()))
    lines = [
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (n.encode(), v) for n, v in fields.items()
    ]
    text = b"".join(lines) + b"--x--"
    ok, said, again = parts(text, b'multipart/form-data; boundary="x"')
    assert ok, said
    assert again == text
    assert json.loads(said.decode("latin-1")).keys() == fields.keys()
