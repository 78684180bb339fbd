"""Lets an OpenID provider say who a user is: browsers are sent there to sign in, and bearer tokens are verified.

Tokens are verified on the node with keys that are kept, or by introspection. Sessions are kept in sealed cookies. What
has to be asked of the provider is asked by the node's sign-in process; without it nobody passes. The headers that tell
upstreams of the user are always the gateway's: clients' own are removed.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from gatefleet.filters import lua, lua_source, refusal, refused_body
from gatefleet.plugin import Effect, Phase, Plugin, Scope
from gatefleet.plugins.openid_connect.conf import OpenidConnect, algorithms_of

SOURCE = lua_source(__name__)
SESSION_SOURCE = lua_source(__name__, "session.lua")
LIBRARIES = ("native", "jwt", "signin")
REDIRECT = "/.apisix/redirect"
ISSUER_AGE = 3600
CLIENT = (
    "client_id", "client_secret", "discovery", "timeout", "ssl_verify", "scope", "token_endpoint_auth_method",
    "introspection_endpoint", "introspection_endpoint_auth_method", "client_rsa_private_key",
    "client_rsa_private_key_id", "client_jwt_assertion_expires_in", "token_signing_alg_values_expected",
    "accept_none_alg", "iat_slack", "jwk_expires_in", "redirect_uri", "logout_path", "post_logout_redirect_uri",
    "revoke_tokens_on_logout", "unauth_action", "authorization_params", "use_pkce", "use_nonce",
    "renew_access_token_on_expiry", "access_token_expires_in", "access_token_expires_leeway",
    "refresh_session_interval", "realm",
)  # fmt: skip
"""Fields that the sign-in process is told as they are."""


def translate(conf: OpenidConnect, _: Scope) -> Iterator[Effect]:
    audience, issuers = conf.claim_validator.audience, conf.claim_validator.issuer.valid_issuers
    context: dict[str, Any] = {
        "client": client(conf),
        "realm": conf.realm,
        "bearer": conf.verifies,
        "bearer_only": conf.bearer_only,
        "introspect": not (conf.public_key or conf.use_jwks),
        "jwks": conf.use_jwks and not conf.public_key,
        "keys_age": conf.jwk_expires_in if conf.use_jwks and not conf.public_key else ISSUER_AGE,
        "again": conf.jwt_verification_cache_ignore,
        "slack": conf.iat_slack,
        "expiry": conf.introspection_expiry_claim,
        "interval": conf.introspection_interval,
        "addon": list(conf.introspection_addon_headers or ()),
        "audience": audience.claim,
        "audience_required": audience.required,
        "audience_ours": audience.match_with_client_id,
        "set_access_token": conf.set_access_token_header,
        "in_authorization": conf.access_token_in_authorization_header,
        "set_id_token": conf.set_id_token_header,
        "set_userinfo": conf.set_userinfo_header,
        "set_refresh_token": conf.set_refresh_token_header,
        "suffix": REDIRECT,
        "body": "" if refused_body(conf, None) is None else refusal(conf, None),
    }
    more = {
        "key": {"pem": conf.public_key, "algorithms": list(algorithms_of(conf.public_key))}
        if conf.public_key
        else None,
        "issuers": dict.fromkeys(issuers, True) if issuers else None,
        "scopes": list(conf.required_scopes) if conf.required_scopes else None,
        "algorithm": conf.token_signing_alg_values_expected,
        "redirect_path": conf.redirect_path,
        "stranger": conf.unauth_action if conf.unauth_action != "auth" else None,
    }
    context |= {name: value for name, value in more.items() if value is not None}
    source = SOURCE if conf.bearer_only else SOURCE + SESSION_SOURCE
    yield from lua("openid-connect", source, context, LIBRARIES)


def client(conf: OpenidConnect) -> Mapping[str, Any]:
    """What the sign-in process is told with each question."""
    contents = conf.session_contents
    told: dict[str, Any] = {
        **{name: getattr(conf, name) for name in CLIENT},
        "session_secret": conf.session.secret,
        "session_lifetime": conf.session.cookie.lifetime,
        "claim_schema": json.dumps(conf.claim_schema, sort_keys=True) if conf.claim_schema else None,
        "not_kept": " ".join(name for name in type(contents).model_fields if not getattr(contents, name))
        if contents and contents.model_fields_set
        else None,
    }
    return {name: _plain(value) for name, value in told.items() if value not in (None, "", {})}


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


PLUGIN = Plugin(
    name="openid-connect",
    priority=2599,
    phase=Phase.REWRITE,
    conf=OpenidConnect,
    translate=translate,
    summary="Signs users in by an OpenID provider, and verifies its bearer tokens.",
    category="authentication",
    examples={
        "Browsers sign in": {
            "client_id": "gateway",
            "client_secret": "change-me",
            "discovery": "https://idp.example/.well-known/openid-configuration",
            "redirect_uri": "https://app.example/callback",
            "scope": "openid email",
            "session": {"secret": "sixteen-letters-or-more"},
        },
        "Programs bring a token": {
            "client_id": "gateway",
            "client_secret": "change-me",
            "discovery": "https://idp.example/.well-known/openid-configuration",
            "bearer_only": True,
            "use_jwks": True,
        },
    },
    protects=True,
)
