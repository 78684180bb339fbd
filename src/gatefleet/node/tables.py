"""Hosts and consumers as the native module's tables, and which change of them takes effect when."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gatefleet import filling
from gatefleet.native.sharding import host_entry
from gatefleet.native.tables import Tables
from gatefleet.snapshot import CONSUMER, HOST, Delta, Entry, HostLayout, Snapshot, entry

Credentials = dict[bytes, bytes]
_PAIRS: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])
_LAYOUT: Final = msgspec.msgpack.Decoder(HostLayout)


class NativeTables:
    """What the module reads in one run directory, brought from snapshot to snapshot in two steps.

    A credential that is gone stops working first; a new one works once the routes that guard it are live; a host
    is looked up once its scopes are live, and no longer before they go.
    """

    def __init__(self, run_dir: Path) -> None:
        self._tables = Tables(run_dir)
        self.secrets: filling.Values = {}
        """Token to secret, of those that are known."""
        self.problems: Mapping[str, str] = {}
        """Consumers some of whose credentials cannot be used, "<type URL>/<name>" to the reason."""
        self._consumers: dict[str, list[tuple[bytes, bytes]]] = {}
        self._referring: set[str] = set()
        """Consumers with tokens in place of secrets."""
        self._written: Credentials | None = None
        self._hosts: Mapping[str, Entry] | None = None
        """What the table of hosts was made of."""

    @property
    def empty(self) -> bool:
        """Nothing was ever written here."""
        return self._tables.generation("hosts") == 0

    def before(self, delta: Delta) -> None:
        """Take away the credentials that `delta` takes away or changes."""
        for name in delta.removed.get(CONSUMER, ()):
            self._consumers.pop(name, None)
            self._referring.discard(name)
        for name, found in delta.changed.get(CONSUMER, {}).items():
            self._consumers[name] = _PAIRS.decode(found.body)
            self._referring.discard(name)
            if filling.tokens_in(found.body):
                self._referring.add(name)
        if self._written is None:
            return
        wanted = self._wanted()
        kept = {key: value for key, value in self._written.items() if wanted.get(key) == value}
        if len(kept) != len(self._written):
            self._write(kept)

    def widen(self, snapshot: Snapshot) -> None:
        """Look up the new hosts, and those that are about to go still; ask what the old routes ask, and the new."""
        held = self._hosts or {}
        self._look_up({**held, **{name: _asking_also(new, held.get(name)) for name, new in snapshot.of(HOST).items()}})

    def after(self, snapshot: Snapshot) -> None:
        """Let the new credentials in and send requests to the new hosts' scopes."""
        wanted = self._wanted()
        if wanted != self._written:
            self._write(wanted)
        self._look_up(snapshot.of(HOST))

    def _look_up(self, hosts: Mapping[str, Entry]) -> None:
        if hosts != self._hosts:
            self._tables.write("hosts", {name.encode(): _host(found.body) for name, found in hosts.items()})
            self._hosts = hosts

    def close(self) -> None:
        self._tables.close()

    def _wanted(self) -> Credentials:
        plain = [name for name in sorted(self._consumers) if name not in self._referring]
        wanted = dict(pair for name in plain for pair in self._consumers[name])
        problems: dict[str, str] = {}
        for name in sorted(self._referring):
            for pair in self._consumers[name]:
                if reason := self._fill_into(wanted, pair):
                    problems[f"{CONSUMER}/{name}"] = reason
        self.problems = problems
        return wanted

    def _fill_into(self, wanted: Credentials, pair: tuple[bytes, bytes]) -> str:
        """Add an entry with its secrets; why not, if it cannot be."""
        try:
            key, value = filling.fill_pair(pair, self.secrets)
        except LookupError:
            return "the secret of a credential is not there, and nobody gets in with it"
        except ValueError as error:
            return f"the secret of a credential cannot be used: it {error}"
        if key in wanted:
            return "the secret of a credential is another consumer's already"
        wanted[key] = value
        return ""

    def _write(self, credentials: Credentials) -> None:
        self._tables.write("consumers", credentials)
        self._written = credentials


def _host(body: bytes) -> bytes:
    layout = _LAYOUT.decode(body)
    return host_entry(layout.depth, layout.shards, layout.questions)


def _asking_also(new: Entry, old: Entry | None) -> Entry:
    """`new` with the questions of `old` too."""
    if old is None or old.version == new.version:
        return new
    layout, before = _LAYOUT.decode(new.body), _LAYOUT.decode(old.body)
    both = tuple(sorted({*layout.questions, *before.questions}))
    return entry(msgspec.msgpack.encode(msgspec.structs.replace(layout, questions=both)))
