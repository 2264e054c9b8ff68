"""What filters have to judge before a subscription is answered, and who waits for it."""

import asyncio

import pytest

from channels._native import Filter
from channels.broker import Broker
from channels.catching_up import Errors
from channels.config import Catalog
from channels.errors import Overloaded
from channels.judging import AT_ONCE
from channels.subscription import SubscribeSpec
from tests.support.plane import FakePlane

MINE = Filter(b'{"key":"a"}')


def spec(channel: str = "logs", **options: object) -> SubscribeSpec:
    return SubscribeSpec(channel, "all", "gap", **{"start": ("last", 5), "filter": MINE, **options})  # type: ignore[arg-type]


async def broker(plane: FakePlane) -> Broker:
    made = Broker(plane, Catalog(), node="n1")
    await made.start()
    return made


def never(_: Errors) -> None:
    pytest.fail("expected an answer at once")


@pytest.mark.clause("R9")
@pytest.mark.parametrize(
    ("left", "asked"),
    [(AT_ONCE, spec()), (10**9, spec(filter=None)), (10**9, spec(keep=True))],
)
async def test_little_nothing_and_what_stays_where_it_is_is_not_waited_for(left: int, asked: SubscribeSpec) -> None:
    plane = FakePlane()
    plane.unjudged = left
    made = await broker(plane)
    assert made.follow("ann", [asked], never) == {}
    await made.stop()


@pytest.mark.clause("R9", "C23")
async def test_a_long_past_is_waited_for_and_its_log_stays_open() -> None:
    plane = FakePlane()
    plane.unjudged = AT_ONCE + 1
    made = await broker(plane)
    answer: asyncio.Future[Errors] = asyncio.get_running_loop().create_future()
    assert made.follow("ann", [spec(), spec("metrics", policy=MINE, filter=None)], answer.set_result) is None
    assert made.catching_up.is_awaited("logs")
    assert await answer == {}
    assert not made.catching_up.is_awaited("logs")
    await made.stop()


@pytest.mark.clause("M23")
async def test_a_filter_too_many_is_the_fault_of_its_channel() -> None:
    plane = FakePlane()
    plane.is_full = True
    made = await broker(plane)
    errors = made.follow("ann", [spec(), spec("metrics", filter=None)], never)
    assert errors is not None
    assert [(channel, type(error)) for channel, error in errors.items()] == [("logs", Overloaded)]
    with pytest.raises(Overloaded, match="no further filter is taken on logs") as caught:
        made.subscribe(1, "ann", [spec(keep=True)], [b"", b""])
    assert caught.value.channel == "logs"
    await made.stop()


@pytest.mark.clause("F12")
async def test_another_policy_is_taken_whatever_the_bounds_are() -> None:
    plane = FakePlane()
    made = await broker(plane)
    conn = plane.attach_virtual()
    made.subscribe(conn, "ann", [spec()], [b"", b""])
    plane.is_full = True
    made.refilter(conn, [spec(keep=True, policy=Filter(b'{"data":1}'))])
    (sieve,) = [one for one in plane.sieves.values() if one is not None]
    assert (sieve.filter, sieve.policy) == (MINE, Filter(b'{"data":1}'))
    await made.stop()
