"""One published snapshot and what turns older holdings into it; shared by every stream that follows it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from gatefleet.snapshot import Entry, Snapshot
from gatefleet.xds.wire import Response, responses

Resolver = Callable[[Snapshot, str, str], Entry | None]
"""(snapshot, type URL, name asked for) to an entry made for that very name, or None when there is no such thing."""

NOTHING: Final[Mapping[str, Entry]] = {}
_KEPT_CHANGES: Final = 32


class Change:
    """What turns `old` into `new` for one type: additions first, then removals, as ready responses."""

    def __init__(
        self, type_url: str, old: Mapping[str, Entry], new: Mapping[str, Entry], nonces: Iterator[str]
    ) -> None:
        self.type_url, self.old, self.new, self._nonces = type_url, old, new, nonces
        self.changed = {n: e for n, e in new.items() if (b := old.get(n)) is None or b.version != e.version}
        self.removed = tuple(n for n in old if n not in new)

    @cached_property
    def union(self) -> Mapping[str, Entry]:
        """What a client holds between the additions and the removals."""
        return {**self.old, **self.new} if self.removed else self.new

    @cached_property
    def additions(self) -> tuple[Response, ...]:
        return tuple(responses(self.type_url, self.changed, (), self._nonces))

    @cached_property
    def removals(self) -> tuple[Response, ...]:
        return tuple(responses(self.type_url, NOTHING, self.removed, self._nonces))


class Follower(Protocol):
    """A stream that follows a feed."""

    def wake(self) -> None: ...


@dataclass(slots=True)
class Feed:
    """The newest snapshot of one key, how many were published, and the streams that follow it."""

    nonces: Iterator[str]
    snapshot: Snapshot | None = None
    generation: int = 0
    followers: "set[Follower]" = field(default_factory=set)
    _changes: OrderedDict[tuple[str, int, int], Change] = field(default_factory=OrderedDict)
    _holdings: OrderedDict[tuple[str, frozenset[tuple[str, str]]], Mapping[str, Entry]] = field(
        default_factory=OrderedDict
    )

    def publish(self, snapshot: Snapshot) -> int:
        self.snapshot = snapshot
        self.generation += 1
        self._holdings.clear()
        for key, change in tuple(self._changes.items()):
            if change.new is not snapshot.entries.get(change.type_url):
                del self._changes[key]  # nobody is brought to what is outdated
        for follower in tuple(self.followers):
            follower.wake()
        return self.generation

    def change(self, type_url: str, old: Mapping[str, Entry], new: Mapping[str, Entry]) -> Change:
        """The change from `old` to `new`, worked out once while many streams ask for it."""
        key = (type_url, id(old), id(new))
        if (found := self._changes.get(key)) is None:  # a kept Change holds both mappings, so their ids stay theirs
            found = self._changes[key] = Change(type_url, old, new, self.nonces)
            if len(self._changes) > _KEPT_CHANGES:
                self._changes.popitem(last=False)
        return found

    def holding(self, type_url: str, held: Mapping[str, str]) -> Mapping[str, Entry]:
        """What a client holds (name to version): the published mapping itself when it is just that.

        Clients that come back together hold the same, which is one mapping then, and their change is worked out once.
        """
        newest = self.snapshot.entries.get(type_url, NOTHING) if self.snapshot else NOTHING
        if len(held) == len(newest) and all((e := newest.get(n)) and e.version == v for n, v in held.items()):
            return newest
        key = (type_url, frozenset(held.items()))
        if (found := self._holdings.get(key)) is None:
            found = self._holdings[key] = {n: Entry(v, b"") for n, v in held.items()}
            if len(self._holdings) > _KEPT_CHANGES:
                self._holdings.popitem(last=False)
        return found
