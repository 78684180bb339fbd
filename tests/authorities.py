"""Certificate authorities as operators have them: with RSA keys, renewed, below another one."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gatefleet.pki import Pair


def rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def authority(key: str, name: str = "Operator CA", *, above: Pair | None = None, days: int = 90) -> Pair:
    """A CA's certificate for `key`, signed by itself or by the one above it."""
    private = load_pem_private_key(key.encode(), None)
    signer = load_pem_private_key(above.key.encode(), None) if above else private
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.load_pem_x509_certificate(above.certificate.encode()).subject if above else subject
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=private.public_key())  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    )
    return Pair(made.public_bytes(Encoding.PEM).decode(), key)
