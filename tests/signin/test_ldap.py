"""A directory is asked for exactly the entry of the user who is named, and says yes only to who has the password."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gatefleet.outbound import Outbound
from gatefleet.signin import ldap
from tests import directory
from tests.directory import BASE, Directory

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def slapd() -> Iterator[Directory]:
    with directory.running() as found:
        yield found


def question(port: int, user: str, password: str, *, tls: bool = False, verify: bool = False) -> ldap.Question:
    return ldap.Question("127.0.0.1", port, tls, verify, BASE, "cn", user.encode(), password.encode())


@given(st.text(min_size=1, max_size=15).filter(lambda name: not any(0xD800 <= ord(c) < 0xE000 for c in name)))
def test_a_name_stays_one_value_of_a_distinguished_name(name: str) -> None:
    parsed = x509.Name.from_rfc4514_string(f"CN={ldap.escaped(name)},{BASE.upper()}")
    values = [one.value for one in reversed(list(parsed))]
    assert values == [name, "USERS", "EXAMPLE", "ORG"]


async def test_a_directory_knows_its_users_by_their_passwords(slapd: Directory) -> None:
    async def said(user: str, password: str) -> str:
        return (await ldap.answer(Outbound(), question(slapd.port, user, password))).dn

    assert await said("user01", "password1") == f"cn=user01,{BASE}"
    assert await said("Smith, John", "a:b c") == rf"cn=Smith\, John,{BASE}"
    assert [await said(*wrong) for wrong in (("user01", "password2"), ("user01", ""), ("", "x"), ("", ""))] == [""] * 4


async def test_the_certificate_of_a_directory_is_checked_if_that_is_wanted(
    slapd: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = question(slapd.tls_port, "user01", "password1", tls=True, verify=True)
    assert (await ldap.answer(Outbound(), asked)).dn == ""
    monkeypatch.setenv("SSL_CERT_FILE", str(slapd.ca))
    ldap.context.cache_clear()
    assert (await ldap.answer(Outbound(), asked)).dn
    ldap.context.cache_clear()


@pytest.mark.parametrize("said", [b"", b"\x30\x84\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x00"])
async def test_what_is_no_directory_says_yes_to_nobody(said: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await ldap.answer(Outbound(), question(port, "user01", "password1"))).dn == ""


async def test_a_silent_directory_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldap, "ANSWER", 0.2)
    holding = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await holding.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        began = time.monotonic()
        asked = question(server.sockets[0].getsockname()[1], "user01", "password1")
        assert (await ldap.answer(Outbound(), asked)).dn == ""
        assert time.monotonic() - began < 30
        holding.set()
