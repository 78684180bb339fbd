"""Secrets kept outside as this node knows them: asked for again and again, and kept while nobody answers.

What they were is kept on disk, encrypted as the copy of the configuration is, so that a node that starts while a store
of secrets is away serves with the last ones.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatefleet.errors import GatefleetError, Invalid
from gatefleet.files import write_private
from gatefleet.node.secret_stores import SecretStore, picked, store_of
from gatefleet.node.status import JSON, Answer
from gatefleet.outbound import Outbound
from gatefleet.references import Wanted, read
from gatefleet.snapshot import REFERENCE, Entry, Snapshot

log = structlog.get_logger()
FIRST: Final = 3.0
"""Seconds that a revision waits for secrets it is the first to name."""
RETRY: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds between attempts while there is no good answer; the last one repeats."""
AT_ONCE: Final = 8
"""Questions that are open together."""
_USE: Final = b"gatefleet-secrets"
_NONCE: Final = 12


@dataclass(slots=True)
class _Followed:
    """One reference. `version` is its resource's, `key` what of the secret is meant."""

    text: str
    version: str
    key: str = ""
    problem: str = "it has not been asked for yet"
    at: int = 0
    """Unix seconds of the last answer."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A secret at its store; `config` is the store's, packed."""

    manager: str
    config: bytes
    secret: str
    tokens: frozenset[str]
    """What stands for parts of it."""


class Secrets:
    """Follows what a snapshot names; `changed` is called when secrets are not what they were."""

    def __init__(self, file: Path, ttl: float, changed: Callable[[], None], outbound: Outbound | None = None) -> None:
        self.values: Mapping[str, str] = {}
        """Token to secret, of those that are known."""
        self._ttl, self._changed = ttl, changed
        self._outbound = outbound or Outbound()
        self._disk = _Disk(file)
        self._held: Mapping[str, Entry] = {}
        self._followed: dict[str, _Followed] = {}
        self._watches: dict[_Place, asyncio.Task[None]] = {}
        self._asked: dict[_Place, asyncio.Event] = {}
        self._stores: dict[tuple[str, bytes], SecretStore] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong with secrets, "secret/<reference>" to the reason."""
        wrong = ((token, one) for token, one in sorted(self._followed.items()) if one.problem)
        stays = "; the last secret stays"
        return {f"secret/{one.text}": one.problem + (stays if token in self.values else "") for token, one in wrong}

    @property
    def problem(self) -> str:
        """In one sentence, for the status page; empty when all is well."""
        missing = [one for token, one in self._followed.items() if token not in self.values]
        if not missing:
            return ""
        return f"{len(missing)} secrets kept outside are not there, among them {missing[0].text}: {missing[0].problem}"

    async def page(self) -> Answer:
        """How each reference is; secrets are not told."""
        ordered = sorted(self._followed.items(), key=lambda each: each[1].text)
        told = [
            {
                "reference": one.text,
                "state": "current" if not one.problem else "stale" if token in self.values else "missing",
                "last_answer": one.at,
                "reason": one.problem,
            }
            for token, one in ordered
        ]
        return 200, JSON, msgspec.json.encode({"secrets": told})

    async def follow(self, snapshot: Snapshot, key: bytes) -> None:
        """Ask for just what this snapshot names from now on; waits a little for what is new.

        `key` encrypts what is kept on disk.
        """
        wanted, kept = snapshot.of(REFERENCE), self._disk.read(key)
        if wanted == self._held:
            return
        same = {token for token, found in wanted.items() if self._held.get(token) == found}
        before, self._held = self._followed, wanted
        self._followed = {token: before[token] if token in same else _followed(one) for token, one in wanted.items()}
        values = {token: kept.get(found.version) for token, found in wanted.items()}
        values |= {token: self.values.get(token) for token in same}
        self.values = {token: value for token, value in values.items() if value is not None}
        await self._watch_only(self._places())
        self._save()

    async def stop(self) -> None:
        await self._watch_only(set())

    def _places(self) -> set[_Place]:
        """Where to ask, and the problems of what cannot be asked for."""
        tokens: dict[tuple[str, bytes, str], set[str]] = {}
        for token, found in self._held.items():
            followed, wanted = self._followed[token], Wanted.from_bytes(found.body)
            try:
                reference = read(wanted.reference)
            except Invalid as error:
                followed.problem = str(error)
                continue
            followed.key = reference.key
            if wanted.config is None:
                followed.problem = f"the gateway group has no secret provider [{reference.provider}]"
                continue
            config = msgspec.msgpack.encode(wanted.config, order="deterministic")
            tokens.setdefault((reference.manager, config, reference.secret), set()).add(token)
        return {_Place(*place, frozenset(named)) for place, named in tokens.items()}

    async def _watch_only(self, places: set[_Place]) -> None:
        for place in self._watches.keys() - places:
            self._watches.pop(place).cancel()
            self._asked.pop(place)
        fresh = places - self._watches.keys()
        for place in fresh:
            self._asked[place] = asyncio.Event()
            self._watches[place] = asyncio.create_task(self._watch(place), name=f"secret {place.secret}")
        used = {(place.manager, place.config) for place in places}
        for unused in self._stores.keys() - used:
            await self._stores.pop(unused).close()
        if fresh:
            first = [asyncio.create_task(self._asked[place].wait()) for place in fresh]
            _, late = await asyncio.wait(first, timeout=FIRST)
            for task in late:
                task.cancel()

    async def _watch(self, place: _Place) -> None:
        tries = 0
        while True:
            good = await self._ask(place)
            self._asked[place].set()
            tries = 0 if good else tries + 1
            await asyncio.sleep(self._ttl if good else min(self._ttl, RETRY[min(tries, len(RETRY)) - 1]))

    async def _ask(self, place: _Place) -> bool:
        """Whether everything that is meant of the secret is known now."""
        try:
            async with self._room:
                known = (place.manager, place.config)
                if known not in self._stores:
                    config = msgspec.msgpack.decode(place.config)
                    self._stores[known] = store_of(place.manager, config, self._outbound)
                found = await self._stores[known].read(place.secret)
        except GatefleetError as error:
            for token in place.tokens:
                self._fail(token, str(error))
            return False
        known = [self._learn(token, found) for token in place.tokens]
        return all(known)

    def _learn(self, token: str, found: str | Mapping[str, object]) -> bool:
        followed = self._followed[token]
        try:
            value = picked(found, followed.key)
        except GatefleetError as error:
            self._fail(token, str(error))
            return False
        followed.problem, followed.at = "", int(time.time())
        if self.values.get(token) != value:
            log.info("a secret is known", reference=followed.text)
            self.values = {**self.values, token: value}
            self._save()
            self._changed()
        return True

    def _fail(self, token: str, reason: str) -> None:
        followed = self._followed[token]
        if followed.problem != reason:
            log.warning("a secret cannot be had", reference=followed.text, reason=reason)
        followed.problem = reason.replace("\0", "")[:500]

    def _save(self) -> None:
        self._disk.write({self._held[token].version: value for token, value in self.values.items()})


class _Disk:
    """Secrets by the version of their reference, in one encrypted file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key = b""
        self._written: Mapping[str, str] = {}

    def read(self, key: bytes) -> Mapping[str, str]:
        """What was kept; nothing if that was under another key. A new key encrypts it anew."""
        if self._key:
            if key != self._key:
                written, self._written = self._written, dict[str, str]()
                self._key = key
                self.write(written)
            return self._written
        self._key = key
        try:
            body = self._file.read_bytes()
            plain = AESGCM(key).decrypt(body[:_NONCE], body[_NONCE:], _USE)
            self._written = msgspec.msgpack.decode(plain, type=dict[str, str])
        except (OSError, InvalidTag, ValueError, msgspec.DecodeError):
            self._written = {}
        return self._written

    def write(self, values: Mapping[str, str]) -> None:
        if values == self._written:
            return
        nonce = os.urandom(_NONCE)
        try:
            write_private(self._file, nonce + AESGCM(self._key).encrypt(nonce, msgspec.msgpack.encode(values), _USE))
            self._written = values
        except OSError as error:
            log.warning("secrets cannot be kept on disk", reason=str(error))


def _followed(found: Entry) -> _Followed:
    return _Followed(Wanted.from_bytes(found.body).reference, found.version)
