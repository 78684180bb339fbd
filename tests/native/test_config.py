"""Filter configurations: APISIX's fields become the module's."""

import pytest

from gatefleet.native.config import (
    answer,
    encode_config,
    ip_restriction_config,
    key_auth_config,
    limit_count_config,
    limit_key,
)


def keys(key: str, key_type: str) -> list[bytes]:
    return [value for _, value in limit_key(key, key_type)]


def test_fields_are_sizes_and_bytes() -> None:
    assert encode_config([("a", b"xy"), ("", b"")]) == b"\1\0\0\0a\2\0\0\0xy" + bytes(8)


@pytest.mark.parametrize(
    ("key", "key_type", "expected"),
    [
        ("remote_addr", "var", [b"$remote_addr"]),
        ("http_x_team", "var", [b"$http_x_team"]),
        ("http_", "var", [b"$remote_addr"]),
        ("no_such", "var", [b"$remote_addr"]),
        ("all", "constant", [b"=all"]),
        ("", "constant", [b"="]),
        ("$remote_addr $http_a", "var_combination", [b"$remote_addr", b"= ", b"$http_a"]),
        ("plain", "var_combination", [b"$remote_addr"]),
        ("a-$no_such", "var_combination", [b"$remote_addr"]),
        ("${http_a ?? none}/${ uri }", "var_combination", [b"$http_a", b"?none", b"=/", b"$uri"]),
        (r"\$http_a$uri", "var_combination", [rb"=\$http_a", b"$uri"]),
    ],
)
def test_keys_become_segments(key: str, key_type: str, expected: list[bytes]) -> None:
    assert keys(key, key_type) == expected


def test_bodies_are_printed_as_apisix_prints_them() -> None:
    assert answer({"message": 'a "b" ü'}) == '{"message":"a \\"b\\" ü"}\n'.encode()
    assert answer("as it is") == b"as it is"
    assert answer(None) == b""


def test_an_error_response_replaces_the_body() -> None:
    assert b'{"no":1}\n' in key_auth_config(error_response={"no": 1})
    assert b"not allowed" not in ip_restriction_config(blacklist=["::1"], error_response="no")
    assert b"slow" not in limit_count_config(
        owner="r", count=1, time_window=1, rejected_msg="slow", error_response="no"
    )


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        ip_restriction_config(whitelist=["10.0.0.0/8", "example.com"])


def test_absurd_values_are_refused() -> None:
    with pytest.raises(ValueError, match="realm"):
        key_auth_config(realm="x" * 401)
    with pytest.raises(ValueError, match="negative"):
        limit_count_config(owner="r", count=-1, time_window=1)
