"""Entries of the consumer table, as `auth.c` reads them: credentials and consumers by key."""

import struct

SECRET_MAX = 4096
_FORBIDDEN = frozenset("\0\r\n")


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


def consumer_entry(username: str, custom_id: str | None = None) -> tuple[bytes, bytes]:
    """Key and value that let `username` be named as an anonymous consumer. Raises ValueError as `key_auth_entry`."""
    return _key(b"c", username), _person(username, "", custom_id)


def _key(space: bytes, name: str) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) <= SECRET_MAX:
        raise ValueError(f"must have 1 to {SECRET_MAX} bytes, has {len(encoded)}")
    return space + b"\0" + encoded


def _person(consumer: str, credential_id: str, custom_id: str | None, password: str = "") -> bytes:
    if not consumer:
        raise ValueError("a consumer needs a name")
    visible = (consumer, credential_id, custom_id or "")
    if any(_FORBIDDEN & set(text) for text in visible):
        raise ValueError("a header cannot carry line breaks or NUL")
    return b"".join(_string(text) for text in (*visible, password))


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<H", len(encoded)) + encoded
