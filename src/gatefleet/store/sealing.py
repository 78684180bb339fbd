"""Encrypting the secret parts of a body on the way in, decrypting them on the way out."""

from collections.abc import Iterable, Mapping
from typing import Any

from gatefleet.resources.secrets import Path, replaced, value_at
from gatefleet.store.crypto import Cipher


def seal(
    cipher: Cipher, place: str, body: Mapping[str, Any], paths: Iterable[Path]
) -> tuple[dict[str, Any], list[Path]]:
    """The body as it is stored, and which of its paths hold ciphertext bound to `place`."""
    values = {path: cipher.seal(value_at(body, path), _spot(place, path)) for path in paths}
    return replaced(body, values), list(values)


def unseal(
    cipher: Cipher, place: str, body: Mapping[str, Any], sealed: Iterable[Iterable[str | int]]
) -> dict[str, Any]:
    """The body with its secrets in clear."""
    paths = [tuple(path) for path in sealed]
    return replaced(body, {path: cipher.open(value_at(body, path), _spot(place, path)) for path in paths})


def _spot(place: str, path: Path) -> str:
    return "/".join((place, *map(str, path)))
