"""Nodes and what lets them in: join tokens, certificates, shutting out, and the keys of their copies."""

from datetime import timedelta
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.openapi import many, one
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.store import admittance, fleet_keys
from gatefleet.store.tables import gateway_group

GROUP: Final = "/api/gateway_groups/{gateway_group_id}"
LONGEST_ANNOUNCED: Final = 7 * 24 * 3600
LONGEST_OVERLAP: Final = 3650


class Rotation(msgspec.Struct):
    """How keys are exchanged: told to nodes first, then used, then the ones before end."""

    announced_seconds: int = int(fleet_keys.ANNOUNCED.total_seconds())
    overlap_days: int = fleet_keys.OVERLAP.days

    def checked(self) -> tuple[timedelta, timedelta]:
        """Both as they are counted with; Invalid for what cannot be."""
        if not 0 <= self.announced_seconds <= LONGEST_ANNOUNCED:
            raise Invalid(f'Error at "/announced_seconds": number must be from 0 to {LONGEST_ANNOUNCED}')
        if not 0 <= self.overlap_days <= LONGEST_OVERLAP:
            raise Invalid(f'Error at "/overlap_days": number must be from 0 to {LONGEST_OVERLAP}')
        return timedelta(seconds=self.announced_seconds), timedelta(days=self.overlap_days)


def router() -> APIRouter:
    api = APIRouter(tags=["nodes"])
    node, certificates, tokens = (
        f"{GROUP}/instances/{{id}}",
        f"{GROUP}/dp_client_certificates",
        f"{GROUP}/instance_tokens",
    )
    keys = f"{GROUP}/snapshot_keys"
    add(api, "POST", f"{node}/revoke", _revoke_instance, system("RevokeInstance"), answers=one())
    add(api, "DELETE", node, _delete_instance, system("DeleteInstance"), answers=one())
    add(api, "GET", certificates, _certificates, group("ListClientCertificates"), answers=many(paged=False))
    add(api, "DELETE", f"{certificates}/{{id}}", _revoke_certificate, system("RevokeClientCertificate"))
    add(api, "GET", tokens, _tokens, group("ListInstanceTokens"), answers=many(paged=False))
    add(api, "DELETE", f"{tokens}/{{id}}", _withdraw, system("DeleteInstanceToken"))
    add(api, "GET", keys, _keys, group("ListSnapshotKeys"), answers=many(paged=False))
    add(api, "POST", keys, _rotate, system("RotateSnapshotKeys"), body=Rotation, answers=one())
    return api


async def _revoke_instance(request: Request) -> Response:
    """Revoke every certificate of a node: it is cut off within two seconds, and goes on serving what it has.

    `still_open` names what it joined with and could join with again.
    """
    group_id, node_id = _where(request)
    async with audit.transact(request) as connection:
        done = await admittance.shut_out(connection, group_id, node_id)
        told = {"revoked": done.revoked, "still_open": done.open}
        audit.note(request, "instances/revoke", node_id, {"revoked": list(done.revoked)}, answer=told)
    return value(told)


async def _delete_instance(request: Request) -> Response:
    """Take a node off the list, and revoke every certificate of it."""
    group_id, node_id = _where(request)
    async with audit.transact(request) as connection:
        done = await admittance.remove(connection, group_id, node_id)
        told = {"revoked": done.revoked, "still_open": done.open}
        audit.note(request, "instances", node_id, {"revoked": list(done.revoked)}, answer=told)
    return value(told)


async def _certificates(request: Request) -> Response:
    """The group's client certificates that have not expired; those without an instance were handed out as a file."""
    async with control(request).store.reading() as connection:
        await _existing(connection, request)
        found = await admittance.certificates(connection, request.path_params["gateway_group_id"])
    return listing([_certificate(each) for each in found])


async def _revoke_certificate(request: Request) -> Response:
    """Revoke one certificate."""
    group_id, serial = _where(request)
    async with audit.transact(request) as connection:
        await admittance.revoke(connection, group_id, serial)
        audit.note(request, "gateway_groups/dp_client_certificates", serial)
    return answer({"value": {}})


async def _tokens(request: Request) -> Response:
    """The group's join tokens, without their secrets."""
    async with control(request).store.reading() as connection:
        await _existing(connection, request)
        found = await admittance.tokens(connection, request.path_params["gateway_group_id"])
    return listing([_token(each) for each in found])


async def _withdraw(request: Request) -> Response:
    """Admit nobody with this token any more; nodes that joined with it stay."""
    group_id, token_id = _where(request)
    async with audit.transact(request) as connection:
        await admittance.withdraw(connection, group_id, token_id)
        audit.note(request, "gateway_groups/instance_token", token_id)
    return answer({"value": {}})


async def _keys(request: Request) -> Response:
    """The keys that the group's copies are signed and encrypted with, by their ids."""
    async with control(request).store.reading() as connection:
        await _existing(connection, request)
        found = await fleet_keys.states(connection, request.path_params["gateway_group_id"])
    return listing([_key(each) for each in found])


async def _rotate(request: Request) -> Response:
    """Have another key sign and encrypt the group's copies; nothing of both times replaces a key that leaked."""
    wanted = await read_shape(request, Rotation)
    announced, overlap = wanted.checked()
    group_id = request.path_params["gateway_group_id"]
    async with audit.transact(request) as connection:
        made = await fleet_keys.rotate(connection, control(request).store.cipher, group_id, announced, overlap)
        found = await fleet_keys.states(connection, group_id)
        told = {"key_id": made, "keys": [_key(each) for each in found]}
        audit.note(request, "gateway_groups/snapshot_keys", made, msgspec.to_builtins(wanted), answer=told)
    return value(told)


def _where(request: Request) -> tuple[str, str]:
    return request.path_params["gateway_group_id"], request.path_params["id"]


async def _existing(connection: AsyncConnection, request: Request) -> None:
    group_id = request.path_params["gateway_group_id"]
    if (await connection.execute(select(gateway_group.c.id).where(gateway_group.c.id == group_id))).first() is None:
        raise NotFound(f"gateway group [{group_id}] not found")


def _certificate(found: admittance.Certificate) -> dict[str, Any]:
    return {
        "id": found.serial,
        "instance_id": found.instance_id,
        "created_at": unix(found.created_at),
        "expiry": unix(found.expires_at),
        "joined_with": found.origin,
        **({"revoked_at": unix(found.revoked_at)} if found.revoked_at else {}),
    }


def _token(found: admittance.Token) -> dict[str, Any]:
    used = {"last_used_at": unix(found.last_used_at)} if found.last_used_at else {}
    return {"id": found.id, "created_at": unix(found.created_at), **used}


def _key(found: fleet_keys.KeyState) -> dict[str, Any]:
    return {
        "key_id": found.key_id,
        "signing": found.signing,
        "created_at": unix(found.created_at),
        "signs_at": unix(found.signs_at),
        **({"ends_at": unix(found.ends_at)} if found.ends_at else {}),
    }
