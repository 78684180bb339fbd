"""Who this node is: the certificate and keys it got when it joined, kept in its data directory."""

import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from gatefleet import fleet, pki
from gatefleet.errors import Invalid, Unreachable
from gatefleet.files import write_private
from gatefleet.fleet import Enroll, Enrolled, Machine
from gatefleet.node.link import call_enroll
from gatefleet.pki import Bundle
from gatefleet.settings import NodeSettings

DEFAULT_PORT: Final = 7943


class IdentityStore:
    """The identity in a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "identity.json"
        self._name = data_dir / "instance"

    def instance(self) -> str:
        """The id this node chose for itself when it first started."""
        if not self._name.exists():
            write_private(self._name, secrets.token_hex(8))
        return self._name.read_text().strip()

    def load(self) -> Bundle | None:
        """The stored identity; None when there is none. Invalid when the file is damaged."""
        try:
            return Bundle.from_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except Invalid as error:
            raise Invalid(f"[{self._file}] is damaged ({error}): remove it and join again") from error

    def save(self, identity: Bundle) -> None:
        write_private(self._file, identity.to_json(), lasting=True)


@dataclass(frozen=True, slots=True)
class Invitation:
    """How this node may join: what its options say."""

    addresses: tuple[str, ...]
    token: str | None
    given: Bundle | None
    """From a bundle or from certificate files; the latter lack the snapshot's keys."""


def invitation(settings: NodeSettings, *, joined: bool) -> Invitation:
    """What the options offer; Invalid when they contradict each other or a file cannot be read.

    A node that has `joined` does not miss the file of the token it joined with.
    """
    token = settings.token.get_secret_value() if settings.token else None
    if settings.token_file and not (joined and not settings.token_file.exists()):
        token = _read(settings.token_file, "--token-file")
    given = _given(settings)
    addresses = settings.dp_manager or (given.dp_manager_addresses if given else ())
    return Invitation(tuple(addresses), token.strip() if token else None, given)


def _given(settings: NodeSettings) -> Bundle | None:
    if settings.bundle:
        return Bundle.from_json(_read(settings.bundle, "--bundle").encode())
    files = (settings.cert, settings.key, settings.ca)
    if settings.cert and settings.key and settings.ca:
        certificate = _read(settings.cert, "--cert")
        return Bundle(
            certificate=certificate,
            private_key=_read(settings.key, "--key"),
            ca_certificate=_read(settings.ca, "--ca"),
            gateway_group_id=pki.identity_of(certificate).group,
            verification_keys={},
            snapshot_key=b"",
        )
    if any(files):
        raise Invalid("--cert, --key and --ca belong together: give all three")
    return None


def _read(file: Path, option: str) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{option} [{file}] cannot be read: {error}") from error


def choose(stored: Bundle | None, offered: Invitation, now: datetime) -> Bundle | None:
    """The identity to start with; None when the node has to enrol with its token.

    A stored one counts while its CA is one that the options name, also when it has expired: what is on disk can be
    served meanwhile. A given one replaces it when that was issued later or is still valid. Keys that either knows stay
    known: copies may be sealed with them. Invalid when there is no way to join.
    """
    given = offered.given
    if stored and offered.token and _foreign(stored, offered.token):
        stored = None
    if stored and given and _supersedes(given, stored, now):
        given, stored = _with_keys_of(given, stored), None
    found = stored or given
    if found is None and offered.token is None:
        raise Invalid(
            "this node has not joined yet: give it --token, --token-file, --bundle, or --cert, --key and --ca"
        )
    return found


def _foreign(stored: Bundle, token: str) -> bool:
    return pki.parse_token(token).ca not in pki.fingerprints(stored.ca_certificate)


def again(known: Bundle, offered: Invitation, now: datetime) -> Bundle:
    """What replaces an identity that has expired, when there is no token; Invalid when nothing can."""
    given = offered.given
    if given and pki.expiry(given.certificate) > now:
        return _with_keys_of(given, known)
    raise Invalid(
        "this node's certificate has expired: give it a new --bundle, --token-file, or --cert, --key and --ca"
    )


def _supersedes(given: Bundle, stored: Bundle, now: datetime) -> bool:
    return (
        _of_another_fleet(given, stored)
        or pki.issued_at(given.certificate) > pki.issued_at(stored.certificate)
        or pki.expiry(stored.certificate) <= now < pki.expiry(given.certificate)
    )


def _of_another_fleet(given: Bundle, stored: Bundle) -> bool:
    return given.gateway_group_id != stored.gateway_group_id or not (
        pki.fingerprints(given.ca_certificate) & pki.fingerprints(stored.ca_certificate)
    )


def _with_keys_of(given: Bundle, stored: Bundle) -> Bundle:
    if _of_another_fleet(given, stored) or not given.verification_keys:
        return given
    return msgspec.structs.replace(
        given,
        verification_keys={**stored.verification_keys, **given.verification_keys},
        copy_keys={**stored.keys_of_copies(), **given.keys_of_copies()},
        revoked=stored.revoked,
    )


async def enroll(address: str, token: str, instance: str, machine: Machine) -> Bundle:
    """Join with a token: pin the CA it names, send a request for a key of our own, take the certificate.

    Unreachable when nobody answers, Invalid or Unauthorized when we are refused.
    """
    ca = pki.pinned(await _ca_of(address), pki.parse_token(token))
    key = pki.new_key()
    request = Enroll(token=token, csr=pki.create_csr(key, instance), instance=instance, machine=machine)
    return bundle_of(await call_enroll(target(address), ca, request), key, (address,))


def bundle_of(enrolled: Enrolled, key: str, addresses: Sequence[str]) -> Bundle:
    """What is stored of an answer to `Enroll` or `Renew`; `addresses` are those known until now."""
    return Bundle(
        certificate=enrolled.certificate,
        private_key=key,
        ca_certificate=enrolled.ca_certificate,
        gateway_group_id=enrolled.group,
        verification_keys=enrolled.verification_keys,
        snapshot_key=enrolled.snapshot_key,
        dp_manager_addresses=tuple(dict.fromkeys((*addresses, *enrolled.dp_manager_addresses))),
        copy_keys=enrolled.copy_keys,
    )


def target(address: str) -> str:
    """`host:port` of a DP Manager's address; Invalid when it is not an https URL."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise Invalid(f"[{address}] is not the address of a DP Manager: it must look like https://host:{DEFAULT_PORT}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or DEFAULT_PORT}"


def addresses_of(offered: Invitation, known: Bundle | None) -> tuple[str, ...]:
    """Where DP Managers may be: what the options say, then what the node was told. Invalid when there is nothing.

    What the node was told and is no address is left out: somebody's mistake must not keep it from the others.
    """
    told = [address for address in (known.dp_manager_addresses if known else ()) if _is_address(address)]
    found = tuple(dict.fromkeys((*offered.addresses, *told)))
    if not found:
        raise Invalid("give the address of the DP Manager with --dp-manager https://host:7943")
    for address in found:
        target(address)
    return found


def _is_address(text: str) -> bool:
    try:
        return bool(target(text))
    except Invalid:
        return False


async def _ca_of(address: str) -> str:
    """The certificates a DP Manager shows to everybody; nothing is trusted before the token confirms it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with httpx.AsyncClient(verify=context, timeout=5, trust_env=False) as client:
            answer = await client.get(
                f"https://{target(address)}{fleet.CA_PATH}", extensions={"sni_hostname": pki.SERVER_NAME}
            )
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"the DP Manager [{address}] does not answer: {error!r}") from error
    return answer.text
