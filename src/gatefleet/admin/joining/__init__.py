"""Scripts that make a machine, a container or a cluster join a gateway group, ready to be copied."""

import re
from importlib.resources import files
from string import Template
from typing import Final
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response

from gatefleet import VERSION
from gatefleet.admin import audit
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import TEXT, exactly
from gatefleet.admin.system import dp_manager_addresses
from gatefleet.admin.web import control, read_shape, value
from gatefleet.errors import Invalid
from gatefleet.resources.diff import MASK
from gatefleet.store import fleet
from gatefleet.store.tables import gateway_group

KINDS: Final = ("process", "systemd", "docker", "compose", "helm")
ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.\-\[\]:]{1,255}")
"""What may stand in a script without quotes."""
TAG: Final = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
"""An image's tag (OCI Distribution Specification 1.1, "Pulling manifests")."""
DP_MANAGER_PORT: Final = 7943


class Wanted(msgspec.Struct):
    """The body: which script, and where nodes reach the DP Managers if not as the system settings say."""

    type: str
    dp_manager_address: list[str] = []


def router() -> APIRouter:
    api = APIRouter(tags=["gateway groups"])
    path = "/api/gateway_groups/{gateway_group_id}/instance_scripts"
    script = {"type": "object", "required": ["id", "type", "script"], "properties": {"script": TEXT}}
    shown = exactly({"type": "object", "required": ["value"], "properties": {"value": script}})
    add(api, "POST", path, _script, system("CreateInstanceToken"), body=Wanted, answers=shown)
    return api


async def _script(request: Request) -> Response:
    """A join token is made for it, and shown in it this once."""
    wanted, group_id = await read_shape(request, Wanted), request.path_params["gateway_group_id"]
    if wanted.type not in KINDS:
        raise Invalid(f'Error at "/type": value is not one of the allowed values {list(KINDS)}')
    async with audit.transact(request) as connection:
        addresses = wanted.dp_manager_address or await dp_manager_addresses(connection) or [_guess(request)]
        token_id, token = await fleet.mint_join_token(connection, control(request).store.cipher, group_id)
        found = await connection.execute(gateway_group.select().where(gateway_group.c.id == group_id))
        tag = found.one().image_tag or VERSION
        told = {"id": token_id, "type": wanted.type, "script": MASK}
        audit.note(request, "gateway_groups/instance_token", token_id, answer=told)
    script = render(wanted.type, addresses, token, group_id, tag)
    return value({"id": token_id, "type": wanted.type, "script": script})


def render(kind: str, addresses: list[str], token: str, group_id: str, tag: str) -> str:
    """The script of one of KINDS. Invalid for an address or a tag that is none."""
    for number, address in enumerate(addresses):
        if not ADDRESS.fullmatch(address):
            raise Invalid(f'Error at "/dp_manager_address/{number}": write https://host:{DP_MANAGER_PORT}')
    if not TAG.fullmatch(tag):
        raise Invalid(f"the gateway group's image_tag [{tag}] is none: letters, digits and ._-")
    name = f"gateway-{re.sub(r'[^a-z0-9-]', '', group_id.lower())[:20].strip('-')}"
    fields = {
        "dp_manager": ",".join(addresses),
        "escaped": "\\,".join(addresses),
        "token": token,
        "name": name,
        "tag": tag,
    }
    return Template((files(__name__) / f"{kind}.txt").read_text()).substitute(fields)


def _guess(request: Request) -> str:
    """The host this very request went to: right wherever one machine or one name leads to all of the control plane."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or "localhost"
    return f"https://{f'[{host}]' if ':' in host else host}:{DP_MANAGER_PORT}"
