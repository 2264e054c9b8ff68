"""Who is present, counted over nodes (C25, N16): the bus of the tests and that of Redis obey the same rules."""

from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from channels.backplane.bus import MOST_NEWS, Bus, News, Told
from channels.errors import LogUnavailable
from tests.support.bus import Wire
from tests.support.redis import RedisServer, needs_redis
from tests.support.redis_nodes import nodes

ROOM = "room:1"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(params=["wire", pytest.param("redis", marks=needs_redis)])
async def buses(request: pytest.FixtureRequest) -> AsyncIterator[list[Bus]]:
    if request.param == "wire":
        wire = Wire()
        yield [wire.bus(name) for name in "abc"]
        return
    server = request.getfixturevalue("server")
    server.command("FLUSHALL")
    async with nodes(server, "a", "b", "c") as started:
        yield [node.bus for node in started]


async def told(bus: Bus, news: Sequence[News], epoch: str = "e1", channel: str = ROOM) -> list[tuple[str, str]]:
    """They are stored, and the bus knows it. -> what they were"""
    await bus.told(channel, [Told(one.subject, one.mark, epoch) for one in news])
    return [(one.event, one.subject) for one in news]


class Teller:
    """Tells what a bus has to tell, as long as it can."""

    def __init__(self, bus: Bus, most: int = 1_000) -> None:
        self.news: list[tuple[str, str]] = []
        self.marks: list[int] = []
        self.most = most
        self._bus = bus

    async def __call__(self, channel: str, news: Sequence[News]) -> None:
        if len(self.news) + len(news) > self.most:
            raise LogUnavailable("the companion takes nothing")
        self.marks += [one.mark for one in news]
        self.news += await told(self._bus, news, channel=channel)


@pytest.mark.clause("C25")
async def test_the_first_node_that_has_a_subject_and_the_last_that_had_it_make_news(buses: list[Bus]) -> None:
    a, b, _ = buses
    assert await told(a, await a.present(ROOM, {"ann": 5.0})) == [("join", "ann")]
    assert await b.present(ROOM, {"ann": 7.0, "bob": None}) == []
    assert await a.present(ROOM, {"ann": None}) == []
    (left,) = await b.present(ROOM, {"ann": None})
    assert (left.event, left.since, left.connections) == ("leave", 5.0, 0)


@pytest.mark.clause("C25")
async def test_news_that_nobody_told_go_to_whoever_asks_next_in_their_order(buses: list[Bus]) -> None:
    a, b, _ = buses
    await a.present(ROOM, {"ann": 5.0})
    await a.present(ROOM, {"ann": None})
    news = await b.present(ROOM, {"ann": 9.0})
    assert [(one.event, one.since) for one in news] == [("join", 5.0), ("leave", 5.0), ("join", 9.0)]
    assert [one.mark for one in news] == sorted({one.mark for one in news})
    assert await a.present(ROOM, {"ann": None}) == news
    await told(b, news[:2])
    assert await a.present(ROOM, {"ann": None}) == news[2:]


@pytest.mark.clause("C25")
async def test_news_that_wait_are_bounded_and_the_last_says_how_things_are(buses: list[Bus]) -> None:
    a, *_ = buses
    news: Sequence[News] = ()
    for _ in range(MOST_NEWS):
        await a.present(ROOM, {"ann": 5.0})
        news = await a.present(ROOM, {"ann": None})
    assert (len(news), news[-1].event) == (MOST_NEWS, "leave")


@pytest.mark.clause("C25", "N4")
async def test_whose_join_a_companion_has_lost_is_told_once_more_by_one_of_the_nodes(buses: list[Bus]) -> None:
    a, b, _ = buses
    await told(a, await a.present(ROOM, {"ann": 5.0, "bob": 6.0}))
    await b.present(ROOM, {"ann": 8.0})
    assert await a.present(ROOM, {"ann": 5.0, "bob": 6.0}, "e1") == []
    again = await a.present(ROOM, {"ann": 5.0, "bob": 6.0}, "e2")
    assert [(one.event, one.subject, one.since) for one in again] == [("join", "ann", 5.0), ("join", "bob", 6.0)]
    assert await b.present(ROOM, {"ann": 8.0}, "e2") == again[:1]
    await told(b, again, "e2")
    for bus in (a, b):
        assert await bus.present(ROOM, {"ann": 8.0}, "e2") == []


@pytest.mark.clause("C25", "N16")
async def test_who_was_only_on_a_node_that_is_buried_has_left(buses: list[Bus]) -> None:
    a, b, c = buses
    await told(c, await c.present(ROOM, {"ann": 5.0, "bob": 6.0}))
    await told(c, await c.present("room:2", {"ann": 5.0}), channel="room:2")
    await told(a, await a.present(ROOM, {"bob": 7.0}))
    teller = Teller(b)
    await b.bury("c", teller)
    assert sorted(teller.news) == [("leave", "ann"), ("leave", "ann")]
    assert await b.present(ROOM, {"bob": 9.0}) == []
    await b.bury("c", teller)
    assert len(teller.news) == 2


@pytest.mark.clause("C25", "N16")
async def test_what_somebody_struck_and_could_not_tell_is_told_by_who_takes_over(buses: list[Bus]) -> None:
    a, b, c = buses
    for room in ("room:1", "room:2", "room:3"):
        await told(c, await c.present(room, {"ann": 5.0}), channel=room)
    teller = Teller(a, most=1)
    with pytest.raises(LogUnavailable):
        await a.bury("c", teller)
    # Who struck it is gone, too; meanwhile the subject comes back elsewhere, where it cannot be told either.
    await b.present("room:2", {"ann": 9.0})
    other = Teller(b)
    await b.bury("c", other)
    assert teller.news == [("leave", "ann")]
    assert [event for event, _ in other.news].count("leave") == 2
    assert [event for event, _ in other.news].count("join") == 1
    assert await a.present("room:2", {"ann": None}) == []


@pytest.mark.clause("C25", "N16")
async def test_news_that_a_node_made_and_took_with_it_are_told_by_who_buries_it(buses: list[Bus]) -> None:
    a, _, c = buses
    await told(c, await c.present(ROOM, {"ann": 5.0}))
    await c.present(ROOM, {"ann": None})
    await c.present(ROOM, {"bob": 6.0})
    teller = Teller(a)
    await a.bury("c", teller)
    assert sorted(teller.news) == [("join", "bob"), ("leave", "ann"), ("leave", "bob")]
    assert teller.news.index(("join", "bob")) < teller.news.index(("leave", "bob"))


@pytest.mark.clause("C25")
async def test_a_node_knows_what_a_former_life_of_it_said(buses: list[Bus]) -> None:
    a, b, _ = buses
    await a.present(ROOM, {"ann": 5.0, "bob": 6.0})
    await a.present("room:2", {"ann": 5.0})
    await b.present(ROOM, {"cy": 7.0})
    await a.present(ROOM, {"bob": None})
    assert sorted(await a.former()) == [("room:1", "ann"), ("room:2", "ann")]
