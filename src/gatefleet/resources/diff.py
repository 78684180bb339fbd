"""What differs between two states of a group's documents: field by field as data, and as sentences. Never a secret."""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec

from gatefleet.resources.kinds import KINDS
from gatefleet.resources.published import Document
from gatefleet.resources.secrets import replaced, secret_paths, value_at

Action = Literal["added", "removed", "changed"]
SERVER_MADE: Final = frozenset({"id", "created_at", "updated_at"})
MASK: Final = "***"
CHANGED_SECRET: Final = "(secret changed)"  # noqa: S105 - what is shown in place of one
MAX_SAID: Final = 80
"""Characters of one value in a sentence."""


class Mark(enum.Enum):
    """What no JSON value can say."""

    ABSENT = "the field is not there"


ABSENT: Final = Mark.ABSENT


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field. `path` is a JSON pointer in which an element of a named list stands by its name (a node: host:port).

    A secret shows as stars, and as "(secret changed)" where nothing else would differ.
    """

    path: str
    before: Any = ABSENT
    after: Any = ABSENT

    def plain(self) -> dict[str, Any]:
        """As JSON; `before` or `after` is left out if the field was not there."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path, **{key: side for key, side in sides.items() if side is not ABSENT}}


@dataclass(frozen=True, slots=True)
class Change:
    """One document. The fields of an added or removed one are those of its body, one level deep."""

    kind: str
    id: str
    parent: str | None
    name: str
    action: Action
    fields: tuple[FieldChange, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        parent = {"parent": self.parent} if self.parent is not None else {}
        fields = [field.plain() for field in self.fields]
        return {"kind": self.kind, "id": self.id, **parent, "name": self.name, "action": self.action, "fields": fields}


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret value on its way through the comparison; nothing shows it."""

    value: Any

    def __repr__(self) -> str:
        return MASK


def diff(before: Iterable[Document], after: Iterable[Document]) -> tuple[Change, ...]:
    """What became of the documents, owners first and then by name, whatever the order they are given in.

    Ids and times are the server's and no difference. Two bodies are equal if they are the same JSON: 1 is not true.
    """
    old = {(document.kind, document.key): document for document in before}
    new = {(document.kind, document.key): document for document in after}
    touched = [key for key in old.keys() | new.keys() if not same(old.get(key), new.get(key))]
    changes = (_change(old.get(key), new.get(key)) for key in touched)
    return tuple(sorted((change for change in changes if change is not None), key=_order))


def same(one: Document | None, other: Document | None) -> bool:
    """Whether both are there and have the same JSON as body."""
    return one is not None and other is not None and _text(one.body) == _text(other.body)


def sentences(changes: Iterable[Change]) -> list[str]:
    """A line per difference: `route all: methods GET -> GET, POST`, `service shop: plugin cors added`."""
    return [line for change in changes for line in _sentences(change)]


def _change(old: Document | None, new: Document | None) -> Change | None:
    document = new or old
    if document is None:
        return None
    one, other = (_comparable(old) if old else {}), (_comparable(new) if new else {})
    if old and new and "plugins" in one.keys() | other.keys():
        none: dict[str, Any] = {"plugins": {}}
        one, other = none | one, none | other
    fields = tuple(_fields((), one, other))
    if old and new and not fields:
        return None
    action: Action = "changed" if old and new else "added" if new else "removed"
    name = str(document.body.get("name") or document.id)
    return Change(document.kind, document.id, document.parent, name, action, fields)


def _order(change: Change) -> tuple[int, str, str, str]:
    return (list(KINDS).index(change.kind), change.name, change.parent or "", change.id)


def _comparable(document: Document) -> dict[str, Any]:
    """The body without what the server made, its secrets wrapped."""
    paths = secret_paths(document.kind, document.id, document.body)
    wrapped = replaced(document.body, {path: _Secret(value_at(document.body, path)) for path in paths})
    return {key: part for key, part in wrapped.items() if key not in SERVER_MADE}


def _fields(path: tuple[str, ...], before: Any, after: Any) -> Iterator[FieldChange]:
    if _text(before) == _text(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _members(path, cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after))
        return
    one, other = _named(before), _named(after)
    if one is None or other is None or not (one or other):
        yield _field(path, before, after)
        return
    yield from _members(path, one, other)
    if [name for name in one if name in other] != [name for name in other if name in one]:
        yield _field(path, list(one), list(other))


def _members(path: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key, ABSENT), after.get(key, ABSENT)
        if one is ABSENT or other is ABSENT:
            yield _field((*path, key), one, other)
        else:
            yield from _fields((*path, key), one, other)


def _named(value: Any) -> dict[str, Any] | None:
    """The items of a list by their names: `host:port`, `name` or `id`; None if one has none of its own."""
    if not isinstance(value, list):
        return None
    items = cast("list[Any]", value)
    named = {name: item for item in items if (name := _name(item)) is not None}
    return named if len(named) == len(items) else None


def _name(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    entry = cast("Mapping[str, Any]", item)
    if "host" in entry and "port" in entry:
        return f"{entry['host']}:{entry['port']}"
    name = entry.get("name", entry.get("id"))
    return name if isinstance(name, str) else None


def _field(path: tuple[str, ...], before: Any, after: Any) -> FieldChange:
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    one, other = _shown(before), _shown(after)
    if one is not ABSENT and other is not ABSENT and _text(one) == _text(other):
        return FieldChange(pointer, CHANGED_SECRET, CHANGED_SECRET)
    return FieldChange(pointer, one, other)


def _shown(value: Any) -> Any:
    if isinstance(value, _Secret):
        return MASK
    if isinstance(value, Mapping):
        return {key: _shown(part) for key, part in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in cast("Sequence[Any]", value)]
    return value


def _text(value: Any) -> bytes:
    """One JSON value as one text, keys sorted; secrets as they are."""
    return msgspec.json.encode(value, order="sorted", enc_hook=_open)


def _open(value: Any) -> Any:
    if isinstance(value, _Secret):
        return ["secret", value.value]
    raise NotImplementedError(f"{type(value)} is no JSON value")


def _sentences(change: Change) -> Iterator[str]:
    kind = KINDS[change.kind]
    subject = f"{kind.singular.replace('_', ' ')} {change.name}"
    if kind.nested and kind.owner:
        subject += f" of {KINDS[kind.owner.kind].singular} {change.parent}"
    if change.action != "changed":
        yield f"{subject} {change.action}"
        return
    for field in change.fields:
        yield f"{subject}: {_said(field)}"


def _said(field: FieldChange) -> str:
    """One field: the plugin or node it is in, its name, and its values."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in field.path.split("/")[1:]]
    where: list[str] = []
    words: list[str] = []
    while parts:
        part = parts.pop(0)
        if part in {"plugins", "nodes"} and parts:
            where.extend([".".join(words)] if words else [])
            words = []
            where.append(f"{part.removesuffix('s')} {parts.pop(0)}")
        else:
            words.append(part)
    if not words:
        return ": ".join(where) + _became(field)
    return ": ".join([*where, ".".join(words) + _moved(field)])


def _became(field: FieldChange) -> str:
    """A whole plugin or node."""
    if field.before is ABSENT:
        return " added"
    return " removed" if field.after is ABSENT else _moved(field)


def _moved(field: FieldChange) -> str:
    if field.before is ABSENT:
        return f" set to {_value(field.after)}"
    if field.after is ABSENT:
        return f" removed (was {_value(field.before)})"
    if field.before == field.after == CHANGED_SECRET:
        return f" {CHANGED_SECRET}"
    return f" {_value(field.before)} -> {_value(field.after)}"


def _value(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in cast("list[Any]", value)):
        text = ", ".join(map(_value, cast("list[Any]", value))) or "(none)"
    else:
        text = value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()
    text = " ".join(text.split()) or '""'
    return text if len(text) <= MAX_SAID else f"{text[: MAX_SAID - 3]}..."
