"""What openid-connect's configuration holds: APISIX's fields, and why some of their values are refused."""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import jsonschema_rs
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, SecretStr, field_validator, model_validator

from gatefleet.filters import HeaderName, Strings
from gatefleet.plugin import Conf

ClientAuthentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt"]
Place = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=4096)]
Claim = Annotated[str, Field(min_length=1, max_length=256)]
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class Cookie(Conf):
    lifetime: int = Field(
        default=3600, ge=1, description="Seconds a session lasts without a request; it is renewed by use."
    )


class Session(Conf):
    """Sessions live in the browser's cookies, sealed."""

    secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What cookies are sealed with; without it a key that all nodes of the gateway group have.",
    )
    cookie: Cookie = Field(default=Cookie(), description="`lifetime`, 3600 seconds.")
    storage: Literal["cookie", "redis"] = Field(
        default="cookie", description="Sessions in Redis are not supported: `redis` is refused."
    )

    @field_validator("storage")
    @classmethod
    def in_cookies(cls, value: str) -> str:
        if value != "cookie":
            raise ValueError("[redis] is not supported: sessions are kept in sealed cookies, which every node can read")
        return value


class SessionContents(Conf):
    """What of a sign-in is kept; everything where none of these is said."""

    access_token: bool = False
    id_token: bool = False
    enc_id_token: bool = False
    user: bool = False


class IssuerRule(Conf):
    valid_issuers: Annotated[Strings, Field(min_length=1)] | None = None


class AudienceRule(Conf):
    claim: Claim = "aud"
    required: bool = False
    match_with_client_id: bool = False


class ClaimValidator(Conf):
    """Which issuers and audiences bearer tokens may have."""

    issuer: IssuerRule = IssuerRule()
    audience: AudienceRule = AudienceRule()


class OpenidConnect(Conf):
    """The provider, the gateway as its client, and what is done with tokens and sessions."""

    client_id: str = Field(min_length=1, max_length=1024, description="Who the gateway is to the provider.")
    client_secret: SecretStr = Field(description="What it proves that with.")
    discovery: Place = Field(description="Address of the provider's discovery document.")
    scope: str = Field(default="openid", min_length=1, max_length=2048, description="What is asked for at a sign-in.")
    required_scopes: Annotated[Strings, Field(min_length=1)] | None = Field(
        default=None, description="Scopes a bearer token must have, or the answer is 403."
    )
    realm: Annotated[str, Field(pattern=r"^[ !#-\[\]-~]*$", max_length=400)] = Field(
        default="apisix", description="The realm named in the WWW-Authenticate header of a 401."
    )
    bearer_only: bool = Field(default=False, description="Only requests with a bearer token pass; nobody is sent away.")
    logout_path: str = Field(
        default="/logout", pattern=r"^/[^\s?#]*$", max_length=1024, description="The path that ends the session."
    )
    post_logout_redirect_uri: str | None = Field(
        default=None, min_length=1, max_length=4096, description="Where the browser ends up after that."
    )
    redirect_uri: str | None = Field(
        default=None,
        pattern=r"^(https?://[^\s/?#]+)?/[^\s?#]*$",
        max_length=4096,
        description="Where the provider sends browsers back to: an address or a path of this host. Without it"
        " `/.apisix/redirect` below the path of the request.",
    )
    timeout: int = Field(default=3, ge=1, le=60, description="Seconds the provider gets for each answer.")
    ssl_verify: bool = Field(default=False, description="Check the provider's certificate.")
    introspection_endpoint: Place | None = Field(
        default=None, description="Where the provider is asked about bearer tokens; otherwise discovery says it."
    )
    introspection_endpoint_auth_method: ClientAuthentication = Field(
        default="client_secret_basic", description="How the gateway says there who it is."
    )
    introspection_interval: int = Field(
        default=0, ge=0, description="Seconds an answer is kept at most; 0 as long as the token's expiry says."
    )
    introspection_expiry_claim: Claim = Field(
        default="exp", description="The claim with that expiry: a time for `exp`, else seconds."
    )
    introspection_addon_headers: Annotated[tuple[HeaderName, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Headers of the request that go along with the question."
    )
    token_endpoint_auth_method: ClientAuthentication = Field(
        default="client_secret_basic", description="How the gateway says who it is when it exchanges a code."
    )
    public_key: str | None = Field(
        default=None, max_length=32768, description="The key, in PEM, that signs bearer tokens; nobody is asked then."
    )
    use_jwks: bool = Field(default=False, description="Verify bearer tokens with the keys the provider publishes.")
    use_pkce: bool = Field(default=False, description="Prove with the code that it was us who asked (RFC 7636).")
    use_nonce: bool = Field(default=False, description="ID tokens have to repeat a nonce.")
    token_signing_alg_values_expected: str | None = Field(
        default=None, min_length=1, max_length=32, description="The only algorithm that ID and bearer tokens may have."
    )
    set_access_token_header: bool = Field(default=True, description="Send the access token on as `X-Access-Token`.")
    access_token_in_authorization_header: bool = Field(
        default=False, description="Send it as `Authorization: Bearer …` instead."
    )
    set_id_token_header: bool = Field(
        default=True, description="Send the ID token's claims as `X-ID-Token`, JSON in base64."
    )
    set_userinfo_header: bool = Field(
        default=True, description="Send what is known of the user as `X-Userinfo`, JSON in base64."
    )
    set_refresh_token_header: bool = Field(default=False, description="Send the refresh token as `X-Refresh-Token`.")
    session: Session = Field(default=Session(), description="`secret`, `cookie.lifetime`; `storage: redis` is refused.")
    session_contents: SessionContents | None = Field(
        default=None, description="What a session keeps: `access_token`, `id_token`, `enc_id_token`, `user`."
    )
    unauth_action: Literal["auth", "deny", "pass"] = Field(
        default="auth", description="Strangers are sent to the provider, refused with 401, or let past."
    )
    authorization_params: dict[str, str | float | bool] | None = Field(
        default=None, description="More parameters for the provider's sign-in page."
    )
    renew_access_token_on_expiry: bool = Field(default=True, description="Exchange the refresh token when it is time.")
    access_token_expires_in: int = Field(
        default=3600, ge=1, description="Seconds an access token lives where the provider does not say."
    )
    access_token_expires_leeway: int = Field(default=0, ge=0, description="Seconds before that it is renewed.")
    refresh_session_interval: int | None = Field(
        default=None, ge=1, description="Seconds after which the user is signed in again, without being asked."
    )
    iat_slack: int = Field(default=120, ge=0, description="Seconds that the provider's clock may differ from ours.")
    accept_none_alg: bool = Field(
        default=False, description="Take ID tokens without a signature. Bearer tokens always need one."
    )
    accept_unsupported_alg: bool = Field(
        default=True, description="Accepted, without effect: tokens in algorithms that are not known never count."
    )
    force_reauthorize: bool = Field(
        default=False, description="Not supported: every request would be sent away for ever; `true` is refused."
    )
    revoke_tokens_on_logout: bool = Field(default=False, description="Tell the provider at sign-out (RFC 7009).")
    jwk_expires_in: int = Field(default=86400, ge=1, description="Seconds the provider's keys are kept.")
    jwt_verification_cache_ignore: bool = Field(
        default=False, description="Verify the signature of a bearer token each time it comes."
    )
    cache_segment: str | None = Field(
        default=None, description="Accepted, without effect: what is kept belongs to one configuration always."
    )
    client_rsa_private_key: SecretStr | None = Field(
        default=None, description="The key, in PEM, for `private_key_jwt`."
    )
    client_rsa_private_key_id: str | None = Field(default=None, description="Its id, sent along.")
    client_jwt_assertion_expires_in: int = Field(
        default=60, ge=1, description="Seconds that what is signed with it counts."
    )
    claim_validator: ClaimValidator = Field(
        default=ClaimValidator(),
        description="For bearer tokens: `issuer.valid_issuers` (without them the provider's own), and of"
        " `audience` the `claim`, whether it is `required` and has to `match_with_client_id`.",
    )
    claim_schema: dict[str, Any] | None = Field(
        default=None, description="JSON schema for what is known of a session's `user`, `id_token` and `access_token`."
    )
    proxy_opts: dict[str, Any] | None = Field(
        default=None, description="Proxies to the provider are not supported: refused."
    )

    @field_validator("proxy_opts")
    @classmethod
    def no_proxy(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value:
            raise ValueError("is not supported: nodes ask the provider directly")
        return value

    @field_validator("force_reauthorize")
    @classmethod
    def not_for_ever(cls, value: bool) -> bool:  # noqa: FBT001 - the field's value
        if value:
            raise ValueError("is not supported: every request would be sent to the provider, for ever")
        return value

    @field_validator("public_key")
    @classmethod
    def readable(cls, value: str | None) -> str | None:
        if value is not None:
            algorithms_of(value)
        return value

    @field_validator("claim_schema")
    @classmethod
    def is_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            try:
                jsonschema_rs.meta.validate(value)
            except (jsonschema_rs.ValidationError, ValueError) as error:
                raise ValueError(f"is no JSON schema: {error}") from error
        return value

    @model_validator(mode="after")
    def keys_that_are_needed(self) -> Self:
        methods = {self.token_endpoint_auth_method, self.introspection_endpoint_auth_method}
        if "private_key_jwt" in methods and self.client_rsa_private_key is None:
            raise ValueError("client_rsa_private_key is required for private_key_jwt")
        return self

    @property
    def verifies(self) -> bool:
        """Bearer tokens are looked at."""
        return bool(self.bearer_only or self.introspection_endpoint or self.public_key or self.use_jwks)

    @property
    def redirect_path(self) -> str | None:
        return urlsplit(self.redirect_uri).path if self.redirect_uri else None


def algorithms_of(pem: str) -> tuple[str, ...]:
    """What tokens can be signed with under a public key. Raises ValueError for what is none."""
    try:
        key = load_pem_public_key(pem.encode())
    except Exception as error:
        raise ValueError("is not a public key in PEM") from error
    match key:
        case rsa.RSAPublicKey():
            return RSA_ALGORITHMS
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            return (CURVES[key.curve.name],)
        case ed25519.Ed25519PublicKey():
            return ("EdDSA",)
        case _:
            raise ValueError("is a key of a kind that no token is signed with")
