"""Takes requests that somebody wants to see tried to their nodes, by the streams those have open to this process."""

import asyncio

import msgspec
import structlog

from gatefleet.errors import GatefleetError
from gatefleet.fleet import REQUEST_TEST
from gatefleet.pki import Identity
from gatefleet.store import Store, listen, request_tests
from gatefleet.xds.server import Server

log = structlog.stdlib.get_logger(__name__)


def taker(identity: Identity) -> str:
    """What the stream of a node is found by that can be asked to try requests."""
    return f"{identity.group}/{identity.instance}/tests"


class RequestTests:
    """Any number of these may run: a request is taken by the one that has its node."""

    def __init__(self, store: Store, server: Server, dsn: str) -> None:
        self._store, self._server, self._dsn = store, server, dsn
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled. A request that is missed, as nothing listened just then, is lost: somebody waits."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self._dsn, lambda _: self._woken.set(), request_tests.ORDERED))
            while True:
                await self._woken.wait()
                self._woken.clear()
                try:
                    await self.turn()
                except GatefleetError as error:
                    log.warning("requests to try are lost", reason=str(error))
                except Exception:  # nodes are fed whatever becomes of such requests
                    log.exception("requests to try are lost")

    async def turn(self) -> None:
        """Take everything that waits for a node of ours."""
        async with self._store.reading() as connection:
            waiting = await request_tests.waiting(connection)
        here = self._server.names() if waiting else frozenset[str]()
        ours = [test_id for test_id, who in waiting.items() if taker(who) in here]
        if not ours:
            return
        async with self._store.transaction() as connection:
            taken = await request_tests.take(connection, self._store.cipher, ours)
        for who, wanted in taken:
            self._server.tell(taker(who), REQUEST_TEST, {wanted.id: msgspec.msgpack.encode(wanted)})
