"""Questions to the sign-in process are bounded, in number, in size and in time, and it survives every one of them."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from gatefleet.signin.desk import Desk
from gatefleet.signin.serve import MOST_BYTES, App

pytestmark = pytest.mark.anyio


class Question(msgspec.Struct):
    what: str


class Answer(msgspec.Struct):
    said: str


async def answer(question: Question) -> Answer:
    if question.what == "wait":
        await asyncio.sleep(0.3)
    if question.what == "break":
        raise RuntimeError("broken")
    return Answer(question.what)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = App({"/echo": Desk(Question, answer, most=2, patience=30.0), "/short": Desk(Question, answer, 2, 0.05)})
    transport = httpx.ASGITransport(app)  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://signin") as found:
        yield found


async def test_a_question_is_answered_and_what_is_none_is_not(client: httpx.AsyncClient) -> None:
    assert (await client.post("/echo", json={"what": "hello"})).json() == {"said": "hello"}
    assert (await client.get("/ready")).status_code == 200
    assert (await client.post("/other", json={})).status_code == 404
    assert (await client.post("/echo", json={"what": 1})).status_code == 400
    assert (await client.post("/echo", json={"what": "break"})).status_code == 500
    assert (await client.post("/echo", json={"what": "x" * MOST_BYTES})).status_code == 400


async def test_no_more_than_so_many_are_answered_at_once_and_none_takes_for_ever(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/echo", json={"what": "wait"}) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [200, 200, 503, 503, 503]
    assert (await client.post("/short", json={"what": "wait"})).status_code == 503
    assert (await client.post("/echo", json={"what": "again"})).status_code == 200
