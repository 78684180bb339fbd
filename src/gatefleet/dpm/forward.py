"""Tells others the audit log: as syslog messages (RFC 5424) or to a webhook, each row at least once and in order."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec
import structlog
from sqlalchemy import Row

from gatefleet.errors import GatefleetError
from gatefleet.outbound import Outbound, Transport
from gatefleet.store import Store, audit, audit_sinks
from gatefleet.store.audit_sinks import Sink

log = structlog.stdlib.get_logger(__name__)
BATCH: Final = 200
PATIENCE: Final = 10.0
"""Seconds in which a batch must be taken."""
LONGEST_PAUSE: Final = 60.0
NOTICE: Final = 5
LARGEST_DATAGRAM: Final = 60_000
Rows = Sequence[Row[Any]]


class Forwarder:
    """Brings every sink up to date, and lets those that fail alone for twice as long each time."""

    def __init__(self, store: Store, outbound: Outbound, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._outbound, self._clock = store, outbound, clock
        self._pauses: dict[str, tuple[float, float]] = {}
        """By sink: how long its last pause is, and when it ends."""

    async def turn(self) -> None:
        """Send what is new to every sink that is enabled and not paused."""
        async with self._store.reading() as connection:
            sinks = await audit_sinks.every(connection, self._store.cipher)
        now = self._clock()
        ready = [sink for sink in sinks if sink.enabled and self._pauses.get(sink.id, (0, 0))[1] <= now]
        await asyncio.gather(*map(self._forward, ready))

    async def _forward(self, sink: Sink) -> None:
        position = sink.position
        while rows := await self._next(position):
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._send(sink, rows)
            except (OSError, TimeoutError, httpx.HTTPError, ssl.SSLError, GatefleetError, ValueError) as error:
                await self._failed(sink, f"{type(error).__name__}: {error}")
                return
            position = (rows[-1].segment, rows[-1].id)
            self._pauses.pop(sink.id, None)
            async with self._store.transaction() as connection:
                await audit_sinks.advance(connection, sink.id, position)

    async def _next(self, position: audit_sinks.Position) -> Rows:
        async with self._store.reading() as connection:
            return await audit_sinks.next_rows(connection, position, BATCH)

    async def _failed(self, sink: Sink, reason: str) -> None:
        pause = min(2 * self._pauses.get(sink.id, (0.5, 0))[0], LONGEST_PAUSE)
        self._pauses[sink.id] = (pause, self._clock() + pause)
        log.warning("the audit log could not be forwarded", sink=sink.name, reason=reason, again_in=pause)
        async with self._store.transaction() as connection:
            await audit_sinks.fail(connection, sink.id, reason)

    async def _send(self, sink: Sink, rows: Rows) -> None:
        if sink.type == "webhook":
            await self._post(sink.config, rows)
        elif sink.config["protocol"] == "udp":
            await self._datagrams(sink.config, rows)
        else:
            await self._stream(sink.config, rows)

    async def _post(self, config: Mapping[str, Any], rows: Rows) -> None:
        body = msgspec.json.encode({"list": [audit.entry(row) for row in rows]})
        headers: dict[str, str] = {**config.get("headers", {}), "content-type": "application/json"}
        transport = Transport(self._outbound, trusting(config))
        async with httpx.AsyncClient(transport=transport, timeout=PATIENCE, trust_env=False) as client:
            answer = await client.post(config["url"], content=body, headers=headers)
        if not answer.is_success:
            raise ValueError(f"the webhook answered {answer.status_code}")

    async def _stream(self, config: Mapping[str, Any], rows: Rows) -> None:
        """Octet counting (RFC 6587, 3.4.1), over TLS too (RFC 5425)."""
        address = await self._outbound.address(config["host"], config["port"])
        context = trusting(config) if config["protocol"] == "tls" else None
        name = config["host"] if context else None
        _, writer = await asyncio.open_connection(address, config["port"], ssl=context, server_hostname=name)
        try:
            for row in rows:
                message = syslog(config, row)
                writer.write(f"{len(message)} ".encode() + message)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()

    async def _datagrams(self, config: Mapping[str, Any], rows: Rows) -> None:
        """One message each (RFC 5426); what is too long for one is cut."""
        address = await self._outbound.address(config["host"], config["port"])
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(address, config["port"]), family=family
        )
        for row in rows:
            transport.sendto(syslog(config, row)[:LARGEST_DATAGRAM])
        transport.close()


def syslog(config: Mapping[str, Any], row: Row[Any]) -> bytes:
    """A row as a message of RFC 5424: the event's kind as MSGID, the row as JSON."""
    when = row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = f"<{config['facility'] * 8 + NOTICE}>1 {when} {socket.gethostname()} {config['app_name']} - "
    return head.encode() + f"{row.event_type[:32]} - ".encode() + msgspec.json.encode(audit.entry(row))


def trusting(config: Mapping[str, Any]) -> ssl.SSLContext:
    """What the system trusts, or the one authority that is named."""
    return ssl.create_default_context(cadata=config.get("ca") or None)
