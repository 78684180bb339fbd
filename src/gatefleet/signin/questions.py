"""What openid-connect asks, and what it is told."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

REDIRECT: Final = "/.apisix/redirect"


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway as a client of one OpenID provider: what the plugin's configuration says (its field names)."""

    client_id: str
    client_secret: str = ""
    discovery: str
    timeout: float = 3
    ssl_verify: bool = False
    scope: str = "openid"
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105  (the name of a method)
    introspection_endpoint: str = ""
    introspection_endpoint_auth_method: str = "client_secret_basic"
    client_rsa_private_key: str = ""
    client_rsa_private_key_id: str = ""
    client_jwt_assertion_expires_in: int = 60
    token_signing_alg_values_expected: str = ""
    accept_none_alg: bool = False
    iat_slack: int = 120
    jwk_expires_in: int = 86400
    redirect_uri: str = ""
    logout_path: str = "/logout"
    post_logout_redirect_uri: str = ""
    revoke_tokens_on_logout: bool = False
    unauth_action: str = "auth"
    authorization_params: Mapping[str, str | float | bool] = {}
    use_pkce: bool = False
    use_nonce: bool = False
    renew_access_token_on_expiry: bool = True
    access_token_expires_in: int = 3600
    access_token_expires_leeway: int = 0
    refresh_session_interval: int = 0
    session_secret: str = ""
    session_lifetime: int = 3600
    not_kept: str = ""
    """What of a session is not kept, of access_token, id_token, enc_id_token and user, with blanks between."""
    claim_schema: str = ""
    """A JSON schema as text; empty for none."""
    realm: str = "apisix"


class Request(msgspec.Struct, frozen=True):
    """The request that waits."""

    scheme: str
    host: str
    """As the client named it, with port."""
    target: str
    """Path and query."""
    cookie: str = ""
    """The session's cookies, as in a Cookie header."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"


class KeysQuestion(msgspec.Struct, frozen=True):
    """Which keys sign the provider's tokens; `unknown` says that a token named none of those known."""

    client: Client
    jwks: bool
    unknown: bool = False


class Key(msgspec.Struct, frozen=True):
    """A public key in PEM, and the algorithms it may be used with."""

    kid: str
    algorithms: tuple[str, ...]
    pem: str


class Keys(msgspec.Struct, frozen=True):
    issuer: str
    keys: tuple[Key, ...] = ()


class Introspection(msgspec.Struct, frozen=True):
    """Whether the provider knows an access token; `headers` are sent with the question."""

    client: Client
    token: str
    headers: Mapping[str, str] = {}


class Introspected(msgspec.Struct, frozen=True, omit_defaults=True):
    claims: Mapping[str, Any] | None = None


class SessionQuestion(msgspec.Struct, frozen=True):
    """Who the browser's user is, and if nobody, what to tell the browser."""

    client: Client
    request: Request


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Status 0: the request passes, with these tokens. Else it is answered so."""

    status: int = 0
    location: str = ""
    body: str = ""
    content_type: str = ""
    challenge: str = ""
    cookies: tuple[str, ...] = ()
    """Values of Set-Cookie headers, for answers and for requests that pass."""
    access_token: str = ""
    refresh_token: str = ""
    id_token: str = ""
    """The claims of the ID token: JSON in base64."""
    user: str = ""
    """What the provider's userinfo endpoint said: JSON in base64."""
    until: int = 0
    """Unix seconds until which the same cookies get the same decision; 0: ask again."""


def redirect_uri(client: Client, request: Request) -> str:
    """Where the provider sends the browser back to: as configured, else `/.apisix/redirect` below the path."""
    given = client.redirect_uri
    if not given:
        path = request.path
        given = path if path.endswith(REDIRECT) else path.removesuffix("/") + REDIRECT
    return request.origin + given if given.startswith("/") else given


def comes_back(client: Client, request: Request) -> bool:
    """Whether the request is the provider's answer."""
    return urlsplit(redirect_uri(client, request)).path == request.path
