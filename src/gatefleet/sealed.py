"""Seals, which state what one revision of a group holds, and sealed copies of snapshots; pure but for fresh keys.

A seal is signed by the control plane (Ed25519). A copy is encrypted as a whole and carries its seal; its format is
described in docs/reference/snapshot-format.md.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatefleet import snapshot as snapshots
from gatefleet.errors import Invalid
from gatefleet.snapshot import Seal, Snapshot

_COPY_MAGIC: Final = b"GFSNAP1\n"
_COPY_FORMAT: Final = 1


class SnapshotKeys(msgspec.Struct, frozen=True):
    """A group's keys at the control plane: `seal` signs (Ed25519), `copy` encrypts (AES-256); 32 bytes each."""

    key_id: str
    seal: bytes
    copy: bytes

    @property
    def verification(self) -> bytes:
        """The public half of `seal`: what nodes check seals with."""
        key = ed25519.Ed25519PrivateKey.from_private_bytes(self.seal).public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def new_snapshot_keys() -> SnapshotKeys:
    seal, copy = os.urandom(32), os.urandom(32)
    keys = SnapshotKeys("", seal, copy)
    return SnapshotKeys(hashlib.sha256(keys.verification).hexdigest()[:16], seal, copy)


def sign(seal: Seal, keys: SnapshotKeys) -> Seal:
    """`seal` signed with the group's key; its key id is set."""
    named = msgspec.structs.replace(seal, key_id=keys.key_id)
    signature = ed25519.Ed25519PrivateKey.from_private_bytes(keys.seal).sign(named.statement())
    return msgspec.structs.replace(named, signature=signature)


def verify(seal: Seal, snapshot: Snapshot, verification_keys: Mapping[str, bytes]) -> None:
    """Invalid, with the reason, unless `seal` is signed by a known key and states just what `snapshot` holds."""
    if seal.format != 1:
        raise Invalid(f"seal of format [{seal.format}]: this version of gatefleet reads format 1")
    if not (key := verification_keys.get(seal.key_id)):
        raise Invalid(f"sealed with a key [{seal.key_id}] that this node does not know")
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(seal.signature, seal.statement())
    except InvalidSignature:
        raise Invalid(f"the signature of revision [{seal.revision}] is wrong") from None
    if snapshots.digest(snapshot) != seal.digest:
        raise Invalid(f"the content is not what revision [{seal.revision}] states")


def write_copy(snapshot: Snapshot, seal: Seal, key: bytes) -> bytes:
    """A copy for disk, bucket or peer, as docs/reference/snapshot-format.md describes it."""
    header = msgspec.json.encode(
        {
            "format": _COPY_FORMAT, "group": seal.group, "revision": seal.revision, "made_at": seal.made_at,
            "key_id": seal.key_id,
        },
        order="sorted",
    )  # fmt: skip
    head = _COPY_MAGIC + len(header).to_bytes(4, "big") + header
    body = msgspec.msgpack.encode((seal.to_bytes(), snapshots.to_bytes(snapshot)))
    nonce = os.urandom(12)
    return head + nonce + AESGCM(key).encrypt(nonce, body, head)


def read_copy(
    copy: bytes, verification_keys: Mapping[str, bytes], copy_keys: Mapping[str, bytes]
) -> tuple[Snapshot, Seal]:
    """What `write_copy` wrote; Invalid, with the reason, when it was cut, changed, or belongs to someone else.

    Both mappings are from key ids: to Ed25519 public keys, and to AES-256 keys.
    """
    end = _head(copy)
    header = header_of(copy)
    if not (key := copy_keys.get(header.key_id)):
        raise Invalid(f"encrypted with a key [{header.key_id}] that this node does not know")
    try:
        sealed, body = msgspec.msgpack.decode(
            AESGCM(key).decrypt(copy[end : end + 12], copy[end + 12 :], copy[:end]), type=tuple[bytes, bytes]
        )
        snapshot, seal = snapshots.from_bytes(body), Seal.from_bytes(sealed)
    except (InvalidTag, msgspec.DecodeError, ValueError):
        raise Invalid("the copy was changed, cut short, or encrypted with a key of another group") from None
    verify(seal, snapshot, verification_keys)
    if (header.group, header.revision, header.made_at) != (seal.group, seal.revision, seal.made_at):
        raise Invalid("the header of the copy contradicts its seal")
    return snapshot, seal


class Header(msgspec.Struct, frozen=True):
    """The readable head of a copy."""

    format: int
    group: str
    revision: int
    made_at: int
    key_id: str


def header_of(copy: bytes) -> Header:
    """What the readable head of a copy says, nothing checked; Invalid when there is none."""
    body = copy[len(_COPY_MAGIC) + 4 : _head(copy)]
    try:
        header = msgspec.json.decode(body, type=Header)
    except (msgspec.DecodeError, ValueError):
        raise Invalid("the header of the copy cannot be read") from None
    if header.format != _COPY_FORMAT:
        raise Invalid(f"snapshot copy of format [{header.format}]: this version of gatefleet reads format 1")
    return header


def _head(copy: bytes) -> int:
    """Where the head of a copy ends; Invalid when it has none."""
    start = len(_COPY_MAGIC) + 4
    if copy[: len(_COPY_MAGIC)] != _COPY_MAGIC or len(copy) < start:
        raise Invalid("this is not a snapshot copy")
    return start + int.from_bytes(copy[len(_COPY_MAGIC) : start], "big")
