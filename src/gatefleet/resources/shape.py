"""What every shape of the Admin API shares: unknown keys are kept, wrong types are refused, null means absent."""

from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

ID_PATTERN: Final = r"^[a-zA-Z0-9\-_.]+$"
HOST_PATTERN: Final = r"^\*?[0-9a-zA-Z\-._]+$"
NODE_HOST_PATTERN: Final = r"^[0-9a-zA-Z\-._:\[\]]+$"

Id = Annotated[str, Field(pattern=ID_PATTERN, min_length=1, max_length=256)]
Name = Annotated[str, Field(min_length=1, max_length=65536)]
Text = Annotated[str, Field(max_length=65536)]
Labels = dict[str, str]
PluginConfs = dict[str, dict[str, Any]]
ServiceType = Literal["http", "stream"]


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("value must be an IPv4 or IPv6 address or a CIDR range") from None
    return text


Network = Annotated[str, AfterValidator(_network)]
"""An address or a CIDR range, whose host bits do not matter."""

OPAQUE: Final[JsonDict] = {"x-opaque": True}
"""Marks an object whose defaults are neither stored nor declared: the compiler alone applies them."""
STORED: Final[JsonDict] = {"x-default": "stored"}
"""Marks a default that is stored but not declared in /api/schema/core, because clients do not send the field."""
HIDDEN: Final[JsonDict] = {"x-default": "hidden"}
"""Marks a default that is neither stored nor declared."""


class Shape(BaseModel):
    """A resource or a part of one, as the Admin API takes it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True, strict=True, hide_input_in_errors=True)
    service_type: ClassVar[ServiceType | None] = None
    """For services and what stands below them: of which type the service is."""

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = cast("dict[str, Any]", data)
        return {key: value for key, value in fields.items() if value is not None}
