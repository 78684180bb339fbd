"""Configuration files of the command line: YAML without surprises, several files, limits."""

from pathlib import Path
from typing import Any

import pytest

from gatefleet.cli.files import as_yaml, read
from gatefleet.cli.remote import WrongUse
from gatefleet.resources import Published
from gatefleet.resources.declared import read as declared_by


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("12:30", "12:30"),
        ("010", 10),
        ("0x1F", 31),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
        ("", None),
        ("1.2.0", "1.2.0"),
        ("1_000", "1_000"),
        ("'7'", "7"),
    ],
)
def test_scalars_are_what_they_look_like(tmp_path: Path, text: str, value: object) -> None:
    (tmp_path / "f.yaml").write_text(f"a: {text}\n")
    assert read([tmp_path / "f.yaml"]) == {"a": value}


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: [*x, *x]\n")
    assert read([tmp_path / "f.yaml"]) == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "z": [{"a": 1, "b": 2}] * 2}


def test_a_directory_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text("services: [{name: a}]\nglobal_rules: {cors: {}}\n")
    (tmp_path / "sub" / "b.json").write_text('{"services": [{"name": "b"}], "global_rules": {"prometheus": {}}}')
    (tmp_path / "empty.yml").write_text("# nothing yet\n")
    (tmp_path / "README.md").write_text("no configuration")
    whole = read([tmp_path])
    assert whole == {"services": [{"name": "a"}, {"name": "b"}], "global_rules": {"cors": {}, "prometheus": {}}}


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{other}'] * 10)}]\n" for one, other in zip("bcdefgh", "abcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.yaml", "a: [", "is not valid"),
        ("f.yaml", "a: 1\na: 2\n", r"\[a\] stands twice"),
        ("f.json", '{"a": {"b": 1, "b": 2}}', r"\[b\] stands twice"),
        ("f.json", '{"a": NaN}', "NaN"),
        ("f.yaml", "- a\n", "must hold an object"),
        ("f.yaml", "a: !!python/object/apply:os.getcwd []\n", "is not valid"),
        ("f.yaml", BOMB, "more than 1000000 values"),
        ("f.yaml", "a: &a [*a]\n", "more than 1000000 values"),
        ("f.yaml", "[1]: 2\n", "a key must be text"),
        ("f.yaml", "[" * 5000, "is not valid"),
        ("f.bin.yaml", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_files_name(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WrongUse, match=message) as caught:
        read([path])
    assert name in str(caught.value)


def test_files_must_agree_and_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("global_rules: {cors: {}}\n")
    (tmp_path / "b.yaml").write_text("global_rules: {cors: {}}\n")
    with pytest.raises(WrongUse, match="so does another file"):
        read([tmp_path])
    (tmp_path / "b.yaml").write_text("global_rules: []\n")
    with pytest.raises(WrongUse, match="another form"):
        read([tmp_path])
    with pytest.raises(WrongUse, match="cannot be read"):
        read([tmp_path / "none.yaml"])
    with pytest.raises(WrongUse, match="no YAML or JSON file"):
        read([Path(tmp_path / "a.yaml").parent / "a.yaml", _empty(tmp_path)])


def _empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    value: dict[str, Any] = {
        "services": [
            {"name": "yes", "desc": "two\nlines\n", "labels": {"a": "12:30", "b": "1.5", "c": "~", "d": "0x1"}}
        ],
        "ssls": [
            {"cert": "-----BEGIN\nabc\n-----END\n", "odd": "trailing \nspace", "umlaut": "ü", "date": "2026-01-01"}
        ],
        "numbers": [1, 1.5, True, None, 1e22, -3],
    }
    (tmp_path / "f.yaml").write_text(as_yaml(value))
    assert read([tmp_path / "f.yaml"]) == value
    assert "cert: |" in as_yaml(value)


def test_the_guides_example_is_what_it_says(tmp_path: Path) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "guide" / "declarative.md").read_text()
    (tmp_path / "shop.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0])
    declared = declared_by(read([tmp_path / "shop.yaml"]), Published())
    assert not declared.problems
    assert [kind for kind, _ in declared.documents] == [
        "services",
        "routes",
        "consumers",
        "credentials",
        "global_rules",
    ]
