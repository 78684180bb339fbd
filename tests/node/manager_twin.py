"""A DP Manager for tests: the real stream server and the real certificates, without a database or a front Envoy."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import msgspec

from gatefleet import fleet, pki, sealed, snapshot
from gatefleet.fleet import Enrolled, Heard, Heartbeat, Renew, Trust
from gatefleet.pki import Bundle, Identity, Pair
from gatefleet.sealed import SnapshotKeys
from gatefleet.snapshot import SEAL, Seal, Snapshot
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED
from tests.ports import free_port


@dataclass
class Twin:
    """Serves sealed revisions of one group to nodes with its certificate, and keeps their heartbeats."""

    group: str = "default"
    ca: Pair = field(default_factory=lambda: pki.create_ca(datetime.now(UTC)))
    keys: SnapshotKeys = field(default_factory=sealed.new_snapshot_keys)
    before: list[SnapshotKeys] = field(default_factory=list)
    """Keys that were exchanged and are still accepted."""
    revoked: tuple[str, ...] = ()
    beats: list[Heartbeat] = field(default_factory=list)
    port: int = 0

    async def start(self) -> None:
        self.xds = Server()
        self._server = grpc.aio.server(options=UNLIMITED)
        pair = pki.issue_server(self.ca, [pki.SERVER_NAME], datetime.now(UTC))
        credentials = grpc.ssl_server_credentials(
            [(pair.key.encode(), pair.certificate.encode())], self.ca.certificate.encode(), require_client_auth=True
        )
        self._server.add_generic_rpc_handlers((*self.xds.handlers(_group), self._fleet()))
        self.port = self.port or free_port()  # one that stays free while it is stopped
        self._server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    def publish(self, content: Snapshot, revision: int) -> Seal:
        """Seal `content` as `revision` and feed it."""
        return self.publish_as(content, self.seal(content, revision))

    def seal(self, content: Snapshot, revision: int) -> Seal:
        bare = Seal(self.group, revision, int(time.time()), snapshot.digest(content), self.keys.key_id)
        return sealed.sign(bare, self.keys)

    def copy(self, content: Snapshot, revision: int) -> bytes:
        """A sealed copy, as a backup, a disk or a peer keeps it."""
        return sealed.write_copy(content, self.seal(content, revision), self.keys.copy)

    def publish_as(self, content: Snapshot, seal: Seal) -> Seal:
        entries = {**content.entries, SEAL: {"seal": snapshot.entry(seal.to_bytes())}}
        self.xds.publish(self.group, Snapshot(entries))
        return seal

    def bundle(self, instance: str = "node-1", *, age: timedelta = timedelta()) -> Bundle:
        """A join bundle, its certificate `age` old and good for 30 days in all."""
        issued = datetime.now(UTC) - age
        pair = pki.issue_client(self.ca, Identity(self.group, instance), issued, timedelta(days=30))
        return Bundle(
            certificate=pair.certificate,
            private_key=pair.key,
            ca_certificate=self.ca.certificate,
            gateway_group_id=self.group,
            verification_keys=self.trust.verification_keys,
            snapshot_key=self.keys.copy,
            copy_keys=self.trust.copy_keys,
            dp_manager_addresses=(f"https://127.0.0.1:{self.port}",),
        )

    @property
    def trust(self) -> Trust:
        keys = [self.keys, *self.before]
        return Trust(
            {key.key_id: key.verification for key in keys},
            {key.key_id: key.copy for key in keys},
            self.keys.key_id,
            self.revoked,
        )

    def _fleet(self) -> grpc.GenericRpcHandler:
        renew = grpc.unary_unary_rpc_method_handler(self._renew)
        beats = grpc.stream_stream_rpc_method_handler(self._heartbeats)
        return grpc.method_handlers_generic_handler(fleet.SERVICE, {"Renew": renew, "Heartbeats": beats})

    async def _renew(self, body: bytes, _: Context) -> bytes:
        request = msgspec.msgpack.decode(body, type=Renew)
        bundle = self.bundle()
        certificate = pki.sign_csr(self.ca, request.csr, Identity(self.group, "node-1"), datetime.now(UTC))
        return msgspec.msgpack.encode(
            Enrolled(
                certificate=certificate,
                ca_certificate=self.ca.certificate,
                group=self.group,
                instance="node-1",
                verification_keys=bundle.verification_keys,
                snapshot_key=bundle.snapshot_key,
                copy_keys=bundle.copy_keys,
            )
        )

    async def _heartbeats(self, bodies: AsyncIterator[bytes], context: Context) -> None:
        async for body in bodies:
            beat = msgspec.msgpack.decode(body, type=Heartbeat)
            self.beats.append(beat)
            trust = None if beat.trust == self.trust.version else self.trust
            heard = Heard(newest_revision=0, recorded_revision=newest(beat), trust=trust)
            await context.write(msgspec.msgpack.encode(heard))


def newest(beat: Heartbeat) -> int:
    """The newest revision that a heartbeat says is proven."""
    return beat.proven[-1].revision if beat.proven else 0


async def _group(context: Context) -> str:
    names = " ".join(n.decode() for n in context.auth_context().get("x509_uris", [])) or str(context.auth_context())
    found = re.search(r"gatefleet/group/([\w.~-]+)/", names)
    if not found:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, names)
    return found[1]
