"""Waiting that neither misses what happens nor loses a cancellation."""

import asyncio

import pytest

from gatefleet.waiting import happens


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_is_not_lost_when_the_event_comes_at_the_same_moment(turns: int) -> None:
    event = asyncio.Event()
    task = asyncio.create_task(happens(event, 30))
    await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.cancel():
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        assert task.result()


async def test_what_does_not_happen_in_time_is_told() -> None:
    assert not await happens(asyncio.Event(), 0.01)
