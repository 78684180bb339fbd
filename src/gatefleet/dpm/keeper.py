"""Keeps what time and people change: certificates and revocations."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from gatefleet import pki
from gatefleet.dpm.callers import Callers
from gatefleet.dpm.front import GIVEN, OWN, Front
from gatefleet.errors import GatefleetError, Unreachable
from gatefleet.pki import Pair
from gatefleet.settings import DpmSettings
from gatefleet.store import Store, fleet
from gatefleet.store.authority import Authorities, authorities, give
from gatefleet.store.fleet import Revoked
from gatefleet.xds.server import Server

log = structlog.stdlib.get_logger(__name__)

TURN_SECONDS: Final = 2.0


class Keeper:
    """Brings the front and the open streams to what the database and the files say."""

    def __init__(self, settings: DpmSettings, store: Store, server: Server, front: Front) -> None:
        self.callers = Callers()
        self._settings, self._store, self._server, self._front = settings, store, server, front
        self._authorities: Authorities | None = None
        self._offered: Pair | None = None
        self._own: Pair | None = None
        self._revoked: Sequence[Revoked] | None = None

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            await asyncio.sleep(TURN_SECONDS)
            try:
                await self.turn()
            except Unreachable:
                pass  # said by the groups; the newest revocations known stay in force
            except (GatefleetError, OSError) as error:
                log.warning("certificates stay as they are", reason=str(error))
            except Exception:  # nodes are fed whatever becomes of certificates
                log.exception("certificates stay as they are")

    async def turn(self) -> Authorities:
        """Look at everything once. A GatefleetError when a given certificate is no good or PostgreSQL is away."""
        await self._offer()
        async with self._store.transaction() as connection:
            found = await authorities(connection, self._store.cipher)
            revoked = await fleet.revoked(connection)
        if (found, revoked) != (self._authorities, self._revoked):
            self._trust(found, revoked)
        if self._own is None or datetime.now(UTC) > pki.renew_at(self._own.certificate):
            self._own = self._issue(found)
        self._front.set_certificate(OWN, self._own)
        self._front.set_certificate(GIVEN, self._given() or self._own)
        await self._front.show(found.certificates)
        return found

    async def _offer(self) -> None:
        """Have the operator's authority issue from now on, when the files hold another one than before."""
        offered = _pair(self._settings.ca_cert, self._settings.ca_key, pki.check_ca)
        if offered is None or offered == self._offered:
            return
        async with self._store.transaction() as connection:
            if await give(connection, self._store.cipher, offered):
                log.info("another authority issues from now on", expires=pki.expiry(offered.certificate).isoformat())
        self._offered = offered

    def _trust(self, found: Authorities, revoked: Sequence[Revoked]) -> None:
        """Take certificates of these authorities, and none of those that are revoked."""
        now, serials = datetime.now(UTC), [each.serial for each in revoked]
        lists = (pki.revocation_list(pair, serials, now) for pair in found.trusted)
        self._front.set_clients(found.certificates, "".join(lists))
        if self._authorities is None or found.serving != self._authorities.serving:
            self._own = None
        self._authorities, self._revoked = found, revoked
        self.callers.revoked = frozenset(each.fingerprint for each in revoked)
        self.callers.by_group = by_group(revoked)
        self._server.drop(self.callers.revoked, "the client certificate is revoked")

    def _issue(self, found: Authorities) -> Pair:
        known = (pki.SERVER_NAME, "localhost", "127.0.0.1", socket.gethostname())
        return pki.issue_server(found.serving, dict.fromkeys((*known, *self._settings.names)), datetime.now(UTC))

    def _given(self) -> Pair | None:
        """The certificate given by option; Invalid when certificate and key do not belong together."""
        return _pair(self._settings.tls_cert, self._settings.tls_key, pki.check_pair)


def by_group(revoked: Iterable[Revoked]) -> Mapping[str, tuple[str, ...]]:
    """Group to the fingerprints of its revoked certificates, in the same order."""
    found: dict[str, tuple[str, ...]] = {}
    for each in revoked:
        found[each.group_id] = (*found.get(each.group_id, ()), each.fingerprint)
    return found


def _pair(certificate: Path | None, key: Path | None, check: Callable[[Pair], None]) -> Pair | None:
    """What two files hold, checked; None unless both are given."""
    if certificate is None or key is None:
        return None
    pair = Pair(_read(certificate), _read(key))
    check(pair)
    return pair


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise GatefleetError(f"cannot read [{path}]: {error.strerror}") from error
