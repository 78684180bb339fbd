"""The secrets kept outside that a group's documents refer to, kept up to date document by document."""

from collections.abc import Mapping
from typing import Any, Final

from gatefleet.errors import Invalid
from gatefleet.references import Wanted, read, token
from gatefleet.resources import Document
from gatefleet.resources.carriage import named

PROVIDERS: Final = "secret_providers"


class Outside:
    """Told which documents there are, it says which references nodes have to follow."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], frozenset[str]] = {}
        """Of documents that refer to secrets: kind and key, and the references' texts."""
        self._written: frozenset[str] = frozenset()
        self._stale = False

    def put(self, kind: str, key: str, body: Mapping[str, Any] | None) -> None:
        """Set or remove (None) one document; nothing is made before `flush`."""
        found = named(kind, body) if body and kind != PROVIDERS else frozenset[str]()
        if kind == PROVIDERS or found != self._named.get((kind, key), frozenset()):
            self._stale = True
        self._named.pop((kind, key), None)
        if found:
            self._named[kind, key] = found

    def flush(self, providers: Mapping[str, Document]) -> Mapping[str, bytes | None]:
        """The resources of references, by name, if anything changed since the last `flush`; None: it is gone."""
        if not self._stale:
            return {}
        wanted = frozenset[str]().union(*self._named.values())
        gone = {token(text): None for text in self._written - wanted}
        self._written, self._stale = wanted, False
        return {**gone, **{token(text): _wanted(text, providers).to_bytes() for text in sorted(wanted)}}


def _wanted(text: str, providers: Mapping[str, Document]) -> Wanted:
    try:
        reference = read(text)
    except Invalid:
        return Wanted(text, None)
    if not reference.provider:
        return Wanted(text, {})
    known = providers.get(reference.provider)
    return Wanted(text, known.body if known else None)
