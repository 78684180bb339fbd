"""Lets Keycloak's authorization services decide whether the bearer of a token may do what a request asks for.

Keycloak is asked for every request, with the client's own token. Without a decision the answer is 503.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gatefleet.filters import Strings, lua, lua_source, place_of, refusal, refused_body
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Place = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^https?://[^\s/?#]+[^\s#]*$")]
Grant = Literal["urn:ietf:params:oauth:grant-type:uma-ticket"]


class AuthzKeycloak(Conf):
    """Which Keycloak is asked, as which client, and for which permissions."""

    discovery: Place | None = Field(default=None, description="Address of the realm's discovery document.")
    token_endpoint: Place | None = Field(default=None, description="The token endpoint, over what discovery says.")
    resource_registration_endpoint: Place | None = Field(
        default=None, description="The resource registration endpoint, over what discovery says."
    )
    client_id: str = Field(min_length=1, max_length=100, description="The client whose resources are protected.")
    client_secret: SecretStr | None = Field(
        default=None, min_length=1, max_length=4096, description="Its secret, to look up resources and get tokens."
    )
    grant_type: Grant = Field(
        default="urn:ietf:params:oauth:grant-type:uma-ticket", description="How permissions are asked for."
    )
    policy_enforcement_mode: Literal["ENFORCING", "PERMISSIVE"] = Field(
        default="ENFORCING", description="Whether requests without any permission to ask for are denied."
    )
    permissions: Annotated[Strings, Field(max_length=1000)] = Field(
        default=(), description="What is asked for: `resource` or `resource#scope`."
    )
    lazy_load_paths: bool = Field(default=False, description="Ask for the resources that the path belongs to instead.")
    http_method_as_scope: bool = Field(default=False, description="Add the method as a scope to each permission.")
    timeout: int = Field(default=3000, ge=1000, le=60000, description="Milliseconds to wait for each answer.")
    access_token_expires_in: int = Field(
        default=300, ge=1, description="Seconds our own token lives where Keycloak does not say."
    )
    access_token_expires_leeway: int = Field(
        default=0, ge=0, description="Seconds before that it is not used any more."
    )
    refresh_token_expires_in: int = Field(default=3600, ge=1, description="The same for the token that renews it.")
    refresh_token_expires_leeway: int = Field(default=0, ge=0, description="The same for the token that renews it.")
    ssl_verify: bool = Field(default=True, description="Check Keycloak's certificate.")
    cache_ttl_seconds: int = Field(
        default=86400, ge=1, description="Seconds that endpoints and our own tokens are kept at most."
    )
    keepalive: bool = Field(default=True, description="Accepted: connections are always kept for the next request.")
    keepalive_timeout: int = Field(default=60000, ge=1000, description="Accepted, without effect.")
    keepalive_pool: int = Field(default=5, ge=1, description="Accepted, without effect.")
    access_denied_redirect_uri: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=2048)] | None = Field(
        default=None, description="Where who is denied is redirected to (307), instead of 403."
    )
    password_grant_token_generation_incoming_uri: Annotated[str, Field(pattern=r"^/\S*$", max_length=4096)] | None = (
        Field(
            default=None, description="POST of `username` and `password` as a form to this path answers with a token."
        )
    )

    @model_validator(mode="after")
    def endpoints_are_known(self) -> Self:
        if self.discovery is None and self.token_endpoint is None:
            raise ValueError("discovery or token_endpoint is required")
        if self.lazy_load_paths and self.discovery is None and self.resource_registration_endpoint is None:
            raise ValueError("discovery or resource_registration_endpoint is required for lazy_load_paths")
        return self


def translate(conf: AuthzKeycloak, _: Scope) -> Iterator[Effect]:
    for field in ("discovery", "token_endpoint", "resource_registration_endpoint"):
        if address := getattr(conf, field):
            place_of(address, field, verify=conf.ssl_verify)
    context: dict[str, Any] = {
        "client_id": conf.client_id,
        "grant": conf.grant_type,
        "enforcing": conf.policy_enforcement_mode == "ENFORCING",
        "permissions": list(conf.permissions),
        "lazy": conf.lazy_load_paths,
        "method_scope": conf.http_method_as_scope,
        "timeout": conf.timeout,
        "access_life": conf.access_token_expires_in,
        "access_leeway": conf.access_token_expires_leeway,
        "refresh_life": conf.refresh_token_expires_in,
        "refresh_leeway": conf.refresh_token_expires_leeway,
        "cache": conf.cache_ttl_seconds,
        "http": place_of("http://any", "", verify=True)["cluster"],
        "https": place_of("https://any", "ssl_verify", verify=conf.ssl_verify)["cluster"],
    }
    more = {
        "discovery": conf.discovery,
        "token_endpoint": conf.token_endpoint,
        "resource_endpoint": conf.resource_registration_endpoint,
        "client_secret": conf.client_secret.get_secret_value() if conf.client_secret else None,
        "denied": conf.access_denied_redirect_uri,
        "password_uri": conf.password_grant_token_generation_incoming_uri,
        "body": None if refused_body(conf, None) is None else refusal(conf, None),
    }
    context |= {name: value for name, value in more.items() if value is not None}
    yield from lua("authz-keycloak", SOURCE, context, ["ask"])


PLUGIN = Plugin(
    name="authz-keycloak",
    priority=2000,
    phase=Phase.ACCESS,
    conf=AuthzKeycloak,
    translate=translate,
    summary="Asks Keycloak whether the bearer of a token may do what a request asks for.",
    category="authentication",
    examples={
        "One permission for every request": {
            "token_endpoint": "https://keycloak.example/realms/shop/protocol/openid-connect/token",
            "client_id": "gateway",
            "client_secret": "change-me",
            "permissions": ["orders#view"],
        }
    },
    protects=True,
)
