"""Lets only consumers in that sign their requests with a secret of theirs (HTTP signatures with HMAC).

Digests are OpenSSL's: a node needs libcrypto, and answers 500 without it. Bodies of more than a megabyte cannot be
validated: 413. What is signed of the path is the path as Envoy passes it on, normalized.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from gatefleet.filters import lua, lua_source, refusal, refused_body
from gatefleet.native.records import SECRET_MAX, secret_entry
from gatefleet.plugin import Authenticates, Conf, Effect, Phase, Plugin, Scope, Who

SOURCE = lua_source(__name__)
LIBRARIES = ("native", "auth")
Names = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=50)], ...], Field(strict=False)]
Algorithm = Literal["hmac-sha1", "hmac-sha256", "hmac-sha512"]


class HmacAuth(Conf):
    """What a route, service or global rule says."""

    allowed_algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False, min_length=1)] = Field(
        default=("hmac-sha1", "hmac-sha256", "hmac-sha512"), description="Algorithms requests may be signed with."
    )
    clock_skew: int = Field(
        default=300, ge=1, description="Seconds that the request's Date may be away from the node's clock."
    )
    signed_headers: Names | None = Field(default=None, description="Headers that every signature has to cover.")
    validate_request_body: bool = Field(
        default=False, description="Compare the body with the Digest header, which every request has to have then."
    )
    hide_credentials: bool = Field(default=False, description="Do not pass the signature on to the upstream.")
    anonymous_consumer: str | None = Field(
        default=None,
        min_length=1,
        description="The consumer that requests without a valid signature count as; without it they get 401.",
    )
    realm: Annotated[str, Field(pattern=r"^[ !#-~]*$", max_length=400)] = Field(
        default="hmac", description="The realm named in the WWW-Authenticate header of a 401."
    )


class HmacCredential(Conf):
    """What a consumer's credential holds."""

    key_id: str = Field(
        min_length=1, max_length=256, description="Says whose signature it is; no two consumers share one."
    )
    secret_key: SecretStr = Field(min_length=1, max_length=256, description="What requests are signed with.")

    @field_validator("key_id", "secret_key")
    @classmethod
    def within_bytes(cls, value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if len(text.encode()) > SECRET_MAX:
            raise ValueError(f"must have at most {SECRET_MAX} bytes")
        return value


def translate(conf: HmacAuth, scope: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        "algorithms": dict.fromkeys(conf.allowed_algorithms, True),
        "skew": conf.clock_skew,
        "signed": [name.lower() for name in conf.signed_headers or ()],
        "body_digest": conf.validate_request_body,
        "hide": conf.hide_credentials,
        "anonymous": conf.anonymous_consumer or "",
        "challenge": f'hmac realm="{conf.realm}"',
        "soft": scope.one_of_several,
    }
    if refused_body(conf, None) is not None:
        context["body"] = refusal(conf, None)
    yield from lua("hmac-auth", SOURCE, context, LIBRARIES)


def entries(credential: HmacCredential, who: Who) -> Iterable[tuple[bytes, bytes]]:
    secret = credential.secret_key.get_secret_value().encode()
    return (secret_entry(b"h", credential.key_id, secret, "", who.consumer, who.credential_id, who.custom_id),)


def unique(credential: HmacCredential) -> str:
    return credential.key_id


PLUGIN = Plugin(
    name="hmac-auth",
    priority=2530,
    phase=Phase.REWRITE,
    conf=HmacAuth,
    translate=translate,
    summary="Authenticates consumers by the signatures of their requests.",
    category="authentication",
    examples={"Signatures that cover the body": {"validate_request_body": True, "signed_headers": ["Date"]}},
    auth=Authenticates(credential=HmacCredential, entries=entries, unique=unique),
    protects=True,
)
