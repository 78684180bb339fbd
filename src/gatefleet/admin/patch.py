"""PATCH: JSON Patch (RFC 6902) for an array, JSON Merge Patch (RFC 7396) for an object."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from gatefleet.errors import Invalid

Pointer = tuple[str, ...]


def patched(body: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """A changed copy of `body`; Invalid, naming the operation, if the patch is malformed or does not fit."""
    if isinstance(patch, dict):
        return cast("dict[str, Any]", merged(body, cast("dict[str, Any]", patch)))
    if not isinstance(patch, list):
        raise Invalid("a patch is an array of operations (RFC 6902) or an object to merge (RFC 7396)")
    out: Any = deepcopy(dict(body))
    for number, operation in enumerate(cast("list[Any]", patch)):
        try:
            out = _apply(out, operation)
        except (LookupError, ValueError, TypeError) as error:
            raise Invalid(f'Error at "/{number}": {error.args[0] if error.args else error}') from error
    if not isinstance(out, dict):
        raise Invalid("the patch leaves no object")
    return cast("dict[str, Any]", out)


def merged(target: Any, patch: Any) -> Any:
    """`target` with `patch` merged in: objects key by key, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    out: dict[str, Any] = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for key, part in cast("Mapping[str, Any]", patch).items():
        if part is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), part)
    return out


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise TypeError("an operation is an object")
    step = cast("dict[str, Any]", operation)
    path = _pointer(step, "path")
    match step.get("op"):
        case "add":
            return _add(document, path, _value(step))
        case "remove":
            return _remove(document, path)
        case "replace":
            _get(document, path)
            return _add(_remove(document, path), path, _value(step)) if path else _value(step)
        case "move":
            source = _pointer(step, "from")
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot be moved into itself")
            moved = _get(document, source)
            return _add(_remove(document, source), path, moved)
        case "copy":
            return _add(document, path, deepcopy(_get(document, _pointer(step, "from"))))
        case "test":
            if not _same(_get(document, path), _value(step)):
                raise ValueError(f"the test of [{step['path']}] failed")
            return document
        case unknown:
            raise ValueError(f"unknown operation [{unknown}]")


def _value(step: Mapping[str, Any]) -> Any:
    if "value" not in step:
        raise ValueError('property "value" is missing')
    return deepcopy(step["value"])


def _pointer(step: Mapping[str, Any], name: str) -> Pointer:
    text = step.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise LookupError(f'property "{name}" must be a JSON pointer')
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _get(document: Any, path: Pointer) -> Any:
    node = document
    for part in path:
        node = cast("Any", node[_index(node, part)] if isinstance(node, list) else _member(node, part))
    return node


def _add(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        items = cast("list[Any]", parent)
        items.insert(len(items) if path[-1] == "-" else _index(items, path[-1], end=1), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise TypeError(f"nothing can be added at [/{'/'.join(path)}]")
    return document


def _remove(document: Any, path: Pointer) -> Any:
    if not path:
        return None
    parent = _get(document, path[:-1])
    _get(parent, path[-1:])
    del parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _member(node: Any, name: str) -> Any:
    if not isinstance(node, dict) or name not in node:
        raise LookupError(f"there is no [{name}]")
    return cast("dict[str, Any]", node)[name]


def _index(node: Any, part: str, end: int = 0) -> int:
    items = cast("list[Any]", node)
    if not part.isascii() or not part.isdigit() or (len(part) > 1 and part[0] == "0") or int(part) >= len(items) + end:
        raise LookupError(f"there is no item [{part}]")
    return int(part)


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        mine, theirs = cast("list[Any]", one), cast("list[Any]", other)
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    if isinstance(one, dict) and isinstance(other, dict):
        held, wanted = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return held.keys() == wanted.keys() and all(_same(held[key], wanted[key]) for key in held)
    return bool(one == other)
