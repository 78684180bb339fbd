"""Lets a number of requests pass per fixed window and key, counted exactly across all workers of a node.

Counters are kept per node, in shared memory, or in Redis, for all nodes. They live on through changes of the
configuration as long as the key, the count and the window stay the same. A refusal without `rejected_msg` has an empty
body.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator

from gatefleet.counting import Limiting, counting_key
from gatefleet.filters import HeaderName, native, refused_body
from gatefleet.native.config import limit_count_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope


class LimitCountMetadata(Conf):
    """The names of the headers, for all uses of the plugin in the gateway group."""

    limit_header: HeaderName = Field(default="X-RateLimit-Limit", description="Tells the quota.")
    remaining_header: HeaderName = Field(default="X-RateLimit-Remaining", description="Tells what is left of it.")
    reset_header: HeaderName = Field(
        default="X-RateLimit-Reset", description="Tells the seconds until it is full again."
    )


class Quota(Conf):
    """`count` requests per `time_window` seconds for each value of the key."""

    count: int = Field(gt=0, lt=10**15, description="Requests that may pass in one window.")
    time_window: int = Field(gt=0, lt=2**32, description="Length of the window in seconds.")
    key_type: Literal["var", "var_combination", "constant"] = Field(
        default="var",
        description="What `key` is: a variable's name, a text with `$variables`, or one constant for all requests.",
    )
    key: str = Field(
        default="remote_addr", description="What requests are counted by; where it is empty, by the client's address."
    )
    group: str | None = Field(
        default=None, min_length=1, description="Uses that name the same group, count and window share their counters."
    )
    show_limit_quota_header: bool = Field(
        default=True, description="Tell quota, remainder and reset in response headers."
    )
    window_type: Literal["fixed", "sliding"] = Field(
        default="fixed", description="`sliding` is not supported: refused."
    )
    sync_interval: float = Field(
        default=-1, description="Redis is asked at every request; an interval is not supported: refused."
    )
    rules: list[dict[str, Any]] | None = Field(default=None, description="Not supported yet: refused.")

    @field_validator("rules")
    @classmethod
    def one_rule_only(cls, value: list[dict[str, Any]] | None) -> None:
        if value is not None:
            raise ValueError("rules is not supported yet; set count, time_window and key")

    @field_validator("window_type")
    @classmethod
    def windows_stand_still(cls, value: str) -> str:
        if value != "fixed":
            raise ValueError("window_type sliding is not supported; leave it out")
        return value

    @field_validator("sync_interval")
    @classmethod
    def counted_at_once(cls, value: float) -> float:
        if value != -1:
            raise ValueError("sync_interval is not supported: Redis is asked at every request; leave it out")
        return value


class LimitCount(Limiting, Quota):
    """`count` requests per `time_window` seconds for each value of the key."""


def translate(conf: LimitCount, scope: Scope) -> Iterator[Effect]:
    names = LimitCountMetadata.model_validate(dict(scope.metadata))
    key, key_type = counting_key(conf.key, conf.key_type, scope)
    yield native(
        "limit-count",
        limit_count_config(
            owner=_owner(conf, scope),
            count=conf.count,
            time_window=conf.time_window,
            key=key,
            key_type=key_type,
            rejected_code=conf.rejected_code,
            rejected_msg=conf.rejected_msg,
            show_limit_quota_header=conf.show_limit_quota_header,
            allow_degradation=conf.allow_degradation,
            header_names=(names.limit_header.lower(), names.remaining_header.lower(), names.reset_header.lower()),
            error_response=refused_body(conf, None),
            only_where=scope.only_where,
            redis=conf.redis,
        ),
    )


def _owner(conf: LimitCount, scope: Scope) -> str:
    """Whose counters they are. The key's definition is part of it: a value of another variable is another counter."""
    whose = f"group:{conf.group}" if conf.group else scope.owner
    quota = [conf.count, conf.time_window] if conf.redis else []
    return json.dumps([whose, conf.key_type, conf.key, *quota], separators=(",", ":"))


PLUGIN = Plugin(
    name="limit-count",
    priority=1002,
    phase=Phase.ACCESS,
    conf=LimitCount,
    translate=translate,
    summary="Limits the number of requests per fixed time window.",
    category="traffic",
    examples={
        "100 an hour for each client": {"count": 100, "time_window": 3600, "key": "remote_addr", "rejected_code": 429},
        "1000 a day for each consumer": {
            "count": 1000,
            "time_window": 86400,
            "key_type": "var",
            "key": "consumer_name",
            "rejected_code": 429,
            "rejected_msg": "Come back tomorrow",
        },
        "Counted for all nodes, in Redis": {
            "count": 100,
            "time_window": 60,
            "key": "remote_addr",
            "rejected_code": 429,
            "policy": "redis",
            "redis_host": "redis.example",
            "redis_port": 6379,
        },
    },
    metadata=LimitCountMetadata,
    protects=True,
)
