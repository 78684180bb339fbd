"""Configuration files: YAML 1.2 or JSON, read without surprises; and written so that people can read them."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import yaml

from gatefleet.cli.remote import WrongUse

LARGEST: Final = 16 << 20
"""Bytes of one file; the Admin API takes no more at once."""
MOST: Final = 1_000_000
"""Values of one file, what aliases stand for counted each time."""
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+|0x[0-9a-fA-F]+)")
FRACTION: Final = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")


class _Loader(yaml.SafeLoader):
    """YAML as of 1.2: `yes`, `12:30` and `2026-01-01` are text, and a key that stands twice is an error."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to say it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"[{key.value}] stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


for tag, pattern, first in (
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("int", NUMBER, "-+0123456789"),
    ("float", FRACTION, "-+.0123456789"),
    ("merge", re.compile(r"<<"), "<"),
):
    resolver: Any = _Loader
    resolver.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern.pattern})$"), list(first))


def _number(_: _Loader, node: yaml.Node) -> int:
    return int(str(node.value), 16 if "0x" in node.value else 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)


class _Dumper(yaml.SafeDumper):
    """Text of several lines, such as certificates, is written as such; lists are indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text and not re.search(r"[ \t]\n", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """The value as YAML, keys in the order they have."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def read(paths: Sequence[Path]) -> dict[str, Any]:
    """Files, `-` for stdin, or directories of files as one document: lists of one kind are put together.

    WrongUse, naming the file, for what cannot be read, or if two files name the same plugin.
    """
    whole: dict[str, Any] = {}
    for path in _files(paths):
        _merge(whole, _parsed(path, _content(path)), path)
    return whole


def _files(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
            if not found:
                raise WrongUse(f"there is no YAML or JSON file in [{path}]")
            yield from found
        else:
            yield path


def _content(path: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if str(path) == "-" else path.read_bytes()
        if len(raw) > LARGEST:
            raise WrongUse(f"[{path}] is larger than {LARGEST >> 20} MiB")
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"[{path}] cannot be read: {error}") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        if path.suffix == ".json" or text.lstrip().startswith("{"):
            found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        else:
            found = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
        if _size(found, {}) > MOST:
            raise ValueError(f"it holds more than {MOST} values")  # noqa: TRY301
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WrongUse(f"[{path}] is not valid: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise WrongUse(f"[{path}] must hold an object: services, consumers, ssls, global_rules, ...")
    return cast("dict[str, Any]", found)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"[{next(name for name in names if names.count(name) > 1)}] stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values there are when every alias is written out; an alias that holds itself has no end."""
    if isinstance(node, dict):
        parts = list(cast("dict[str, Any]", node).values())
    elif isinstance(node, list):
        parts = cast("list[Any]", node)
    else:
        return 1
    name = id(cast("Any", node))
    if name not in known:
        known[name] = MOST + 1
        known[name] = 1 + sum(_size(part, known) for part in parts)
    return known[name]


def _merge(whole: dict[str, Any], part: Mapping[str, Any], path: Path) -> None:
    for kind, listed in part.items():
        there = whole.get(kind)
        if there is None:
            whole[kind] = listed
        elif isinstance(there, list) and isinstance(listed, list):
            whole[kind] = [*cast("list[Any]", there), *cast("list[Any]", listed)]
        elif isinstance(there, dict) and isinstance(listed, dict):
            whole[kind] = _both(kind, cast("dict[str, Any]", there), cast("dict[str, Any]", listed), path)
        else:
            raise WrongUse(f"[{path}]: {kind} has another form than in the files before")


def _both(kind: str, one: dict[str, Any], other: dict[str, Any], path: Path) -> dict[str, Any]:
    if twice := sorted(one.keys() & other.keys()):
        raise WrongUse(f"[{path}] names {kind} [{twice[0]}], and so does another file")
    return {**one, **other}
