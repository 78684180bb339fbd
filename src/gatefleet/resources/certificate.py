"""Certificates as PEM: what they say, and whether one can be served with its key.

Served are RSA from 2048 bits, and ECDSA on P-256, P-384 or P-521.
"""

from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gatefleet.errors import Invalid
from gatefleet.references import is_reference

RSA_BITS = 2048
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


def pair_problem(certificate: str, key: str) -> str | None:
    """Why this pair cannot be served, in words; None if it can."""
    try:
        public = _public(x509.load_pem_x509_certificates(certificate.encode())[0].public_key())
    except (ValueError, UnsupportedAlgorithm):
        return "the certificate is not valid PEM"
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "the key is not a valid unencrypted PEM private key"
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < RSA_BITS:
            return f"the RSA key has {private.key_size} bits; at least {RSA_BITS} are needed"
    elif not (isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES):
        return "the key must be RSA, or ECDSA on P-256, P-384 or P-521"
    if _public(private.public_key()) != public:
        return "the key does not belong to the certificate"
    return None


def authorities_problem(certificates: str) -> str | None:
    """Why this is no list of certificates in PEM, in words; None if it is."""
    try:
        x509.load_pem_x509_certificates(certificates.encode())
    except ValueError:
        return "the certificate is not valid PEM"
    return None


def described(certificate: str) -> dict[str, Any]:
    """What the first certificate of a PEM text says of itself; times in Unix seconds. Invalid if it is not PEM.

    Nothing for one that is kept outside.
    """
    if is_reference(certificate):
        return {}
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
        return {
            "subject": leaf.subject.rfc4514_string(),
            "issuer": leaf.issuer.rfc4514_string(),
            "serial_number": f"{leaf.serial_number:x}",
            "snis": _names(leaf),
            "not_before": int(leaf.not_valid_before_utc.timestamp()),
            "not_after": int(leaf.not_valid_after_utc.timestamp()),
            "sha256": leaf.fingerprint(hashes.SHA256()).hex(),
        }
    except ValueError as error:
        raise Invalid("the certificate is not valid PEM") from error


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _public(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
