"""A user's session, kept by his browser alone: sealed into cookies that only nodes of the group can read or make.

AES-256-GCM under a key that follows from `session.secret`, else from the gateway group's; provider and client are part
of what is authenticated, so a session of one is nothing to another.
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gatefleet.errors import Invalid
from gatefleet.signin.questions import Client

NAME: Final = "session"
PART: Final = 3800
"""Bytes of one cookie's value: browsers take 4096 with name and attributes (RFC 6265 6.1)."""
MOST_PARTS: Final = 8
MOST_PENDING: Final = 3
"""Sign-ins under way in one browser, as in several tabs; the oldest is given up."""
_NONCE: Final = 12


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sign-in that waits for the provider."""

    redirect_uri: str
    target: str
    """Where the browser wanted to go."""
    nonce: str | None = None
    verifier: str | None = None
    silent: bool = False
    """The provider was asked not to show anything."""


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who has signed in, if anybody."""

    issued: int = 0
    """Unix seconds: when these cookies were made."""
    authenticated: int = 0
    """Unix seconds of the last sign-in; 0: there was none."""
    access_token: str = ""
    access_expires: int = 0
    refresh_token: str = ""
    id_token: Mapping[str, Any] | None = None
    enc_id_token: str = ""
    user: Mapping[str, Any] | None = None
    pending: Mapping[str, Pending] = {}
    """By `state`, oldest first."""


def opened(client: Client, group_key: bytes, cookie: str, now: float) -> Session:
    """The session in a Cookie header; an empty one where there is none, it was tampered with or it is over."""
    found = _values(cookie)
    count, _, first = found.get(NAME, "").partition(".")
    if not count.isdecimal() or not 0 < int(count) <= MOST_PARTS:
        return Session()
    text = first + "".join(found.get(f"{NAME}_{n}", "") for n in range(2, int(count) + 1))
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = _cipher(client.session_secret, group_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(client))
        session = msgspec.msgpack.decode(plain, type=Session)
    except (binascii.Error, InvalidTag, ValueError, msgspec.DecodeError):
        return Session()
    return session if session.issued + client.session_lifetime > now else Session()


def cookies(client: Client, group_key: bytes, session: Session | None, cookie: str, *, secure: bool) -> tuple[str, ...]:
    """Set-Cookie values that put `session` in the place of what the Cookie header had; None takes it away.

    Raises Invalid for a session that does not fit into cookies.
    """
    parts = _sealed(client, group_key, session) if session else []
    if len(parts) > MOST_PARTS:
        raise Invalid("the session is too large for cookies: say in session_contents what it need not hold")
    more = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
    kept = {NAME if n == 0 else f"{NAME}_{n + 1}": part for n, part in enumerate(parts)}
    gone = [name for name in _values(cookie) if _ours(name) and name not in kept]
    return (
        *(f"{name}={value}{more}" for name, value in kept.items()),
        *(f"{name}=; Max-Age=0{more}" for name in gone),
    )


def _sealed(client: Client, group_key: bytes, session: Session) -> list[str]:
    nonce = os.urandom(_NONCE)
    plain = msgspec.msgpack.encode(session)  # not compressed: lengths would tell of tokens
    sealed = nonce + _cipher(client.session_secret, group_key).encrypt(nonce, plain, _bound(client))
    text = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    parts = [text[n : n + PART] for n in range(0, len(text), PART)]
    return [f"{len(parts)}.{parts[0]}", *parts[1:]]


@lru_cache(maxsize=256)
def _cipher(secret: str, group_key: bytes) -> AESGCM:
    source = secret.encode() or group_key
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"gatefleet openid-connect session 1").derive(source))


def _bound(client: Client) -> bytes:
    return msgspec.json.encode([client.discovery, client.client_id])


def _ours(name: str) -> bool:
    head, _, number = name.partition("_")
    return head == NAME and (name == NAME or number in map(str, range(2, MOST_PARTS + 1)))


def _values(cookie: str) -> Mapping[str, str]:
    """Names and values of a Cookie header; of several with one name the first, as browsers put the nearest there."""
    return dict(reversed(list(_pairs(cookie))))


def _pairs(cookie: str) -> Iterator[tuple[str, str]]:
    for one in cookie.split(";"):
        name, equals, value = one.strip().partition("=")
        if equals:
            yield name, value
