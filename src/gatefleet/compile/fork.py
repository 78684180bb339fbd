"""Copies of a compiler's state that go their own way: what changes in place is copied, values are shared."""

from typing import Any, Final, TypeVar, cast

_T = TypeVar("_T")
_ROOM: Final = "gatefleet.compile."


def fork(state: _T) -> _T:
    """A copy of the state. Containers and this room's objects are copied; values are frozen and without `__dict__`."""
    return cast("_T", _fork(state, {}))


def _fork(thing: object, known: dict[int, object]) -> object:
    """The copy of one thing; `known` are those made already, so that what stands in two places still does."""
    place = id(thing)
    if place not in known:
        if isinstance(thing, dict):
            _fork_dict(cast("dict[object, object]", thing), known)
        elif isinstance(thing, set):
            known[place] = cast("set[object]", thing).copy()
        elif isinstance(thing, list):
            known[place] = [_fork(part, known) for part in cast("list[object]", thing)]
        elif hasattr(thing, "__dict__") and type(thing).__module__.startswith(_ROOM):
            _fork_object(thing, known)
        else:
            return thing
    return known[place]


def _fork_dict(thing: dict[object, object], known: dict[int, object]) -> None:
    copied = known[id(thing)] = thing.copy()  # a Counter stays one
    for key, part in thing.items():
        copied[key] = _fork(part, known)


def _fork_object(thing: object, known: dict[int, object]) -> None:
    copied = known[id(thing)] = cast("Any", object.__new__(type(thing)))
    for name, part in vars(thing).items():
        vars(copied)[name] = _fork(part, known)
