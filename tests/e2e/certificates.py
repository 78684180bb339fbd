"""Authorities and the certificates they issue, RSA and ECDSA, for tests that need clients and servers of every kind."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate (with the chain it was given), its key, and what is needed to issue more with it."""

    cert: str
    key: str
    made: x509.Certificate
    private: Key

    def file(self, folder: Path, name: str) -> Path:
        """Both in one PEM file."""
        path = folder / f"{name}.pem"
        path.write_text(self.cert + self.key)
        return path


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """One for all tests: making them is slow."""
    return rsa.generate_private_key(65537, 2048)


def authority(name: str = "ca", by: Issued | None = None) -> Issued:
    """A certificate that may sign others, self-signed or below another one."""
    return _issue(name, ec.generate_private_key(ec.SECP256R1()), by, (), ca=True)


def issue(by: Issued, *names: str, key: Key | None = None) -> Issued:
    """A certificate for these DNS names; followed by its authority's if that is below another one."""
    return _issue(names[0], key or ec.generate_private_key(ec.SECP256R1()), by, names, ca=False)


def _issue(common: str, key: Key, by: Issued | None, names: tuple[str, ...], *, ca: bool) -> Issued:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.made.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    made = builder.sign(by.private if by else key, hashes.SHA256())
    chain = by.cert if by and not ca and by.made.issuer != by.made.subject else ""
    pem = made.public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Issued(pem + chain, private, made, key)
