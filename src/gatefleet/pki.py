"""Certificates, join tokens and join bundles; pure but for fresh keys.

The time is always an argument. Identity and group of a node stand in its certificate as the URI
`spiffe://gatefleet/group/<group>/instance/<instance>`; nothing a node says elsewhere counts.
"""

import base64
import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatefleet.errors import Invalid

SERVER_NAME: Final = "dp-manager.gatefleet"
"""The name nodes ask a DP Manager for (SNI) and check: it answers with our CA's certificate whatever its address is."""
CA_LIFE: Final = timedelta(days=3650)
SERVER_LIFE: Final = timedelta(days=365)
CLIENT_LIFE: Final = timedelta(days=30)
BUNDLE_LIFE: Final = timedelta(days=365)
"""A client certificate handed out as a file lives longer than one a node renews by itself."""
SHARED: Final = "bundle-"
"""How the instance in a certificate handed out as a file begins."""
_SKEW: Final = timedelta(hours=3)
"""Certificates begin this much earlier, for clocks that are slow: also by an hour, as after a wrong summer time."""
_URI: Final = re.compile(r"spiffe://gatefleet/group/([\w.~-]+)/instance/([\w.~-]+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client certificate speaks for."""

    group: str
    instance: str

    @property
    def shared(self) -> bool:
        """It stands in a certificate handed out as a file: any number of nodes may use it, under names of their own."""
        return self.instance.startswith(SHARED)

    @property
    def uri(self) -> str:
        return f"spiffe://gatefleet/group/{self.group}/instance/{self.instance}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


class Bundle(msgspec.Struct, frozen=True, omit_defaults=True):
    """All a node needs to join, or to start while the control plane is away; as JSON in a file (keys in base64)."""

    certificate: str
    private_key: str
    ca_certificate: str
    gateway_group_id: str
    verification_keys: Mapping[str, bytes]
    """Key id to Ed25519 public key; several while keys are exchanged."""
    snapshot_key: bytes
    """AES-256 key of the group's newest snapshot copies."""
    copy_keys: Mapping[str, bytes] = {}
    """Key id to AES-256 key of snapshot copies; those of `verification_keys`, none from too old control planes."""
    revoked: tuple[str, ...] = ()
    """Fingerprints of the group's revoked certificates, as `certificate_hash` writes them."""
    dp_manager_addresses: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    """Other nodes of the group, which have copies too."""
    format: int = 1

    def keys_of_copies(self) -> Mapping[str, bytes]:
        """Key id to the key that copies sealed with it are encrypted with."""
        return self.copy_keys or dict.fromkeys(self.verification_keys, self.snapshot_key)

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def from_json(cls, body: bytes) -> "Bundle":
        """Invalid when `body` is not a join bundle of a format we know."""
        try:
            bundle = msgspec.json.decode(body, type=cls)
        except msgspec.DecodeError as error:
            raise Invalid(f"this is not a join bundle: {error}") from error
        if bundle.format != 1:
            raise Invalid(f"join bundle of format [{bundle.format}]: this version of gatefleet reads format 1")
        return bundle


# Certificates


def new_key() -> str:
    """A fresh P-256 private key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def create_ca(now: datetime) -> Pair:
    """A new certificate authority, good for ten years."""
    key = new_key()
    private = _private(key)
    name = _name("Gatefleet CA")
    builder = _builder(name, name, private.public_key(), now, CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
    return Pair(_pem(builder.sign(private, hashes.SHA256())), key)


def create_csr(key: str, name: str) -> str:
    """A certificate request (PEM) for a node's own key; `name` is for people only."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    return builder.sign(_private(key), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def sign_csr(ca: Pair, csr: str, identity: Identity, now: datetime, life: timedelta = CLIENT_LIFE) -> str:
    """A client certificate for the key in `csr`; the names in the request are ignored. Invalid when it is broken."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        valid = request.is_signature_valid
    except ValueError as error:
        raise Invalid(f"the certificate request cannot be read: {error}") from error
    public = request.public_key()
    if not valid or not isinstance(public, ec.EllipticCurvePublicKey):
        raise Invalid("the certificate request must be signed with its own elliptic-curve key")
    names = (x509.UniformResourceIdentifier(identity.uri), x509.DNSName(peer_name(identity.group)))
    uses = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    return _issue(ca, identity.instance, public, names, now, life, uses)


def issue_client(ca: Pair, identity: Identity, now: datetime, life: timedelta = BUNDLE_LIFE) -> Pair:
    """A client certificate with a fresh key."""
    key = new_key()
    return Pair(sign_csr(ca, create_csr(key, identity.instance), identity, now, life), key)


def issue_server(ca: Pair, names: Iterable[str], now: datetime, life: timedelta = SERVER_LIFE) -> Pair:
    """A server certificate for DNS names and addresses, followed by the CA's own."""
    key, wanted = new_key(), tuple(names)
    public = _private(key).public_key()
    issued = _issue(ca, wanted[0], public, _alternatives(wanted), now, life, (ExtendedKeyUsageOID.SERVER_AUTH,))
    return Pair(issued + ca.certificate, key)


def self_signed(names: Iterable[str], now: datetime, life: timedelta = SERVER_LIFE) -> Pair:
    """A server certificate that nobody vouches for."""
    key, wanted = new_key(), tuple(names)
    private, name = _private(key), _name(wanted[0])
    builder = _builder(name, name, private.public_key(), now, life)
    builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(wanted)), critical=False)
    return Pair(_pem(builder.sign(private, hashes.SHA256())), key)


def revocation_list(ca: Pair, serials: Iterable[str], now: datetime) -> str:
    """The CA's list of revoked certificates (PEM), by serial numbers as `serial` writes them."""
    builder = x509.CertificateRevocationListBuilder()
    builder = builder.issuer_name(_load(ca.certificate).subject).last_update(now - _SKEW).next_update(now + CA_LIFE)
    for number in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(int(number, 16)).revocation_date(now)
        builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(_private(ca.key), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def check_pair(pair: Pair) -> None:
    """Invalid unless certificate and key can be read and belong together."""
    try:
        key = load_pem_private_key(pair.key.encode(), None)
    except (ValueError, TypeError) as error:
        raise Invalid(f"the private key cannot be read: {error}") from error
    if key.public_key() != _load(pair.certificate).public_key():
        raise Invalid("the private key does not belong to the certificate")


def check_ca(pair: Pair) -> None:
    """Invalid unless this authority can issue certificates now."""
    check_pair(pair)
    found = _load(pair.certificate)
    try:
        may = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        may = False
    if not may:
        raise Invalid("the certificate is no CA's: it lacks the basic constraint CA:TRUE")
    if found.not_valid_after_utc <= datetime.now(UTC):
        raise Invalid("the CA's certificate has expired")
    _private(pair.key)


def serial(certificate: str) -> str:
    """The serial number as 40 hex digits."""
    return f"{_load(certificate).serial_number:040x}"


def certificate_hash(certificate: str) -> str:
    """SHA-256 of the whole certificate (DER), hex: how Envoy names a client's certificate."""
    return _load(certificate).fingerprint(hashes.SHA256()).hex()


def expiry(certificate: str) -> datetime:
    return _load(certificate).not_valid_after_utc


def renew_at(certificate: str) -> datetime:
    """When two thirds of its life are over: time to ask for the next one."""
    found = _load(certificate)
    return found.not_valid_before_utc + (found.not_valid_after_utc - found.not_valid_before_utc) * 2 / 3


def issued_at(certificate: str) -> datetime:
    return _load(certificate).not_valid_before_utc


def is_a_nodes_own(certificate: str) -> bool:
    """Whether it is one node's, and one that its peers know it by; others are exchanged at the first chance."""
    identity, names = identity_of(certificate), _names(_load(certificate))
    return not identity.shared and peer_name(identity.group) in names.get_values_for_type(x509.DNSName)


def identity_of(certificate: str) -> Identity:
    """Group and instance of a client certificate of ours; Invalid when it has none."""
    return identity_in(" ".join(_names(_load(certificate)).get_values_for_type(x509.UniformResourceIdentifier)))


def identity_in(uri: str) -> Identity:
    """The identity a SAN URI states; Invalid when it is none of ours."""
    if not (found := _URI.fullmatch(uri)):
        raise Invalid("the certificate names no gateway group")
    return Identity(*found.groups())


def peer_name(group: str) -> str:
    """The name nodes of a group ask each other for (SNI) and check; only their certificates have it."""
    return f"{hashlib.sha256(group.encode()).hexdigest()[:32]}.peer.gatefleet"


def fingerprint(certificate: str) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER), 64 hex digits; stays when a CA is renewed."""
    spki = _load(certificate).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


# Join tokens: a7ee-<secret>.<fingerprint of the CA's public key>


@dataclass(frozen=True, slots=True)
class JoinToken:
    """The two halves of a join token: the secret that admits a node, the CA the node has to insist on."""

    secret: str
    ca: str

    @property
    def plain(self) -> str:
        return f"a7ee-{self.secret}.{self.ca}"

    @property
    def hashed(self) -> str:
        """What is stored; the secret is 256 random bits, so one round of SHA-256 is enough."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def mint_token(ca_certificate: str) -> JoinToken:
    return JoinToken(base64.b32encode(os.urandom(32)).decode().rstrip("=").lower(), fingerprint(ca_certificate))


def parse_token(plain: str) -> JoinToken:
    """Invalid when `plain` does not look like a join token."""
    if not (found := re.fullmatch(r"a7ee-([a-z0-9]{16,128})\.([0-9a-f]{64})", plain.strip())):
        raise Invalid("this is not a join token: it must look like a7ee-<secret>.<64 hex digits>")
    return JoinToken(found[1], found[2])


def fingerprints(certificates: str) -> frozenset[str]:
    """Those of all certificates of a PEM text."""
    return frozenset(fingerprint(found) for found in _each(certificates))


def pinned(certificates: str, token: JoinToken) -> str:
    """The one certificate of a PEM text that the token insists on; Invalid when it is not among them."""
    for found in _each(certificates):
        if fingerprint(found) == token.ca:
            return found
    raise Invalid("the DP Manager does not have the CA that the join token names: wrong address, or someone in between")


def _each(certificates: str) -> list[str]:
    return re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", certificates, re.DOTALL)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName(())


def _issue(
    ca: Pair,
    name: str,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    names: Iterable[x509.GeneralName],
    now: datetime,
    life: timedelta,
    uses: Iterable[x509.ObjectIdentifier],
) -> str:
    authority, private = _load(ca.certificate), _private(ca.key)
    builder = _builder(_name(name), authority.subject, public, now, life)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key())
    return _pem(builder.add_extension(issuer, critical=False).sign(private, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name((x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),))


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    return [_address(n) or x509.DNSName(n) for n in names]


def _address(name: str) -> x509.IPAddress | None:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return None


def _private(key: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    loaded = load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise Invalid("the private key must be an elliptic-curve or RSA key")
    return loaded


def _load(certificate: str) -> x509.Certificate:
    """The first certificate of a PEM text; Invalid when there is none."""
    try:
        return x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise Invalid(f"the certificate cannot be read: {error}") from error


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
