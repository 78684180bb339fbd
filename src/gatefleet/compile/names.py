"""The server names of a group and who shows a certificate for each, kept up to date object by object."""

from collections.abc import Mapping
from typing import Final

from gatefleet.compile.emit import listeners, server_names
from gatefleet.compile.emit.guards import Guard
from gatefleet.compile.server_names import Shown
from gatefleet.snapshot import LISTENER, SECRET

Written = dict[str, dict[str, bytes | None]]
"""Type URL to resource name to body; None: the resource is gone."""
NOBODY: Final[Mapping[str, Guard | None]] = {}


class ServerNames:
    """Told which objects show which certificates, it says which resources change and which hosts are guarded.

    When several claim one name, those that want certificates of clients come first, then those with a chain of their
    own, then the first by id.
    """

    def __init__(self) -> None:
        self.guards: Mapping[str, Guard | None] = NOBODY
        """Names that want a certificate from their clients, and those (None) below such a wildcard that do not."""
        self._shown: dict[str, Shown] = {}
        self._claims: dict[str, set[str]] = {}
        self._changed: dict[str, Shown | None] = {}
        """Of the objects that changed since the last `flush`: what they were."""
        self._began = False

    def put(self, key: str, shown: Shown | None) -> None:
        """Set or remove one object; nothing is built before `flush`."""
        old = self._shown.pop(key, None)
        if shown:
            self._shown[key] = shown
        if old == shown:
            return
        self._changed.setdefault(key, old)
        for name in old.names if old else ():
            self._claims[name].discard(key)
        for name in shown.names if shown else ():
            self._claims.setdefault(name, set()).add(key)

    def flush(self) -> Written:
        """What has changed since the last `flush`."""
        written: Written = {SECRET: {}, LISTENER: {}}
        now = [self._shown[key] for key in self._changed if key in self._shown]
        before = [old for old in self._changed.values() if old]
        touched = {name for shown in (*before, *now) for name in shown.names}
        for name in touched:
            written[SECRET][name] = self._secret(name)
        for shown in before:
            if shown.apart:
                written[SECRET].update(dict.fromkeys(name for name, _ in server_names.secrets_apart(shown)))
        for shown in now:
            if shown.apart:
                written[SECRET].update(server_names.secrets_apart(shown))
        if not self._began or any(shown.apart for shown in (*before, *now)) or self._below_wildcards(touched):
            written[LISTENER].update(self._listeners())
        self._began, self._changed = True, {}
        return written

    def _owner(self, name: str) -> Shown | None:
        claims = [self._shown[key] for key in self._claims.get(name, ())]
        return min(claims, key=lambda shown: (shown.client is None, not shown.apart, shown.id), default=None)

    def _secret(self, name: str) -> bytes | None:
        owner = self._owner(name)
        return server_names.secret(name, owner.pairs[0]) if owner and owner.on_demand else None

    def _apart(self) -> dict[str, Shown]:
        """Names that have a chain of their own, and whose it is."""
        own = sorted({name for shown in self._shown.values() if shown.apart for name in shown.names})
        return {name: owner for name in own if (owner := self._owner(name)) and owner.apart}

    def _below_wildcards(self, names: set[str]) -> bool:
        wild = {name for shown in self._shown.values() if shown.apart for name in shown.names if name.startswith("*.")}
        return bool(wild) and any(not wild.isdisjoint(server_names.suffixes(name)) for name in names)

    def _listeners(self) -> dict[str, bytes | None]:
        apart = self._apart()
        wild = {name for name in apart if name.startswith("*.")}
        known = [name for name, claims in self._claims.items() if claims and name not in apart] if wild else []
        plain = [name for name in known if not wild.isdisjoint(server_names.suffixes(name))]
        places = {**dict.fromkeys(plain, listeners.ON_DEMAND), **{name: shown.id for name, shown in apart.items()}}
        chains = {shown.id: shown for shown in apart.values()}
        guards = {name: _guard(shown) for name, shown in apart.items()}
        self.guards = {**dict.fromkeys(plain), **guards} if any(guards.values()) else NOBODY
        chooser = server_names.chooser(places)
        held = [chains[one] for one in sorted(chains)]
        by_udp = [server_names.http3_chain(shown) for shown in held if shown.http3]
        return {
            listeners.HTTPS: listeners.compile_https([server_names.chain(shown) for shown in held], chooser),
            listeners.HTTP3: listeners.compile_http3(by_udp, chooser) if by_udp else None,
        }


def _guard(shown: Shown) -> Guard | None:
    return Guard(shown.id, shown.client.skip) if shown.client else None
