"""Resources for Envoy with the secrets that tokens stand for in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gatefleet import filling
from gatefleet.snapshot import CLUSTER, EXTENSION, REFERENCE, ROUTES, SECRET, Entry, Snapshot, entry

KINDS: Final = (CLUSTER, SECRET, EXTENSION, ROUTES)
"""Types that can have tokens in them."""
Name = tuple[str, str]
"""Type URL and resource name."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made of a resource with these secrets; `fresh` None: nothing that could be used."""

    version: str
    secrets: tuple[str | None, ...]
    fresh: Entry | None
    lacks: bool


class Filled:
    """Puts secrets into resources; what was made of one stays until it or a secret in it changes."""

    def __init__(self) -> None:
        self.secrets: Mapping[str, str] = {}
        """Token to secret, of those that are known."""
        self._seen: dict[str, Mapping[str, Entry]] = {}
        self._marked: dict[Name, tuple[str, ...]] = {}
        """Resources with tokens in them."""
        self._made: dict[Name, _Made] = {}

    @property
    def blocked(self) -> list[Name]:
        """Resources that are not given to Envoy for want of secrets."""
        return [name for name, made in self._made.items() if made.fresh is None]

    @property
    def problems(self) -> Mapping[str, str]:
        """What lacks secrets, "<type URL>/<name>" to what that means."""
        lacking = ((kind, name, made) for (kind, name), made in self._made.items() if made.lacks)
        return {f"{kind}/{name}": _PARTLY if made.fresh else _WHOLLY for kind, name, made in lacking}

    def of(self, kind: str, wanted: Snapshot, held: Mapping[str, Entry]) -> Mapping[str, Entry]:
        """`wanted`'s resources of one type with their secrets; `held` are the last good ones of those that lack one."""
        plain = wanted.of(kind)
        if kind not in KINDS or not (wanted.of(REFERENCE) or self._marked):
            return plain
        self._look(kind, plain)
        made = {n: self._make(kind, n, plain[n]) or held.get(n) for t, n in self._marked if t == kind}
        if not made:
            return plain
        out = {name: found for name, found in plain.items() if name not in made}
        return out | {name: found for name, found in made.items() if found}

    def _look(self, kind: str, plain: Mapping[str, Entry]) -> None:
        """Find the tokens in what is new."""
        seen = self._seen.get(kind, {})
        self._seen[kind] = plain
        for name in seen.keys() - plain.keys():
            self._marked.pop((kind, name), None)
            self._made.pop((kind, name), None)
        for name, found in plain.items():
            if seen.get(name) is not found:
                self._marked.pop((kind, name), None)
                self._made.pop((kind, name), None)
                if tokens := filling.tokens_in(found.body):
                    self._marked[kind, name] = tuple(sorted(tokens))

    def _make(self, kind: str, name: str, plain: Entry) -> Entry | None:
        secrets = tuple(self.secrets.get(token) for token in self._marked[kind, name])
        made = self._made.get((kind, name))
        if made is None or (made.version, made.secrets) != (plain.version, secrets):
            filled = filling.fill(kind, plain.body, self.secrets)
            fresh = None if filled.blocked else entry(filled.body)
            made = self._made[kind, name] = _Made(plain.version, secrets, fresh, bool(filled.missing))
        return made.fresh


_WHOLLY: Final = "a secret that it needs is not there; it keeps its last good form"
_PARTLY: Final = "what needs a secret that is not there answers 503"
