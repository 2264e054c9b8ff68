"""Waiting for connections to be gone."""

import asyncio

from hub.departures import Departures


async def test_it_waits_for_those_named_and_for_nobody_else() -> None:
    departures = Departures()
    waiting = asyncio.ensure_future(departures.gone([1, 2], 10.0))
    await asyncio.sleep(0)
    for number in (3, 1):
        departures.ended(number)
    await asyncio.sleep(0)
    assert not waiting.done()
    departures.ended(2)
    assert await waiting == 0


async def test_patience_has_an_end_and_the_rest_is_counted() -> None:
    departures = Departures()
    departures.ended(1)
    assert await departures.gone([1, 2], 0.0) == 2
    assert await departures.gone([], 10.0) == 0
