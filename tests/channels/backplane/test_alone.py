"""The bus of a node alone, beside the one that joins nodes in the tests: what both must do."""

import asyncio
from collections.abc import Callable

import pytest

from channels.backplane.alone import AloneBus
from channels.backplane.bus import Bus, News, Told
from tests.support.bus import Wire

BUSES: dict[str, Callable[[], Bus]] = {"alone": lambda: AloneBus("n1"), "wire": lambda: Wire().bus("n1")}


@pytest.fixture(params=list(BUSES))
def bus(request: pytest.FixtureRequest) -> Bus:
    return BUSES[request.param]()


@pytest.mark.clause("R11")
async def test_each_claim_of_a_session_is_above_the_one_before(bus: Bus) -> None:
    claims = [await bus.claim("s-1") for _ in range(3)]
    assert claims == sorted(set(claims))
    assert claims[0] >= 1


@pytest.mark.clause("C25")
async def test_who_comes_and_goes_is_news_until_it_is_told(bus: Bus) -> None:
    (joined,) = await bus.present("room:1", {"ann": 5.0})
    assert joined == News("ann", "join", 5.0, 1, joined.mark)
    assert await bus.present("room:1", {"ann": 6.0}) == [joined]
    await bus.told("room:1", [Told("ann", joined.mark, "e1")])
    assert await bus.present("room:1", {"ann": 5.0}, "e1") == []
    (left,) = await bus.present("room:1", {"ann": None})
    assert (left.event, left.since, left.connections, left.mark > joined.mark) == ("leave", 5.0, 0, True)


@pytest.mark.clause("N17")
async def test_alone_nobody_hears_and_nobody_is_there(bus: Bus) -> None:
    heard: list[str] = []
    bus.listen("kind", lambda node, _: heard.append(node))
    bus.on_silent(heard.append)
    bus.on_ended(heard.append)
    bus.on_returned(lambda: heard.append("returned"))
    bus.on_missed(lambda: heard.append("missed"))
    bus.tell("kind", {}, keep=True)
    await asyncio.sleep(0)
    await bus.vacate("room:1")
    await bus.bury("n2", _nobody)
    there = dict(bus.nodes()), list(await bus.others()), list(await bus.former())
    assert (bus.node, there, heard, bus.is_contested) == ("n1", ({}, [], []), [], False)


async def _nobody(*_: object) -> None:
    raise AssertionError("nobody was there")
