"""Entries of the consumer table, as `auth.c` reads them: credentials and consumers by key."""

import json
import struct
from collections.abc import Iterable, Mapping

SECRET_MAX = 4096
_FORBIDDEN = frozenset("\0\r\n")
_LENGTH = struct.Struct("<H")


def key_auth_entry(key: str, username: str, credential_id: str, custom_id: str | None = None) -> tuple[bytes, bytes]:
    """Key and value that let `key` in as consumer `username`. Raises ValueError on what no header can carry."""
    return _key(b"k", key), _person(username, credential_id, custom_id)


def basic_auth_entry(
    username: str, password: str, consumer: str, credential_id: str, custom_id: str | None = None
) -> tuple[bytes, bytes]:
    """Key and value that let `username` with `password` in as `consumer`. Raises ValueError as `key_auth_entry`."""
    if ":" in username:
        raise ValueError("a basic-auth username cannot hold a colon")
    return _key(b"b", username), _person(consumer, credential_id, custom_id, password)


def consumer_entry(
    username: str, custom_id: str | None = None, labels: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Key and value that let `username` be named as an anonymous consumer, and its labels be asked for.

    Raises ValueError as `key_auth_entry`.
    """
    more = json.dumps(dict(labels), sort_keys=True, separators=(",", ":")) if labels else ""
    return _key(b"c", username), _person(username, "", custom_id) + _string(more)


def secret_entry(
    space: bytes, name: str, secret: bytes, more: str, consumer: str, credential_id: str, custom_id: str | None = None
) -> tuple[bytes, bytes]:
    """Key and value of what signs requests: `space` is `j` for jwt-auth, `h` for hmac-auth. Raises ValueError."""
    return _key(space, name), _person(consumer, credential_id, custom_id, secret) + _string(more)


def texts_of(value: bytes) -> list[bytes]:
    """The strings that a table's value consists of. Raises struct.error where it is cut short."""
    texts: list[bytes] = []
    at = 0
    while at < len(value):
        (size,) = _LENGTH.unpack_from(value, at)
        at += _LENGTH.size + size
        texts.append(value[at - size : at])
    return texts


def value_of(texts: Iterable[bytes]) -> bytes:
    """The reverse of `texts_of`. Raises ValueError as `key_auth_entry`."""
    return b"".join(map(_string, texts))


def _key(space: bytes, name: str) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) <= SECRET_MAX:
        raise ValueError(f"must have 1 to {SECRET_MAX} bytes, has {len(encoded)}")
    return space + b"\0" + encoded


def _person(consumer: str, credential_id: str, custom_id: str | None, password: str | bytes = "") -> bytes:
    if not consumer:
        raise ValueError("a consumer needs a name")
    visible = (consumer, credential_id, custom_id or "")
    if any(_FORBIDDEN & set(text) for text in visible):
        raise ValueError("a header cannot carry line breaks or NUL")
    return b"".join(_string(text) for text in (*visible, password))


def _string(text: str | bytes) -> bytes:
    encoded = text.encode() if isinstance(text, str) else text
    if len(encoded) > 0xFFFF:
        raise ValueError("is longer than 65535 bytes")
    return _LENGTH.pack(len(encoded)) + encoded
