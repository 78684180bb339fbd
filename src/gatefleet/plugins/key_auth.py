"""Lets only consumers with a known API key in; the key comes in a header, else in a query argument."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from gatefleet.errors import Invalid
from gatefleet.filters import HeaderName, native, refused_body
from gatefleet.native.config import key_auth_config
from gatefleet.native.records import SECRET_MAX, key_auth_entry
from gatefleet.plugin import Authenticates, Conf, Effect, Phase, Plugin, Scope, Who


class KeyAuth(Conf):
    """What a route, service or global rule says."""

    header: HeaderName = Field(default="apikey", description="The request header that carries the key.")
    query: str = Field(
        default="apikey", min_length=1, description="The query argument that carries it where the header is absent."
    )
    hide_credentials: bool = Field(default=False, description="Do not pass the key on to the upstream.")
    anonymous_consumer: str | None = Field(
        default=None,
        min_length=1,
        description="The consumer that requests without a valid key count as; without it they get 401.",
    )
    realm: Annotated[str, Field(pattern=r"^[ !#-~]*$", max_length=400)] = Field(
        default="key", description="The realm named in the WWW-Authenticate header of a 401."
    )
    bearer_token: bool = Field(default=False, description="Not supported yet: `true` is refused.")


class KeyCredential(Conf):
    """What a consumer's credential holds."""

    key: SecretStr = Field(min_length=1, max_length=4096, description="The key itself; no two consumers share one.")

    @field_validator("key")
    @classmethod
    def within_bytes(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) > SECRET_MAX:
            raise ValueError(f"must have at most {SECRET_MAX} bytes")
        return value


def translate(conf: KeyAuth, scope: Scope) -> Iterator[Effect]:
    if conf.bearer_token:
        raise Invalid("[bearer_token] is not supported yet; name the header that carries the bare key in [header]")
    yield native(
        "key-auth",
        key_auth_config(
            header=conf.header.lower(),
            query=conf.query,
            hide_credentials=conf.hide_credentials,
            anonymous_consumer=conf.anonymous_consumer,
            realm=conf.realm,
            error_response=refused_body(conf, None),
            soft=scope.one_of_several,
        ),
    )


def entries(credential: KeyCredential, who: Who) -> Iterable[tuple[bytes, bytes]]:
    return (key_auth_entry(credential.key.get_secret_value(), who.consumer, who.credential_id, who.custom_id),)


def unique(credential: KeyCredential) -> str:
    return credential.key.get_secret_value()


PLUGIN = Plugin(
    name="key-auth",
    priority=2500,
    phase=Phase.REWRITE,
    conf=KeyAuth,
    translate=translate,
    summary="Authenticates consumers by an API key in a header or a query argument.",
    category="authentication",
    examples={
        "The key in the header apikey": {},
        "In another header, kept from the upstream": {"header": "X-Api-Key", "hide_credentials": True},
    },
    auth=Authenticates(credential=KeyCredential, entries=entries, unique=unique),
    protects=True,
)
