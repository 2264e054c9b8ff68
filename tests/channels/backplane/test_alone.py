"""The bus of a node alone, beside the one that joins nodes in the tests: what both must do."""

import asyncio
from collections.abc import Callable

import pytest

from channels.backplane.alone import AloneBus
from channels.backplane.bus import Bus, Member
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
async def test_the_first_to_join_and_the_last_to_leave_are_news(bus: Bus) -> None:
    told = [
        await bus.joined("room:1", "ann", 5.0),
        await bus.joined("room:1", "ann", 6.0),
        await bus.joined("room:2", "ann", 7.0),
        await bus.left("room:1", "ann"),
        await bus.left("room:1", "ann"),
        await bus.joined("room:1", "ann", 8.0),
    ]
    assert told == [
        Member(True, 5.0, 1),
        Member(False, 5.0, 2),
        Member(True, 7.0, 1),
        Member(False, 5.0, 1),
        Member(True, 5.0, 0),
        Member(True, 8.0, 1),
    ]


@pytest.mark.clause("N17")
async def test_alone_nobody_hears_and_nobody_is_there(bus: Bus) -> None:
    heard: list[str] = []
    bus.listen("kind", lambda node, _: heard.append(node))
    bus.on_silent(heard.append)
    bus.tell("kind", {}, keep=True)
    await asyncio.sleep(0)
    assert (bus.node, dict(bus.nodes()), heard, list(await bus.bury("n2"))) == ("n1", {}, [], [])
