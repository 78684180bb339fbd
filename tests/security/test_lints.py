"""Rules that hold for the whole source: secrets are compared in constant time, and threats have tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gatefleet"
MODEL = ROOT / "docs" / "security" / "threat-model.md"
SECRET = re.compile(r"secret|passw|digest|signature|hmac|mac$|token|hash|api_?key$|cookie|nonce", re.IGNORECASE)
PUBLIC = {
    "wanted.new_password == wanted.old_password": "both are the caller's own",
    "snapshots.digest(snapshot) != seal.digest": "a digest everybody can compute, under a signature checked before",
    "_hash(before, rows, SEALED[:found.columns]) != found.hash": "seals are public",
    "made.content_hash != wanted": "of a version, shown to everybody who may read it",
    "field.before == field.after == CHANGED_SECRET": "a mark, not a secret",
    "type_url != SECRET": "a type's name",
    "claims.get('nonce') != nonce": "the token is signed: nobody can try one after the other",
}
"""Comparisons that tell nothing by how long they take, and why."""
LUA = re.compile(r'\b\w*(?:sign|secret|password|digest|hmac)\w*\s*[=~]=(?!\s*(?:nil\b|"[^"]*"))', re.IGNORECASE)
C = re.compile(r"\b(?:memcmp|strcmp|strncmp)\([^;]*(?:secret|passw|signature|hmac|token)", re.IGNORECASE)


def word(node: ast.expr) -> str:
    """The name that says what a value is."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return word(function)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=value):
            return word(value)
        case _:
            return ""


def in_sql(node: ast.expr) -> bool:
    """Whether it is a column: the database compares, by an index over hashes."""
    text = ast.unparse(node)
    return ".c." in text or re.fullmatch(r"[A-Z]\.\w+", text) is not None


def compared(tree: ast.AST) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(SECRET.search(word(side)) for side in (node.left, *node.comparators))
        and not any(isinstance(side, ast.Constant) or in_sql(side) for side in (node.left, *node.comparators))
    ]


def test_secrets_are_compared_in_constant_time() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {text}"
        for file in SOURCE.rglob("*.py")
        if "protos" not in file.parts
        for text in compared(ast.parse(file.read_text()))
        if text not in PUBLIC
    }
    for pattern, kind in ((LUA, "*.lua"), (C, "*.c")):
        for file in SOURCE.rglob(kind):
            found |= {f"{file.relative_to(ROOT)}: {line.strip()}" for line in file.read_text().splitlines()
                      if pattern.search(line) and "--" not in line.partition("==")[0]}  # fmt: skip
    assert found == set(), "compare with hmac.compare_digest, equal() or equal_in_constant_time(); or say why not here"


@pytest.mark.parametrize("text", ["a.token == given", "signature(x) != said['signature']", "if digest == d: pass"])
def test_the_rule_finds_what_breaks_it(text: str) -> None:
    assert compared(ast.parse(text))


def test_every_threat_names_tests_that_exist() -> None:
    rows = [line for line in MODEL.read_text().splitlines() if line.startswith("| T")]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, f"no test stands for {row}"
        for file, test in named:
            text = (ROOT / file).read_text()
            assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file} has no {test}"
