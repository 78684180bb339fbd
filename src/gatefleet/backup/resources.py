"""A group's resources as one encrypted, authenticated file: the document that `apply` takes, secrets in clear inside.

The format is described in docs/reference/resource-copy-format.md.
"""

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.declared import declare
from gatefleet.store.crypto import WrongKey, new_key, unwrap, wrap

_MAGIC: Final = b"GFRSRC1\n"
_PURPOSE: Final = "resource copy"


class Header(msgspec.Struct, frozen=True):
    """The readable head of a copy."""

    format: int
    group: str
    revision: int
    made_at: int
    """Unix seconds."""
    key: str
    """The key of the body, encrypted by the control plane's encryption key; base64."""


def key_id(master: bytes) -> str:
    """What an encryption key is called in the names of copies; tells nothing else about it."""
    return hashlib.sha256(b"gatefleet resource copy:" + master).hexdigest()[:16]


def write(documents: Iterable[Document], group: str, revision: int, made_at: int, master: bytes) -> bytes:
    """The file; `documents` are all that the group holds, secrets in clear."""
    key, nonce = new_key(), os.urandom(12)
    wrapped = base64.b64encode(wrap(master, key, _PURPOSE)).decode()
    header = msgspec.json.encode(Header(1, group, revision, made_at, wrapped), order="sorted")
    head = _MAGIC + len(header).to_bytes(4, "big") + header
    body = msgspec.json.encode(declare(documents, lambda document: document.body))
    return head + nonce + AESGCM(key).encrypt(nonce, body, head)


def read(copy: bytes, master: bytes) -> tuple[Header, Mapping[str, Any]]:
    """What `write` wrote. Invalid, with the reason, when it was cut, changed, or the key is not the right one."""
    start = len(_MAGIC) + 4
    if copy[: len(_MAGIC)] != _MAGIC or len(copy) < start:
        raise Invalid("this is not a copy of resources")
    end = start + int.from_bytes(copy[len(_MAGIC) : start], "big")
    try:
        header = msgspec.json.decode(copy[start:end], type=Header)
        if header.format != 1:
            raise Invalid(f"copy of format [{header.format}]: this version of gatefleet reads format 1")
        key = unwrap(master, base64.b64decode(header.key), _PURPOSE)
        body = AESGCM(key).decrypt(copy[end : end + 12], copy[end + 12 :], copy[:end])
        return header, msgspec.json.decode(body, type=dict[str, Any])
    except (WrongKey, InvalidTag, msgspec.DecodeError, ValueError):
        raise Invalid("the copy was changed, cut short, or encrypted with another encryption key") from None
