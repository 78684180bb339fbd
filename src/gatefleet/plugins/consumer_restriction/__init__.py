"""Lets in, or keeps out, consumers by name, or authenticated requests by service or route.

It wants an authentication plugin beside it: without a consumer there is nothing to judge by, and the answer is 401.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gatefleet.errors import Invalid
from gatefleet.filters import Strings, lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Names = Annotated[Strings, Field(min_length=1)]
Method = Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"]


class AllowedMethods(Conf):
    """What one consumer may do; consumers that are not listed may do everything."""

    user: str | None = Field(default=None, description="The consumer's name.")
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="The methods it may use."
    )


class ConsumerRestriction(Conf):
    """At least one of `blacklist`, `whitelist` and `allowed_by_methods`, asked in this order."""

    type: Literal["consumer_name", "consumer_group_id", "service_id", "route_id"] = Field(
        default="consumer_name",
        description="What the lists hold. `consumer_group_id` is refused: there are no consumer groups.",
    )
    blacklist: Names | None = Field(default=None, description="These may not pass.")
    whitelist: Names | None = Field(default=None, description="Only these may pass, whatever their method.")
    allowed_by_methods: Annotated[tuple[AllowedMethods, ...], Field(strict=False)] | None = Field(
        default=None, description="Which methods some consumers may use."
    )
    rejected_code: int = Field(default=403, ge=200, le=599, description="The status of the refusal.")
    rejected_msg: str | None = Field(default=None, description="The message of the refusal.")

    @field_validator("type")
    @classmethod
    def no_groups(cls, value: str) -> str:
        if value == "consumer_group_id":
            raise ValueError("consumer_group_id cannot be carried: there are no consumer groups")
        return value

    @model_validator(mode="after")
    def some_list(self) -> Self:
        if self.blacklist is None and self.whitelist is None and self.allowed_by_methods is None:
            raise ValueError("blacklist, whitelist or allowed_by_methods is required")
        return self


def translate(conf: ConsumerRestriction, scope: Scope) -> Iterator[Effect]:
    if scope.owner == "global" and conf.type != "consumer_name":
        raise Invalid(f"[type] {conf.type} does not work in a global rule: it knows neither service nor route")
    message = conf.rejected_msg or f"The {conf.type} is forbidden."
    missing = f"The request is rejected, please check the {conf.type} for this request"
    context: dict[str, Any] = {
        "value": {"service_id": scope.service_id, "route_id": scope.route_id}.get(conf.type, ""),
        "by_name": conf.type == "consumer_name",
        "denied": dict.fromkeys(conf.blacklist or (), True),
        "status": str(conf.rejected_code),
        "body": refusal(conf, {"message": message}),
        "missing": refusal(conf, {"message": missing}),
    }
    if conf.whitelist is not None:
        context["allowed"] = dict.fromkeys(conf.whitelist, True)
    methods: dict[str, dict[str, bool]] = {}
    for one in conf.allowed_by_methods or ():
        if one.user is not None:
            methods.setdefault(one.user, dict.fromkeys(one.methods or (), True))
    yield from lua("consumer-restriction", SOURCE, {**context, "methods": methods})


PLUGIN = Plugin(
    name="consumer-restriction",
    priority=2400,
    phase=Phase.ACCESS,
    conf=ConsumerRestriction,
    translate=translate,
    summary="Allows or refuses requests by consumer, service or route.",
    category="security",
    examples={
        "Only these consumers": {"whitelist": ["jack", "jill"]},
        "Others may only read": {"allowed_by_methods": [{"user": "jack", "methods": ["GET"]}]},
    },
    protects=True,
)
