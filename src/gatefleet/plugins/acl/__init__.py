"""Lets consumers in, or keeps them out, by their labels.

A label may hold one value, several separated by commas, or several as a JSON array. `deny_labels` are asked first.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gatefleet.filters import Strings, lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Labels = Annotated[dict[str, Annotated[Strings, Field(min_length=1)]], Field(min_length=1)]
EXTERNAL = "Describes users that other systems authenticate. No plugin does that yet: only the default is accepted."


class Acl(Conf):
    """At least one of `allow_labels` and `deny_labels`."""

    allow_labels: Labels | None = Field(
        default=None, description="Labels and values one of which a consumer needs to pass."
    )
    deny_labels: Labels | None = Field(default=None, description="Labels and values none of which may be its.")
    rejected_code: int = Field(default=403, ge=200, le=599, description="The status of the refusal.")
    rejected_msg: str = Field(default="The consumer is forbidden.", description="The message of the refusal.")
    external_user_label_field: Literal["groups"] = Field(default="groups", description=EXTERNAL)
    external_user_label_field_key: str | None = Field(default=None, description=EXTERNAL)
    external_user_label_field_parser: str | None = Field(default=None, description=EXTERNAL)
    external_user_label_field_separator: str | None = Field(default=None, description=EXTERNAL)

    @field_validator(
        "external_user_label_field_key", "external_user_label_field_parser", "external_user_label_field_separator"
    )
    @classmethod
    def no_external_users(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("cannot be carried: no plugin here authenticates users elsewhere yet")
        return value

    @model_validator(mode="after")
    def some_labels(self) -> Self:
        if self.allow_labels is None and self.deny_labels is None:
            raise ValueError("allow_labels or deny_labels is required")
        return self


def translate(conf: Acl, _: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        "status": str(conf.rejected_code),
        "body": refusal(conf, {"message": conf.rejected_msg}),
        "missing": refusal(conf, {"message": "Missing authentication."}),
    }
    for name, labels in (("allow", conf.allow_labels), ("deny", conf.deny_labels)):
        if labels is not None:
            context[name] = {label: dict.fromkeys(values, True) for label, values in labels.items()}
    yield from lua("acl", SOURCE, context, ("native", "labels"))


PLUGIN = Plugin(
    name="acl",
    priority=2410,
    phase=Phase.ACCESS,
    conf=Acl,
    translate=translate,
    summary="Allows or refuses consumers by their labels.",
    category="security",
    examples={"Only two teams": {"allow_labels": {"team": ["platform", "billing"]}, "rejected_code": 403}},
    protects=True,
)
