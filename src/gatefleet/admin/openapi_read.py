"""Reading somebody's OpenAPI document: JSON or YAML, version 3.0 or 3.1, bounded, and never fetching anything."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import yaml
from pydantic import ValidationError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from gatefleet.errors import Invalid, TooLarge
from gatefleet.resources.messages import error_at, sentence

if TYPE_CHECKING:
    from openapi_pydantic import OpenAPI, PathItem
    from openapi_pydantic.v3 import v3_0

    Read = OpenAPI | v3_0.OpenAPI
    Item = PathItem | v3_0.PathItem

MAX_TEXT: Final = 4 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 500_000
"""Of a YAML document with its aliases written out."""
MAX_HOPS: Final = 16
"""Of references from one path item to the next."""
SHOWN_PROBLEMS: Final = 10
SURROGATE: Final = re.compile("[\ud800-\udfff]")
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class _Loader(yaml.CSafeLoader):
    """Scalars as JSON has them: no dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def read(text: str) -> "Read":
    """The document, checked against its version's rules. Invalid with the first problems, TooLarge over the bounds."""
    if len(text) > MAX_TEXT:
        raise TooLarge(f"the document is larger than {MAX_TEXT >> 20} MiB")
    return checked(_json(text) if text.lstrip()[:1] == "{" else _yaml(text))


def checked(document: Any) -> "Read":
    """The same for a document that is parsed already."""
    from openapi_pydantic import parse_obj  # noqa: PLC0415 - its models take long to load, and few ever need them

    if not isinstance(document, dict):
        raise Invalid("the document must be an object with openapi, info and paths")
    given = cast("dict[str, Any]", document)
    storable(given)
    try:
        return parse_obj(_lenient(given))
    except ValidationError as error:
        problems = [sentence({**detail, "loc": detail["loc"][1:]}) for detail in error.errors(include_url=False)]
        if any(detail["type"].startswith("union_tag") for detail in error.errors(include_url=False)):
            problems = [error_at(("openapi",), "the version must be 3.0 or 3.1")]
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise Invalid("; ".join(problems[:SHOWN_PROBLEMS]) + more) from error


def path_items(document: "Read") -> Mapping[str, "Item"]:
    """The path items by path, references within the document followed; Invalid for any other."""
    items: Mapping[str, Item] = document.paths or {}
    return {path: _followed(document, path, item) for path, item in items.items()}


def _followed(document: "Read", path: str, item: "Item") -> "Item":
    from openapi_pydantic import PathItem  # noqa: PLC0415 - as above

    found, at = item, ("paths", path, "$ref")
    for _ in range(MAX_HOPS):
        if found.ref is None:
            return found
        if not found.ref.startswith("#/"):
            raise Invalid(error_at(at, f"[{found.ref}] is outside of the document, and nothing is fetched"))
        parts = [part.replace("~1", "/").replace("~0", "~") for part in found.ref[2:].split("/")]
        components: Any = getattr(document.components, "pathItems", None) or {}
        match parts:
            case ["paths", name] if document.paths and name in document.paths:
                found = document.paths[name]
            case ["components", "pathItems", name] if isinstance(components.get(name), PathItem):
                found = components[name]
            case _:
                raise Invalid(error_at(at, f"there is no path item [{found.ref}]"))
    raise Invalid(error_at(at, "the references lead nowhere"))


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"the document is not valid JSON: {error}") from error


def _yaml(text: str) -> Any:
    try:
        _bounded(text)
        return _json_keys(yaml.load(text, _Loader))  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise Invalid(f"the document is not valid YAML: {said}") from error


def _bounded(text: str) -> None:
    """Refuse what grows when its aliases are written out, before anything is built."""
    size = _Size()
    for event in yaml.parse(text, _Loader):
        size.take(event)
        if size.total > MAX_NODES:
            raise TooLarge(f"the document has more than {MAX_NODES} parts")


class _Size:
    """How many parts a YAML document has, its aliases written out."""

    def __init__(self) -> None:
        self.total = 0
        self._of: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = []

    def take(self, event: object) -> None:
        """Count one more event; Invalid for an alias that is part of what it stands for."""
        if isinstance(event, AliasEvent):
            if event.anchor not in self._of:
                raise Invalid(f"the alias [{event.anchor}] has no complete anchor before it")
            self.total += self._of[event.anchor]
        elif isinstance(event, NodeEvent):
            self.total += 1
            if isinstance(event, CollectionStartEvent):
                self._open.append((event.anchor, self.total))
            elif event.anchor:
                self._of[event.anchor] = 1
        elif isinstance(event, CollectionEndEvent):
            anchor, began = self._open.pop()
            if anchor:
                self._of[anchor] = self.total - began + 1
        if len(self._open) > MAX_DEPTH:
            raise Invalid("the document is nested too deeply")


def storable(document: object) -> None:
    """Invalid for what is nested too deeply, and for text and numbers that cannot be kept."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        held: list[object] = []
        for node in level:
            if isinstance(node, dict):
                entries = cast("dict[str, object]", node)
                held += [*entries.keys(), *entries.values()]
            elif isinstance(node, list):
                held += cast("list[object]", node)
            elif isinstance(node, float) and not math.isfinite(node):
                raise Invalid("the document holds a number that is not finite")
            elif isinstance(node, str) and ("\0" in node or SURROGATE.search(node)):
                raise Invalid("the document holds text with a character that cannot be kept")
        level = held
    if level:
        raise Invalid("the document is nested too deeply")


def _json_keys(node: Any) -> Any:
    """Keys as text: `200:` of a YAML document is a number."""
    if isinstance(node, dict):
        return {_key(key): _json_keys(part) for key, part in cast("dict[Any, Any]", node).items()}
    return [_json_keys(item) for item in cast("list[Any]", node)] if isinstance(node, list) else node


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    return str(key)


def _lenient(document: dict[str, Any]) -> dict[str, Any]:
    """`version: 1.0` of a YAML document is a number, and everybody writes it."""
    given = document.get("info")
    info = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if isinstance(info.get("version"), int | float):
        return {**document, "info": {**info, "version": str(info["version"])}}
    return document
