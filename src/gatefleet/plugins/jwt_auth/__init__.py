"""Lets only consumers in that sign a JSON Web Token with a key of theirs, sent in a header, an argument or a cookie.

The token's algorithm has to be the credential's. Signatures are OpenSSL's: a node needs libcrypto, and answers 500
without it.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gatefleet.filters import HeaderName, lua, lua_source, refusal, refused_body
from gatefleet.native.records import SECRET_MAX, secret_entry
from gatefleet.plugin import Authenticates, Conf, Effect, Phase, Plugin, Scope, Who
from gatefleet.references import is_token, unbase64

SOURCE = lua_source(__name__)
LIBRARIES = ("native", "auth", "jwt")
PEM = "-----BEGIN PUBLIC KEY-----"
Symmetric = Literal["HS256", "HS384", "HS512"]
Asymmetric = Literal["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]
Algorithm = Symmetric | Asymmetric
Claim = Literal["exp", "nbf"]


class JwtAuth(Conf):
    """What a route, service or global rule says."""

    header: HeaderName = Field(default="authorization", description="The request header that carries the token.")
    query: str = Field(
        default="jwt", min_length=1, description="The query argument that carries it where the header is absent."
    )
    cookie: str = Field(
        default="jwt", min_length=1, description="The cookie that carries it where the argument is absent too."
    )
    hide_credentials: bool = Field(default=False, description="Do not pass the token on to the upstream.")
    key_claim_name: str = Field(
        default="key", min_length=1, description="The claim that says which credential the token belongs to."
    )
    anonymous_consumer: str | None = Field(
        default=None,
        min_length=1,
        description="The consumer that requests without a valid token count as; without it they get 401.",
    )
    claims_to_verify: Annotated[tuple[Claim, ...], Field(strict=False)] = Field(
        default=("exp", "nbf"), description="Claims that have to hold where a token has them."
    )
    realm: Annotated[str, Field(pattern=r"^[ !#-~]*$", max_length=400)] = Field(
        default="jwt", description="The realm named in the WWW-Authenticate header of a 401."
    )
    store_in_ctx: bool = Field(
        default=False,
        description="Not supported: there is no code of users' own to hand claims to; `true` is refused.",
    )

    @field_validator("store_in_ctx")
    @classmethod
    def no_context(cls, value: bool) -> bool:  # noqa: FBT001 - the field's value
        if value:
            raise ValueError("is not supported: there is no code of users' own to hand the claims to")
        return value


class JwtCredential(Conf):
    """What a consumer's credential holds; `exp` is for those who make tokens."""

    key: str = Field(
        min_length=1, max_length=4096, description="Says in tokens whose they are; no two consumers share one."
    )
    secret: SecretStr | None = Field(
        default=None, min_length=1, max_length=8192, description="What tokens are signed with, for HS algorithms."
    )
    public_key: str | None = Field(
        default=None, min_length=1, max_length=32768, description="The public key in PEM, for all other algorithms."
    )
    algorithm: Algorithm = Field(default="HS256", description="How tokens are signed.")
    exp: int = Field(default=86400, ge=1, description="Seconds tokens are meant to live; the token itself says it.")
    base64_secret: bool = Field(default=False, description="`secret` is given in base64.")
    lifetime_grace_period: int = Field(
        default=0, ge=0, le=2**31, description="Seconds that the clocks of those who sign may be wrong by."
    )

    @model_validator(mode="after")
    def key_of_the_algorithm(self) -> Self:
        if len(self.key.encode()) > SECRET_MAX:
            raise ValueError(f"key must have at most {SECRET_MAX} bytes")
        if self.algorithm.startswith("HS"):
            if self.secret is None:
                raise ValueError(f"secret is required for {self.algorithm}")
        elif self.public_key is None or not (is_token(self.public_key) or PEM in self.public_key):
            raise ValueError(f"public_key, in PEM, is required for {self.algorithm}")
        self.signed_with()
        return self

    def signed_with(self) -> bytes:
        """The bytes signatures are checked with; raises ValueError for a secret that is not base64 as said."""
        if not self.algorithm.startswith("HS"):
            return (self.public_key or "").encode()
        secret = self.secret.get_secret_value() if self.secret else ""
        if self.base64_secret and is_token(secret):
            return unbase64(secret)
        try:
            return base64.b64decode(secret, validate=True) if self.base64_secret else secret.encode()
        except binascii.Error as error:
            raise ValueError("secret is not base64") from error


def translate(conf: JwtAuth, scope: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        "header": conf.header.lower(),
        "query": conf.query,
        "cookie": conf.cookie,
        "hide": conf.hide_credentials,
        "claim": conf.key_claim_name,
        "anonymous": conf.anonymous_consumer or "",
        "verify": dict.fromkeys(conf.claims_to_verify, True),
        "challenge": f'Bearer realm="{conf.realm}"',
        "soft": scope.one_of_several,
    }
    if refused_body(conf, None) is not None:
        context["body"] = refusal(conf, None)
    yield from lua("jwt-auth", SOURCE, context, LIBRARIES)


def entries(credential: JwtCredential, who: Who) -> Iterable[tuple[bytes, bytes]]:
    more = f"{credential.algorithm} {credential.lifetime_grace_period}"
    secret = credential.signed_with()
    return (secret_entry(b"j", credential.key, secret, more, who.consumer, who.credential_id, who.custom_id),)


def unique(credential: JwtCredential) -> str:
    return credential.key


PLUGIN = Plugin(
    name="jwt-auth",
    priority=2510,
    phase=Phase.REWRITE,
    conf=JwtAuth,
    translate=translate,
    summary="Authenticates consumers by JSON Web Tokens they sign.",
    category="authentication",
    examples={
        "Tokens in the Authorization header": {},
        "Tokens that must not have expired, in a cookie": {"cookie": "session", "claims_to_verify": ["exp"]},
    },
    auth=Authenticates(credential=JwtCredential, entries=entries, unique=unique),
    protects=True,
)
