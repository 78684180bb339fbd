"""Keeps what time and people change: certificates and revocations."""

import asyncio
import socket
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
from gatefleet.xds.server import Server

log = structlog.stdlib.get_logger(__name__)

TURN_SECONDS: Final = 2.0


class Keeper:
    """Brings the front and the open streams to what the database and the files say."""

    def __init__(self, settings: DpmSettings, store: Store, server: Server, front: Front, ca: Pair) -> None:
        self.ca = ca
        self.callers = Callers()
        self._settings, self._store, self._server, self._front = settings, store, server, front
        self._own = self._issue()
        self._revoked: dict[str, str] | None = None

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

    async def turn(self) -> None:
        """Look at everything once. A GatefleetError when a given certificate is no good or PostgreSQL is away."""
        await self._revocations()
        if datetime.now(UTC) > pki.renew_at(self._own.certificate):
            self._own = self._issue()
        self._front.set_certificate(OWN, self._own)
        self._front.set_certificate(GIVEN, self._given() or self._own)

    async def _revocations(self) -> None:
        async with self._store.transaction() as connection:
            found = dict(await fleet.revoked(connection))
        if found == self._revoked:
            return
        self._front.set_clients(self.ca.certificate, pki.revocation_list(self.ca, found, datetime.now(UTC)))
        self.callers.revoked, self._revoked = frozenset(found.values()), found
        self._server.drop(self.callers.revoked, "the client certificate is revoked")

    def _issue(self) -> Pair:
        known = (pki.SERVER_NAME, "localhost", "127.0.0.1", socket.gethostname())
        return pki.issue_server(self.ca, dict.fromkeys((*known, *self._settings.names)), datetime.now(UTC))

    def _given(self) -> Pair | None:
        """The certificate given by option; Invalid when certificate and key do not belong together."""
        if self._settings.tls_cert is None or self._settings.tls_key is None:
            return None
        pair = Pair(_read(self._settings.tls_cert), _read(self._settings.tls_key))
        pki.check_pair(pair)
        return pair


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise GatefleetError(f"cannot read [{path}]: {error.strerror}") from error
