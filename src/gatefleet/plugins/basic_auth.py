"""Lets only consumers with a known username and password in, sent as HTTP basic authentication."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from gatefleet.filters import native, refused_body
from gatefleet.native.config import basic_auth_config
from gatefleet.native.records import SECRET_MAX, basic_auth_entry
from gatefleet.plugin import Authenticates, Conf, Effect, Phase, Plugin, Scope, Who


class BasicAuth(Conf):
    """What a route, service or global rule says."""

    hide_credentials: bool = Field(
        default=False, description="Do not pass the Authorization header on to the upstream."
    )
    anonymous_consumer: str | None = Field(
        default=None,
        min_length=1,
        description="The consumer that requests without valid credentials count as; without it they get 401.",
    )
    realm: Annotated[str, Field(pattern=r"^[ -&(-~]*$", max_length=400)] = Field(
        default="basic", description="The realm named in the WWW-Authenticate header of a 401."
    )


class BasicCredential(Conf):
    """What a consumer's credential holds."""

    username: str = Field(
        min_length=1, max_length=4096, pattern=r"^[^:]*$", description="No two consumers share a username."
    )
    password: SecretStr = Field(max_length=4096, description="The password, as the client sends it.")

    @field_validator("username", "password")
    @classmethod
    def within_bytes(cls, value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if len(text.encode()) > SECRET_MAX:
            raise ValueError(f"must have at most {SECRET_MAX} bytes")
        return value


def translate(conf: BasicAuth, scope: Scope) -> Iterator[Effect]:
    yield native(
        "basic-auth",
        basic_auth_config(
            hide_credentials=conf.hide_credentials,
            anonymous_consumer=conf.anonymous_consumer,
            realm=conf.realm,
            error_response=refused_body(conf, None),
            soft=scope.one_of_several,
        ),
    )


def entries(credential: BasicCredential, who: Who) -> Iterable[tuple[bytes, bytes]]:
    password = credential.password.get_secret_value()
    return (basic_auth_entry(credential.username, password, who.consumer, who.credential_id, who.custom_id),)


def unique(credential: BasicCredential) -> str:
    return credential.username


PLUGIN = Plugin(
    name="basic-auth",
    priority=2520,
    phase=Phase.REWRITE,
    conf=BasicAuth,
    translate=translate,
    summary="Authenticates consumers by username and password.",
    category="authentication",
    examples={"Ask for name and password": {}, "And keep them from the upstream": {"hide_credentials": True}},
    auth=Authenticates(credential=BasicCredential, entries=entries, unique=unique),
    protects=True,
)
