"""Lets so many requests be under way at once, per key: some more wait, and what is over is refused.

Counted exactly across all workers of a node, per node; or in Redis, for all nodes. A request gives its place back
however it ends, also when the client goes away. A refusal without `rejected_msg` has an empty body.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gatefleet.counting import Limiting, counting_key
from gatefleet.filters import native, refused_body
from gatefleet.native.config import limit_conn_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope


class Places(Conf):
    """`conn` requests at once for each value of the key."""

    conn: int = Field(gt=0, lt=2**31, description="Requests that may be under way without waiting.")
    burst: int = Field(ge=0, lt=2**31, description="Requests beyond it that are let in late; more are refused.")
    default_conn_delay: float = Field(
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds the requests beyond `conn` wait at first: once for each `conn` requests before them.",
    )
    only_use_default_delay: bool = Field(
        default=False, description="Always wait so long, instead of following how long requests take."
    )
    key_type: Literal["var", "var_combination"] = Field(
        default="var", description="What `key` is: a variable's name, or a text with `$variables`."
    )
    key: str = Field(
        min_length=1, description="What requests are counted by; where it is empty, by the client's address."
    )
    key_ttl: int = Field(
        default=3600,
        ge=1,
        lt=2**31,
        description="Seconds after which a place in Redis is free again that was not given back, as when a node died.",
    )


class LimitConn(Limiting, Places):
    """`conn` requests at once for each value of the key."""


def translate(conf: LimitConn, scope: Scope) -> Iterator[Effect]:
    key, key_type = counting_key(conf.key, conf.key_type, scope)
    message = None if conf.rejected_msg is None else {"error_msg": conf.rejected_msg}
    yield native(
        "limit-conn",
        limit_conn_config(
            owner=json.dumps([scope.owner, conf.key_type, conf.key], separators=(",", ":")),
            conn=conf.conn,
            burst=conf.burst,
            delay=conf.default_conn_delay,
            only_use_default_delay=conf.only_use_default_delay,
            key=key,
            key_type=key_type,
            rejected_code=conf.rejected_code,
            rejected_body=refused_body(conf, message),
            allow_degradation=conf.allow_degradation,
            lease=conf.key_ttl,
            only_where=scope.only_where,
            redis=conf.redis,
        ),
    )


PLUGIN = Plugin(
    name="limit-conn",
    priority=1003,
    phase=Phase.ACCESS,
    conf=LimitConn,
    translate=translate,
    summary="Limits the number of requests that are under way at once.",
    category="traffic",
    examples={
        "Ten at once for each client": {
            "conn": 10,
            "burst": 0,
            "default_conn_delay": 0.1,
            "key": "remote_addr",
            "rejected_code": 429,
        }
    },
    protects=True,
)
