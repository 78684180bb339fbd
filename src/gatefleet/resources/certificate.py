"""Whether a certificate and its key can be served: RSA from 2048 bits, or ECDSA on P-256, P-384 or P-521."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

RSA_BITS = 2048
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


def pair_problem(certificate: str, key: str) -> str | None:
    """Why this pair cannot be served, in words; None if it can."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return "the certificate is not valid PEM"
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        return "the key is not a valid unencrypted PEM private key"
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < RSA_BITS:
            return f"the RSA key has {private.key_size} bits; at least {RSA_BITS} are needed"
    elif not (isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES):
        return "the key must be RSA, or ECDSA on P-256, P-384 or P-521"
    if _public(private.public_key()) != _public(leaf.public_key()):
        return "the key does not belong to the certificate"
    return None


def _public(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
