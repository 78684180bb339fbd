"""The master key: from a file, from the environment, or given in clear by Vault or AWS KMS at the start only."""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gatefleet.errors import GatefleetError
from gatefleet.settings import KeySettings
from gatefleet.store.crypto import KEY_BYTES

VAULT: Final = "vault:"
"""How a ciphertext of Vault's transit engine begins (HashiCorp, Transit Secrets Engine API, decrypt)."""
KMS: Final = "aws-kms:"
"""What stands before the base64 of a ciphertext of AWS KMS (AWS, Key Management Service API, Decrypt)."""
PATIENCE: Final = 10.0


def master_key(settings: KeySettings) -> bytes:
    """The key in clear; GatefleetError, with what to do, if it cannot be had."""
    if (settings.encryption_key is None) == (settings.encryption_key_file is None):
        raise GatefleetError("give the encryption key by --encryption-key-file or by --encryption-key, one of the two")
    text = _read(settings.encryption_key_file) if settings.encryption_key_file else ""
    if settings.encryption_key:
        text = settings.encryption_key.get_secret_value().strip()
    where = f"file [{settings.encryption_key_file}]" if settings.encryption_key_file else "setting encryption-key"
    if text.startswith(VAULT):
        text = _asked("Vault", lambda: _by_vault(settings, text))
    elif text.startswith(KMS):
        text = _asked("AWS KMS", lambda: _by_kms(text.removeprefix(KMS)))
    return _decoded(text, where)


def read_master_key(path: Path) -> bytes:
    """The master key from a file that holds it in clear (32 bytes, base64); GatefleetError if it does not."""
    return _decoded(_read(path), f"file [{path}]")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise GatefleetError(f"cannot read the encryption key file [{path}]: {error}") from error


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise GatefleetError(f"cannot read the encryption key {where}: {error}") from error
    if len(key) != KEY_BYTES:
        raise GatefleetError(f"the encryption key {where} must hold {KEY_BYTES} bytes as base64")
    return key


def _asked(whom: str, ask: Callable[[], str]) -> str:
    try:
        return ask()
    except GatefleetError:
        raise
    except Exception as error:
        raise GatefleetError(f"{whom} does not decrypt the encryption key: {error}") from error


def _by_vault(settings: KeySettings, ciphertext: str) -> str:
    import httpx  # noqa: PLC0415 - only who keeps the key so needs it

    if not settings.encryption_key_vault or not settings.encryption_key_vault_token_file:
        raise GatefleetError("the encryption key is Vault's: give --encryption-key-vault and its token file")
    token = _read(settings.encryption_key_vault_token_file)
    answer = httpx.post(
        settings.encryption_key_vault,
        json={"ciphertext": ciphertext},
        headers={"X-Vault-Token": token},
        timeout=PATIENCE,
        trust_env=False,
    )
    answer.raise_for_status()
    return str(answer.json()["data"]["plaintext"])


def _by_kms(ciphertext: str) -> str:
    """Region, credentials and address are found as AWS's own tools find them."""
    from botocore.config import Config  # noqa: PLC0415 - as above
    from botocore.session import Session  # noqa: PLC0415

    patience = Config(connect_timeout=PATIENCE, read_timeout=PATIENCE, retries={"total_max_attempts": 2})
    client: Any = Session().create_client("kms", config=patience)
    plain: bytes = client.decrypt(CiphertextBlob=base64.b64decode(ciphertext, validate=True))["Plaintext"]
    return base64.b64encode(plain).decode() if len(plain) == KEY_BYTES else plain.decode()
