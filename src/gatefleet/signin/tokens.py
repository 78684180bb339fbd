"""JSON Web Tokens: providers' keys, ID tokens checked, and assertions that say who we are."""

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key

from gatefleet.errors import Invalid
from gatefleet.signin.questions import Client, Key

RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
SYMMETRIC: Final = ("HS256", "HS384", "HS512")
MOST_KEYS: Final = 64


def public_keys(jwks: Iterable[Mapping[str, Any]]) -> tuple[Key, ...]:
    """The keys of a set (RFC 7517) that sign in ways we know, each with its algorithms; others are left out."""
    found = [_public_key(jwk) for jwk in list(jwks)[:MOST_KEYS]]
    return tuple(key for key in found if key)


def checked(
    client: Client, issuer: str, jwks: Iterable[Mapping[str, Any]], token: str, nonce: str | None
) -> Mapping[str, Any]:
    """The claims of an ID token that the provider made for us just now (OpenID Connect Core 1.0, 3.1.3.7).

    Raises Invalid saying what is wrong with it, LookupError where it is signed with a key that is not in `jwks`.
    """
    claims = _signed(client, jwks, token)
    now, audience = time.time(), claims.get("aud")
    audiences: list[Any] = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    wrong = {
        "iss": claims.get("iss") != issuer,
        "sub": not isinstance(claims.get("sub"), str) or not claims["sub"],
        "aud": client.client_id not in audiences,
        "azp": len(audiences) > 1 and claims.get("azp") != client.client_id,
        "exp": not _number(claims.get("exp")) or claims["exp"] <= now - client.iat_slack,
        "iat": not _number(claims.get("iat")) or claims["iat"] > now + client.iat_slack,
        "nbf": "nbf" in claims and (not _number(claims["nbf"]) or claims["nbf"] > now + client.iat_slack),
        "nonce": nonce is not None and claims.get("nonce") != nonce,
    }
    if refused := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise Invalid(f"the ID token's {', '.join(refused)} cannot be accepted")
    return claims


def assertion(client: Client, method: str, endpoint: str) -> str:
    """A token that says we are this client (RFC 7523): `method` is private_key_jwt or client_secret_jwt.

    Raises Invalid for a key that cannot be used.
    """
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": endpoint,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + client.client_jwt_assertion_expires_in,
    }
    try:
        if method == "client_secret_jwt":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(client.client_secret))
        named = {"kid": client.client_rsa_private_key_id} if client.client_rsa_private_key_id else {}
        return jwt.encode({"alg": "RS256", **named}, claims, RSAKey.import_key(client.client_rsa_private_key))
    except (JoseError, ValueError) as error:
        raise Invalid(f"no assertion can be signed: {error}") from error


def _signed(client: Client, jwks: Iterable[Mapping[str, Any]], token: str) -> Mapping[str, Any]:
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise Invalid("the ID token is no signed token") from error
    algorithm = header.get("alg")
    expected = client.token_signing_alg_values_expected
    if expected and algorithm != expected:
        raise Invalid(f"the ID token is signed by [{algorithm}], not by [{expected}]")
    if algorithm == "none" and client.accept_none_alg:
        return msgspec.json.decode(jws.extract_compact(token.encode()).payload, type=dict[str, Any])
    if algorithm in SYMMETRIC:
        return _verified(token, _secret(client), str(algorithm))
    usable = [jwk for jwk in jwks if header.get("kid") in (None, jwk.get("kid"))]
    named = [key for jwk in usable[:8] if (key := _imported(jwk)) and algorithm in _algorithms(jwk)]
    if not named:
        raise LookupError(f"no key [{header.get('kid')}] for [{algorithm}]")
    for key in named[:-1]:
        try:
            return _verified(token, key, str(algorithm))
        except Invalid:
            continue
    return _verified(token, named[-1], str(algorithm))


def _verified(token: str, key: OctKey | RSAKey | ECKey | OKPKey, algorithm: str) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError) as error:
        raise Invalid(f"the ID token's signature is wrong: {error}") from error


def _secret(client: Client) -> OctKey:
    try:
        return OctKey.import_key(client.client_secret)
    except (JoseError, ValueError) as error:
        raise Invalid("the ID token is signed with a secret, and the client has none that can be used") from error


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _public_key(jwk: Mapping[str, Any]) -> Key | None:
    key = _imported(jwk) if _algorithms(jwk) else None
    if key is None or isinstance(key, OctKey):
        return None
    return Key(str(jwk.get("kid") or ""), _algorithms(jwk), key.as_pem(private=False).decode())


def _imported(jwk: Mapping[str, Any]) -> OctKey | RSAKey | ECKey | OKPKey | None:
    try:
        return import_key(dict(jwk))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """What signs with the key; nothing where it encrypts, or is none of the kinds we know."""
    if jwk.get("use", "sig") != "sig":
        return ()
    known = RSA if jwk.get("kty") == "RSA" else CURVES.get(str(jwk.get("crv")), ())
    return tuple(name for name in known if jwk.get("alg", name) == name)
