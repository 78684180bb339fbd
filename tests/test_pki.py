"""Certificates, tokens and bundles: what holds, and what is refused with which words."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from gatefleet import pki
from gatefleet.errors import Invalid
from gatefleet.pki import Bundle, Identity

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CA = pki.create_ca(NOW)
WHO = Identity("default", "node-1")


def test_a_client_certificate_states_group_and_instance_whatever_the_request_says() -> None:
    key = pki.new_key()
    certificate = pki.sign_csr(CA, pki.create_csr(key, "group/other/instance/x"), WHO, NOW)
    assert pki.identity_of(certificate) == WHO
    assert pki.expiry(certificate) == NOW + pki.CLIENT_LIFE
    assert NOW + timedelta(days=19) < pki.renew_at(certificate) < NOW + timedelta(days=21)
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    loaded.verify_directly_issued_by(x509.load_pem_x509_certificate(CA.certificate.encode()))
    pki.check_pair(pki.Pair(certificate, key))


@pytest.mark.parametrize(
    "csr", ["", "no request", pki.create_csr(pki.new_key(), "x").replace("M", "N", 3)], ids=("empty", "text", "broken")
)
def test_a_bad_request_for_a_certificate_is_refused(csr: str) -> None:
    with pytest.raises(Invalid, match="certificate request"):
        pki.sign_csr(CA, csr, WHO, NOW)


def test_a_server_certificate_names_hosts_and_addresses_and_brings_its_ca() -> None:
    pair = pki.issue_server(CA, ("dpm.example", "127.0.0.1", "::1"), NOW)
    names = x509.load_pem_x509_certificate(pair.certificate.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["dpm.example"]
    assert [str(a) for a in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert CA.certificate in pair.certificate
    with pytest.raises(Invalid, match="names no gateway group"):
        pki.identity_of(pair.certificate)


def test_certificate_and_key_must_belong_together() -> None:
    one, two = pki.self_signed(("a",), NOW), pki.self_signed(("b",), NOW)
    pki.check_pair(one)
    with pytest.raises(Invalid, match="does not belong"):
        pki.check_pair(pki.Pair(one.certificate, two.key))
    with pytest.raises(Invalid, match="cannot be read"):
        pki.check_pair(pki.Pair(one.certificate, "no key"))


def test_a_join_token_insists_on_its_ca() -> None:
    token = pki.mint_token(CA.certificate)
    assert pki.parse_token(f" {token.plain}\n") == token
    assert token.secret not in token.hashed
    other = pki.create_ca(NOW)
    assert pki.pinned(other.certificate + CA.certificate, token) == CA.certificate
    with pytest.raises(Invalid, match="someone in between"):
        pki.pinned(other.certificate, token)


@pytest.mark.parametrize("plain", ["", "a7ee-", "a7ee-abc.def", "a7adm-" + "a" * 32 + "." + "0" * 64])
def test_what_is_no_join_token_is_said_so(plain: str) -> None:
    with pytest.raises(Invalid, match="not a join token"):
        pki.parse_token(plain)


def test_a_bundle_goes_to_a_file_and_back() -> None:
    bundle = Bundle("c", "k", "ca", "default", {"k": b"v" * 32}, b"c" * 32, {}, ("f",), ("https://a:7943",), ("p:1",))
    assert Bundle.from_json(bundle.to_json()) == bundle
    with pytest.raises(Invalid, match="not a join bundle"):
        Bundle.from_json(b"{}")
    with pytest.raises(Invalid, match=r"format \[2\]"):
        Bundle.from_json(bundle.to_json().replace(b'"private_key"', b'"format": 2, "private_key"'))


def test_a_revocation_list_names_the_revoked() -> None:
    certificate = pki.issue_client(CA, WHO, NOW).certificate
    crl = x509.load_pem_x509_crl(pki.revocation_list(CA, [pki.serial(certificate)], NOW).encode())
    number = x509.load_pem_x509_certificate(certificate.encode()).serial_number
    assert crl.get_revoked_certificate_by_serial_number(number)
    assert not crl.get_revoked_certificate_by_serial_number(number + 1)
