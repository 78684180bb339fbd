"""Asks Open Policy Agent whether a request may pass, and hands back what its policy says if not.

The policy's input holds the request and nginx's variables of the connection, as APISIX sends them. An agent that cannot
be reached, or that says nothing of `allow`, refuses.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from gatefleet.errors import Invalid
from gatefleet.filters import HeaderName, lua, lua_source, place_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)


class Opa(Conf):
    """Whom to ask for which policy."""

    host: str = Field(pattern=r"^https?://[^\s/?#]+$", max_length=4096, description="The agent's address.")
    policy: str = Field(
        min_length=1, pattern=r"^[^\s?#]*$", max_length=1024, description="Path of the policy: `a/b` is package a.b."
    )
    ssl_verify: bool = Field(default=True, description="Check its certificate.")
    timeout: int = Field(default=3000, ge=1, le=60000, description="Milliseconds to wait for it.")
    keepalive: bool = Field(default=True, description="Accepted: connections are always kept for the next request.")
    keepalive_timeout: int = Field(default=60000, ge=1000, description="Accepted, without effect.")
    keepalive_pool: int = Field(default=5, ge=1, description="Accepted, without effect.")
    with_route: bool = Field(default=False, description="Send the route as it is stored, secrets as stars.")
    with_service: bool = Field(default=False, description="Send the service as it is stored, secrets as stars.")
    with_consumer: bool = Field(
        default=False, description="Send the consumer: its name, labels and the credential's id, nothing else."
    )
    with_body: bool = Field(default=False, description="Send the request's body too, as text.")
    send_headers_upstream: Annotated[tuple[HeaderName, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Headers of the policy's answer that the upstream is sent when the request may pass."
    )


def translate(conf: Opa, scope: Scope) -> Iterator[Effect]:
    if (conf.with_route or conf.with_service) and not scope.owner.startswith(("route:", "service:", "check")):
        raise Invalid("[opa] with_route and with_service work on routes and services only")
    wanted = {"route": conf.with_route, "service": conf.with_service}
    told = {name: body for name, body in scope.documents.items() if wanted[name]}
    context: dict[str, Any] = {
        **place_of(conf.host, "host", verify=conf.ssl_verify),
        "path": "/v1/data/" + conf.policy,
        "timeout": conf.timeout,
        "with_body": conf.with_body,
        "with_consumer": conf.with_consumer,
        "documents": "".join(f',"{name}":{_json(body)}' for name, body in sorted(told.items())),
        "upstream": {name: name.lower() for name in conf.send_headers_upstream or ()},
    }
    yield from lua("opa", SOURCE, context, ("native", "labels", "ask"))


def _json(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


PLUGIN = Plugin(
    name="opa",
    priority=2001,
    phase=Phase.ACCESS,
    conf=Opa,
    translate=translate,
    summary="Asks Open Policy Agent whether a request may pass.",
    category="authentication",
    examples={"A policy that says allow or not": {"host": "http://opa.example:8181", "policy": "gateway/allow"}},
    protects=True,
    tells_documents=True,
)
