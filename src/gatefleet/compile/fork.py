"""Copies of a compiler's state that go their own way: what changes in place is copied, values are shared."""

from typing import Any, Final, TypeVar, cast

_T = TypeVar("_T")
_ROOM: Final = "gatefleet.compile."


def fork(state: _T) -> _T:
    """A copy of the state. Containers and this room's objects are copied; values are frozen and without `__dict__`."""
    return _fork(state, {})


def _fork(thing: Any, known: dict[int, Any]) -> Any:
    if id(thing) in known:
        return known[id(thing)]
    copied = thing
    if isinstance(thing, dict):
        copied = known[id(thing)] = cast("dict[Any, Any]", thing).copy()
        for key, part in cast("dict[Any, Any]", thing).items():
            copied[key] = _fork(part, known)
    elif isinstance(thing, set):
        copied = known[id(thing)] = cast("set[Any]", thing).copy()
    elif isinstance(thing, list):
        copied = known[id(thing)] = [_fork(part, known) for part in cast("list[Any]", thing)]
    elif hasattr(thing, "__dict__") and type(thing).__module__.startswith(_ROOM):
        copied = known[id(thing)] = object.__new__(type(thing))
        for name, part in vars(thing).items():
            vars(copied)[name] = _fork(part, known)
    return copied
