"""What is configured is not connected to where only the machine itself may ask, whatever the name says."""

import asyncio

import httpx
import pytest

from gatefleet.outbound import DENIED, Denied, Outbound, Transport

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "0.0.0.0",  # noqa: S104 - never bound to
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "100.100.100.200",
    ],
)
async def test_metadata_and_link_local_addresses_are_denied_in_every_spelling(host: str) -> None:
    with pytest.raises(Denied, match="must not be connected to"):
        await Outbound().address(host, 80)


async def test_others_are_not_and_which_is_a_setting() -> None:
    assert await Outbound().address("127.0.0.1", 80) == "127.0.0.1"
    with pytest.raises(Denied):
        await Outbound([*DENIED, "127.0.0.0/8"]).address("localhost", 80)
    assert await Outbound([]).address("169.254.169.254", 80) == "169.254.169.254"


class Answering(Outbound):
    """A name server that knows one name, and that it is here."""

    async def address(self, host: str, port: int) -> str:
        assert host == "rebound.test"
        return await super().address("127.0.0.1", port)


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to() -> None:
    """A name may resolve to something else a moment later (DNS rebinding), so it is not resolved again."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(transport=Transport(Answering())) as client:
            assert (await client.get(f"http://rebound.test:{port}/")).status_code == 204
        assert f"Host: rebound.test:{port}".encode() in seen[0]
    async with httpx.AsyncClient(transport=Transport(Outbound())) as client:
        with pytest.raises(httpx.ConnectError, match="must not be connected to"):
            await client.get("http://169.254.169.254/latest/meta-data/")
