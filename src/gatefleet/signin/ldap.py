"""Whether a directory knows a user by this password: one simple bind (RFC 4513 5.1.3), as ldap-auth asks for it."""

import asyncio
import ssl
from functools import cache
from typing import Final

import msgspec
import structlog

from gatefleet.outbound import Denied, Outbound
from gatefleet.signin import ldap_messages

log = structlog.get_logger()

CONNECT: Final = 3.0
"""Seconds a directory gets to take a connection, TLS included."""
ANSWER: Final = 5.0
"""Seconds it gets to answer."""
MOST_BYTES: Final = 65536
"""Of an answer; the one to a bind has about twenty."""
SUCCESS: Final = 0
_SPECIAL: Final = frozenset('"+,;<>\\=')


class Question(msgspec.Struct, frozen=True):
    """Whether `<uid>=<username>,<base_dn>` has this password."""

    host: str
    port: int
    use_tls: bool
    tls_verify: bool
    base_dn: str
    uid: str
    username: bytes
    password: bytes
    """Both as the client sent them; in base64 in JSON."""


class Answer(msgspec.Struct, frozen=True):
    """`dn` is empty where the directory does not say yes."""

    dn: str = ""


async def answer(outbound: Outbound, question: Question) -> Answer:
    """Ask the directory; whatever goes wrong is a no."""
    if not question.username or not question.password:
        return Answer()  # a bind without a password is answered "success" (RFC 4513 5.1.2), whoever it is
    try:
        dn = f"{question.uid}={escaped(question.username.decode())},{question.base_dn}"
        code = await _bound(outbound, question, dn)
    except UnicodeDecodeError:
        return Answer()
    except (Denied, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
        log.warning("a directory did not answer", host=question.host, port=question.port, reason=repr(error))
        return Answer()
    return Answer(dn if code == SUCCESS else "")


def escaped(value: str) -> str:
    """A value as it stands in a distinguished name (RFC 4514 2.4): it cannot end where a client likes."""
    inner = "".join(map(_escaped, value))
    first, last = inner[:1], inner[-1:]
    leading = "\\" if first in ("#", " ") else ""
    return f"{leading}{inner[:-1]}\\ " if last == " " and len(inner) > 1 else leading + inner


def _escaped(char: str) -> str:
    if char in _SPECIAL:
        return "\\" + char
    return f"\\{ord(char):02x}" if ord(char) < 32 or ord(char) == 127 else char


async def _bound(outbound: Outbound, question: Question, dn: str) -> int:
    """The result code of the bind. Raises Denied, OSError, TimeoutError and ValueError."""
    tls = context(verify=question.tls_verify) if question.use_tls else None
    async with asyncio.timeout(CONNECT):
        address = await outbound.address(question.host, question.port)
        reader, writer = await asyncio.open_connection(
            address, question.port, ssl=tls, server_hostname=question.host if tls else None, limit=MOST_BYTES
        )
    try:
        async with asyncio.timeout(ANSWER):
            writer.write(ldap_messages.bind(dn, question.password))
            await writer.drain()
            return ldap_messages.result(await _message(reader))
    finally:
        writer.transport.abort()


@cache
def context(*, verify: bool) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


async def _message(reader: asyncio.StreamReader) -> bytes:
    """The bytes of one message: a tag, a length in one of BER's two forms, and so much more (X.690 8.1.3)."""
    head = await reader.readexactly(2)
    size = head[1]
    if size & 0x80:
        more = await reader.readexactly(size & 0x7F)
        head, size = head + more, int.from_bytes(more, "big")
    if size > MOST_BYTES:
        raise ValueError(f"an answer of {size} bytes")
    return head + await reader.readexactly(size)
