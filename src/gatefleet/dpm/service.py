"""The calls of nodes: enrolment, renewal, heartbeats, and which configuration stream a caller may follow."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final, TypeVar

import grpc
import msgspec
import structlog

from gatefleet import VERSION, pki
from gatefleet import fleet as words
from gatefleet.dpm.callers import Callers, Context, header
from gatefleet.dpm.groups import Groups, instance_name
from gatefleet.dpm.reports import Reports
from gatefleet.dpm.request_tests import taker
from gatefleet.dpm.telemetry import Intake
from gatefleet.errors import Forbidden, GatefleetError, Invalid, NotFound, Unauthorized, Unreachable
from gatefleet.fleet import (
    Enroll,
    Enrolled,
    HealthReport,
    Heard,
    Heartbeat,
    Noted,
    Renew,
    Tested,
    TrafficReport,
    Trust,
)
from gatefleet.pki import Identity
from gatefleet.sealed import SnapshotKeys
from gatefleet.store import Store, fleet, health, request_tests
from gatefleet.store.authority import authorities
from gatefleet.store.fleet_keys import snapshot_keys

log = structlog.stdlib.get_logger(__name__)

_CODES: Final[dict[type[GatefleetError], grpc.StatusCode]] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
}
_LARGEST: Final = 1 << 20
_LARGEST_TRAFFIC: Final = 4 << 20
"""Bytes of one request; what a node counts names each of its routes and consumers."""
_INSTANCE: Final = re.compile(r"[\w.~-]{1,64}", re.ASCII)
_Q = TypeVar("_Q", bound=msgspec.Struct)


class Service:
    """The gRPC side of the DP Manager."""

    def __init__(
        self,
        store: Store,
        groups: Groups,
        callers: Callers,
        reports: Reports,
        intake: Intake,
        addresses: Sequence[str],
    ) -> None:
        self._store, self._groups, self._callers, self._reports = store, groups, callers, reports
        self._intake = intake
        self._addresses = tuple(addresses)

    def handler(self) -> grpc.GenericRpcHandler:
        """The service `gatefleet.Fleet`, to be added to a grpc.aio server."""
        methods = {
            words.ENROLL: _method(Enroll, self._enroll),
            words.RENEW: _method(Renew, self._renew),
            words.HEARTBEATS: _stream(Heartbeat, self._heartbeat),
            words.HEALTH: _method(HealthReport, self._health),
            words.TRAFFIC: _method(TrafficReport, self._traffic, _LARGEST_TRAFFIC),
            words.TESTED: _method(Tested, self._tested),
        }
        return grpc.method_handlers_generic_handler(
            words.SERVICE, {k.rpartition("/")[2]: m for k, m in methods.items()}
        )

    async def group_of(self, context: Context) -> str:
        """The key of the stream that the caller gets; ends the call when there is none for it."""
        try:
            identity = self._following(context)
            _check_version(header(context, words.VERSION_HEADER))
            return self._groups.key_of(identity)
        except GatefleetError as error:
            await _abort(context, error)
            raise

    def names_of(self, context: Context) -> Sequence[str]:
        """The caller's certificate and the instance it is: what its stream is found by when either is meant."""
        identity = self._following(context)
        names = self._callers.caller(context).fingerprint, instance_name(identity.group, identity.instance)
        return (*names, taker(identity)) if header(context, words.TESTS_HEADER) else names

    def _following(self, context: Context) -> Identity:
        return _own(self._callers.caller(context).identity, header(context, words.INSTANCE_HEADER))

    async def _enroll(self, asked: Enroll, _: Context) -> Enrolled:
        _check_instance(asked.instance)
        _check_version(asked.machine.version)
        token = pki.parse_token(asked.token)
        async with self._store.transaction() as connection:
            group_id, token_id = await fleet.admit(connection, token)
            identity = Identity(group_id, asked.instance)
            enrolled = await self._issue(connection, identity, asked.csr, f"token/{token_id}")
        log.info("enrolled", group=group_id, instance=asked.instance, hostname=asked.machine.hostname)
        return enrolled

    async def _renew(self, asked: Renew, context: Context) -> Enrolled:
        caller = self._callers.caller(context)
        async with self._store.transaction() as connection:
            origin = await fleet.origin_of(connection, caller.fingerprint)
            return await self._issue(connection, _own(caller.identity, asked.instance), asked.csr, origin)

    async def _issue(self, connection: Any, identity: Identity, csr: str, origin: str) -> Enrolled:
        cipher = self._store.cipher
        ca = await authorities(connection, cipher)
        certificate = await fleet.issue(connection, ca.issuing, identity, csr, origin)
        keys = await snapshot_keys(connection, cipher, identity.group)
        return Enrolled(
            certificate=certificate,
            ca_certificate=ca.certificates,
            group=identity.group,
            instance=identity.instance,
            verification_keys={key.key_id: key.verification for key in keys},
            snapshot_key=keys[0].copy,
            copy_keys={key.key_id: key.copy for key in keys},
            dp_manager_addresses=self._addresses,
        )

    async def _heartbeat(self, said: Heartbeat, context: Context) -> Heard:
        identity = _own(self._callers.caller(context).identity, said.instance)
        _check_version(said.machine.version)
        revision = self._groups.revision(identity.group)
        recorded = await self._reports.take(identity, _readable(said))
        return Heard(
            newest_revision=revision,
            recorded_revision=max((one.revision for one in said.proven or ()), default=0) if recorded else 0,
            watch=self._groups.watch(identity),
            trust=self._news(identity.group, said.trust),
            drill=self._groups.drill(identity),
            recorded_drill=said.drilled.id if said.drilled and recorded else "",
        )

    async def _health(self, said: HealthReport, context: Context) -> Noted:
        identity = _own(self._callers.caller(context).identity, said.instance)
        async with self._store.transaction() as connection:
            await health.record(connection, identity, said)
        return Noted()

    async def _traffic(self, said: TrafficReport, context: Context) -> Noted:
        identity = _own(self._callers.caller(context).identity, said.instance)
        if not await self._intake.take(identity, said):
            raise Unreachable("what was served is not on record yet; it has to be told again")
        return Noted()

    async def _tested(self, said: Tested, context: Context) -> Noted:
        identity = _own(self._callers.caller(context).identity, said.instance)
        async with self._store.transaction() as connection:
            await request_tests.record(connection, self._store.cipher, identity, said)
        return Noted()

    def _news(self, group_id: str, held: str) -> Trust | None:
        """What a node of the group has to check with from now on; None when it does already."""
        keys = self._groups.keys(group_id)
        if not keys:  # they are read with the first revision
            return None
        trust, version = _trust(keys, self._callers.revoked_of(group_id))
        return None if version == held else trust


@lru_cache(maxsize=1024)
def _trust(keys: tuple[SnapshotKeys, ...], revoked: tuple[str, ...]) -> tuple[Trust, str]:
    """With its version, which takes some hashing."""
    trust = Trust(
        {key.key_id: key.verification for key in keys}, {key.key_id: key.copy for key in keys}, keys[0].key_id, revoked
    )
    return trust, trust.version


def _method(
    kind: type[_Q], answer: Callable[[_Q, Context], Awaitable[msgspec.Struct]], largest: int = _LARGEST
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def call(body: bytes, context: Context) -> bytes:
        async with _aborting(context, kind):
            return msgspec.msgpack.encode(await answer(_decode(body, kind, largest), context))
        raise AssertionError  # abort always raises

    return grpc.unary_unary_rpc_method_handler(call)  # pyright: ignore[reportArgumentType]  (the stubs know synchronous handlers only)


def _stream(
    kind: type[_Q], answer: Callable[[_Q, Context], Awaitable[msgspec.Struct]]
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def follow(requests: AsyncIterator[bytes], context: Context) -> None:
        async for body in requests:
            async with _aborting(context, kind):
                said = msgspec.msgpack.encode(await answer(_decode(body, kind, _LARGEST), context))
            await context.write(said)

    return grpc.stream_stream_rpc_method_handler(follow)  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def _aborting(context: Context, kind: type[msgspec.Struct]) -> AsyncGenerator[None]:
    """End the call with what went wrong."""
    try:
        yield
    except GatefleetError as error:
        await _abort(context, error)
    except Exception:  # what it says is for our log, not for whoever calls
        log.exception("a call failed", call=kind.__name__)
        await _abort(context, GatefleetError("something broke in the DP Manager; its log tells more"))


def _decode(body: bytes, kind: type[_Q], largest: int) -> _Q:
    if len(body) > largest:
        raise Invalid(f"the request is larger than {largest} bytes")
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"the request cannot be read: {error}") from error


async def _abort(context: Context, error: GatefleetError) -> None:
    await context.abort(_CODES.get(type(error), grpc.StatusCode.INTERNAL), str(error))


def _own(identity: Identity, instance: str) -> Identity:
    """Who the caller is; nodes that share a certificate tell themselves apart within its group."""
    if not instance or not identity.shared:
        return identity
    _check_instance(instance)
    return Identity(identity.group, instance)


def _readable(said: Heartbeat) -> Heartbeat:
    replace, proven = msgspec.structs.replace, said.proven
    if proven is not None:
        proven = tuple(replace(one, rejected=_few(one.rejected)) for one in proven)
    return replace(said, problems=_few(said.problems), pending=_text(said.pending, 500), proven=proven)


def _few(problems: Mapping[str, str]) -> Mapping[str, str]:
    """As much as is worth keeping."""
    return {_text(name, 500): _text(problems[name], 2000) for name in sorted(problems)[:100]}


def _text(given: str, longest: int) -> str:
    """PostgreSQL takes no NUL."""
    return given[:longest].replace("\0", "")


def _check_instance(instance: str) -> None:
    if not _INSTANCE.fullmatch(instance) or instance.startswith(pki.SHARED):
        raise Invalid(f"instance id [{instance[:80]}] must be 1 to 64 letters, digits, dots, dashes")


def _check_version(version: str) -> None:
    if version and _numbers(version) > _numbers(VERSION):
        raise Forbidden(
            f"this node is of version {version}, newer than the control plane's {VERSION}: upgrade that first"
        )


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor version; a node of a newer patch release is welcome."""
    return tuple(int(part) if part.isdecimal() else 0 for part in (*version.split("."), "0")[:2])
