"""Secrets at rest: AES-256-GCM under data keys, which the database holds only encrypted by the master key.

The master key is a file that never enters the database. A ciphertext is bound to the place it stands in, so it cannot
be moved to another document. Lookup tokens of secrets are keyed hashes, so equal secrets can be found without them.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatefleet.errors import GatefleetError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class WrongKey(GatefleetError):
    """The master key is not the one this database was made with, or a stored secret was tampered with."""


@dataclass(slots=True)
class Cipher:
    """Data keys in clear: `seal` encrypts under `sealing`, `open` finds the key by the number in the ciphertext.

    It learns of new keys while it is used: whoever holds it need not know.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    index_key: bytes = field(repr=False)
    sealing: int

    def learn(self, other: "Cipher") -> None:
        """Know the keys of another reading of the same database, and encrypt under its one."""
        self.keys, self.sealing = other.keys, other.sealing

    def current(self, sealed: str) -> bool:
        """Whether a ciphertext is under the key in use."""
        return sealed.startswith(f"{self.sealing}.")

    def seal(self, text: str, place: str) -> str:
        """Ciphertext of `text` for one place, as `<key number>.<base64>`."""
        number = self.sealing
        nonce = os.urandom(NONCE_BYTES)
        body = AESGCM(self.keys[number]).encrypt(nonce, text.encode(), place.encode())
        return f"{number}.{base64.b64encode(nonce + body).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for this place; WrongKey if it was not, or not with these keys."""
        number, _, encoded = sealed.partition(".")
        try:
            raw = base64.b64decode(encoded)
            return AESGCM(self.keys[int(number)]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, KeyError, ValueError) as error:
            raise WrongKey(f"a stored secret cannot be decrypted (place [{place}])") from error

    def token(self, space: str, text: str) -> str:
        """A keyed hash of `text`: equal for equal texts of one space, and telling nothing else."""
        return hmac.new(self.index_key, f"{space}\0{text}".encode(), hashlib.sha256).hexdigest()


def wrap(master: bytes, key: bytes, purpose: str) -> bytes:
    """A data key encrypted by the master key, bound to its purpose."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(master).encrypt(nonce, key, purpose.encode())


def unwrap(master: bytes, wrapped: bytes, purpose: str) -> bytes:
    """The data key in clear; WrongKey if the master key does not fit."""
    try:
        return AESGCM(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], purpose.encode())
    except InvalidTag as error:
        raise WrongKey(
            "the encryption key does not fit this database; give the key file it was first started with"
        ) from error


def new_key() -> bytes:
    """A fresh random key."""
    return secrets.token_bytes(KEY_BYTES)


def make_master_key(path: Path) -> None:
    """Write a new master key, readable by this user only, unless the file is already there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(base64.b64encode(new_key()).decode() + "\n")
