"""Lets so many requests per second pass, evenly and per key: what comes too soon waits, or is refused.

Counted exactly across all workers of a node, per node; or in Redis, for all nodes. The requests that wait cost nothing
but their place in a list.
A refusal without `rejected_msg` has an empty body.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gatefleet.counting import Limiting, counting_key
from gatefleet.filters import native, refused_body
from gatefleet.native.config import limit_req_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope


class Rate(Conf):
    """`rate` requests per second for each value of the key."""

    rate: float = Field(
        ge=0.001, le=1e6, allow_inf_nan=False, description="Requests per second that pass without waiting."
    )
    burst: float = Field(
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        description="Requests beyond it that may wait; more are refused.",
    )
    key_type: Literal["var", "var_combination"] = Field(
        default="var", description="What `key` is: a variable's name, or a text with `$variables`."
    )
    key: str = Field(
        min_length=1, description="What requests are counted by; where it is empty, by the client's address."
    )
    nodelay: bool = Field(default=False, description="Let the requests of the burst pass at once.")


class LimitReq(Limiting, Rate):
    """`rate` requests per second for each value of the key."""


def translate(conf: LimitReq, scope: Scope) -> Iterator[Effect]:
    key, key_type = counting_key(conf.key, conf.key_type, scope)
    message = None if conf.rejected_msg is None else {"error_msg": conf.rejected_msg}
    yield native(
        "limit-req",
        limit_req_config(
            owner=json.dumps([scope.owner, conf.key_type, conf.key, conf.rate], separators=(",", ":")),
            rate=conf.rate,
            burst=conf.burst,
            key=key,
            key_type=key_type,
            rejected_code=conf.rejected_code,
            rejected_body=refused_body(conf, message),
            nodelay=conf.nodelay,
            allow_degradation=conf.allow_degradation,
            only_where=scope.only_where,
            redis=conf.redis,
        ),
    )


PLUGIN = Plugin(
    name="limit-req",
    priority=1001,
    phase=Phase.ACCESS,
    conf=LimitReq,
    translate=translate,
    summary="Limits the number of requests per second, evenly.",
    category="traffic",
    examples={
        "Ten a second for each client": {
            "rate": 10,
            "burst": 5,
            "key": "remote_addr",
            "rejected_code": 429,
            "nodelay": True,
        }
    },
    protects=True,
)
