"""Publications on their way: bounded, in order, gathered while an append is under way (N11)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from channels._native import SignalSystem
from channels.backplane import Followed
from channels.backplane.redis.errors import UnansweredError
from channels.errors import BrokerError, LogUnavailable, MidConflict, Overloaded
from channels.publication import Position, Publication
from tests.support.publishes import batch_of, text
from tests.support.redis import RedisServer
from tests.support.redis_nodes import eventually, nodes, shown


@pytest.fixture
def own() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def batch(*events: str, channel: str = "actions", size: int = 2) -> list[Publication]:
    return [Publication(channel, event, b'"' + b"x" * size + b'"', subject="ann") for event in events]


@pytest.mark.clause("N11")
async def test_more_than_may_wait_is_refused_at_once(own: RedisServer) -> None:
    async with nodes(own, "a", outbox=10) as (a,):
        own.pause()
        waiting = [asyncio.create_task(a.append(f"e{number}")) for number in range(10)]
        await asyncio.sleep(0)
        assert await a.append("beyond") == ["log_unavailable"]
        assert a.backplane.figures.outbox == 10
        own.resume()
        assert len({(await one)[0] for one in waiting}) == 10
        assert a.backplane.figures.outbox == 0
        assert a.backplane.figures.errors["outbox"] == 1


@pytest.mark.clause("N11")
async def test_bytes_that_wait_are_bounded_too(own: RedisServer) -> None:
    async with nodes(own, "a", outbox_bytes=10_000) as (a,):
        own.pause()
        first = asyncio.create_task(a.publish(batch("e", size=9_000)))
        await asyncio.sleep(0)
        assert shown(await a.publish(batch("f", size=2_000))) == ["log_unavailable"]
        own.resume()
        assert len(await first) == 1


async def test_a_publication_beyond_what_the_bus_carries_is_refused(server: RedisServer) -> None:
    async with nodes(server, "a", bus_message=100_000) as (a,):
        (result,) = await a.publish(batch("e", size=100_000))
        assert isinstance(result, Overloaded)
        assert result.limit == 100_000
        assert a.backplane.figures.errors["too_large"] == 1


@pytest.mark.clause("N2")
async def test_what_accumulates_goes_together_and_in_order(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        calls_before = sum(a.backplane.figures.batch_sizes.counts)
        results = await asyncio.gather(*(a.append(f"e{number}") for number in range(1_000)))
        assert [result[0].partition(":")[2] for result in results] == [str(offset) for offset in range(1, 1_001)]
        assert sum(a.backplane.figures.batch_sizes.counts) - calls_before <= 6  # 1, then at most 256 each
        await b.logs.has("actions", *(f"e{number}" for number in range(1_000)))


@pytest.mark.clause("N2")
async def test_an_append_carries_at_most_256_entries_and_a_mebibyte(server: RedisServer) -> None:
    async with nodes(server, "a", batch_bytes=10_000) as (a,):
        await asyncio.gather(*(a.publish(batch(f"e{number}", size=3_000)) for number in range(7)))
        assert int(server.command("XLEN", "ng:{actions}:log")) == 3  # 3, 3 and 1: nothing was on its way before


@pytest.mark.clause("M30", "N3")
async def test_a_batch_of_its_own_id_goes_alone_and_is_stored_once(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        results = await asyncio.gather(
            a.append("one"), a.append("two", "three", batch_id="free text: {x}"), a.append("four")
        )
        again = await b.append("two", "three", batch_id="free text: {x}")
        assert again == results[1]
        await b.logs.has("actions", "one", "two", "three", "four")


@pytest.mark.clause("N11")
async def test_a_publication_that_cannot_be_written_harms_no_other(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        good, bad, other = await asyncio.gather(a.append("one"), a.append("two", traceparent="none"), a.append("three"))
        assert bad == ["log_unavailable"]
        assert [good[0][-2:], other[0][-2:]] == [":1", ":2"]


@pytest.mark.clause("M31")
async def test_repeats_within_a_batch_and_of_others_are_told_apart(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        first = [Publication("actions", "a", b"1", subject="ann", mid=mid) for mid in ("m1", "m2", "m1")]
        results = await a.publish(first)
        again = await b.publish(
            [
                Publication("actions", "new", b"1", subject="ann", mid="m3"),
                first[1],
                Publication("actions", "other", b"1", subject="ann", mid="m1"),
                Publication("actions", "free", b"1", subject="ann"),
            ]
        )
        epoch = a.log().epoch
        assert shown(results) == [f"{epoch}:1", f"{epoch}:2", (f"{epoch}:1", "duplicate")]
        assert shown(again) == [f"{epoch}:3", (f"{epoch}:2", "duplicate"), "mid_conflict", f"{epoch}:4"]
        assert isinstance(again[2], MidConflict)
        await a.logs.has("actions", "a", "a", "new", "free")


@pytest.mark.clause("N11", "E3")
async def test_at_the_stop_everything_that_waits_is_answered(own: RedisServer) -> None:
    async with nodes(own, "a", outbox_wait=30.0, command=30.0) as (a,):
        own.pause()
        waiting = [asyncio.create_task(a.append("e", channel=channel)) for channel in ("actions", "logs")]
        await asyncio.sleep(0)
        await a.stop()
        assert [await one for one in waiting] == [["outcome_unknown"], ["outcome_unknown"]]
        assert await a.append("late") == ["log_unavailable"]
        own.resume()


@pytest.mark.clause("N3")
async def test_an_append_that_was_given_up_does_not_come_after_later_ones(own: RedisServer) -> None:
    """A stopped Redis finds the old append in its socket when it goes on; the node's own order is kept all the same."""
    async with nodes(own, "a", outbox_wait=0.7, command=0.3, connect=0.3) as (a,):
        await a.append("one")
        own.pause()
        given_up = await a.append("two")
        own.resume()
        await a.ready()
        await a.append("three")
        events = a.log().events
        assert given_up == ["outcome_unknown"]
        assert events in (["one", "two", "three"], ["one", "three"])


async def test_signals_are_stored_as_one_segment(server: RedisServer) -> None:
    system = SignalSystem(capacity=1_024)
    system.wakeup_fd()
    for number in range(3):
        system.emit("s", [float(number)] * 8)
    signals = system.take_batch(100)
    assert signals is not None
    async with nodes(server, "a", "b") as (a, b):
        answer: asyncio.Future[Position | BrokerError] = asyncio.get_running_loop().create_future()
        a.backplane.append_signals("actions", signals, answer.set_result)
        assert await answer == Position(a.log().epoch, len(signals))
        await b.logs.until(lambda: b.log().head == len(signals))
        assert len(a.log().told) == len(signals) <= a.backplane.max_signals
    after: list[Position | BrokerError] = []
    a.backplane.append_signals("actions", signals, after.append)
    assert isinstance(after[0], LogUnavailable)


@pytest.mark.clause("N14")
async def test_a_node_that_is_killed_while_it_waits_has_promised_nothing(own: RedisServer) -> None:
    """Acknowledged is what the master has: nothing else is told `Stored`."""
    async with nodes(own, "a") as (a,):
        stored = await a.append("e")
        assert own.command("HGET", "ng:{actions}:meta", "head") == b"1"
        assert stored == [f"{a.log().epoch}:1"]
        await eventually(lambda: len(a.backplane.parts.outbox) == 0)


@pytest.mark.clause("M30", "N2", "N11")
async def test_publishes_that_came_together_are_stored_as_one_segment(server: RedisServer) -> None:
    batch = batch_of(*(text(data=number, key=f"k{number}") for number in range(5)))
    async with nodes(server, "a", "b") as (a, b):
        answer: asyncio.Future[Position | BrokerError] = asyncio.get_running_loop().create_future()
        a.backplane.append_publishes("actions", batch, answer.set_result)
        assert await answer == Position(a.log().epoch, 5)
        await b.logs.until(lambda: b.log().head == 5)
        assert len(a.log().told) == 5
        assert a.backplane.statistics()["stored"] == 5
    after: list[Position | BrokerError] = []
    a.backplane.append_publishes("actions", batch, after.append)
    assert isinstance(after[0], LogUnavailable)


@pytest.mark.clause("E3", "N11")
async def test_what_may_be_stored_is_not_refused_when_its_channel_is_looked_up_in_vain(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        append, replica = a.backplane.parts.appending.append, a.logs.replica

        async def unanswered(*arguments: Any, **rest: Any) -> Any:
            await append(*arguments, **rest)
            a.logs.replica = full  # type: ignore[method-assign]
            raise UnansweredError("the connection ended before the answer")

        def full(channel: str) -> Followed:
            if channel == "room:1":
                raise Overloaded("no more channels", channel=channel)
            return replica(channel)

        a.backplane.parts.appending.append = unanswered  # type: ignore[method-assign]
        assert await a.append("once", channel="room:1") == ["outcome_unknown"]
        assert server.command("HGET", "ng:{room:1}:meta", "head") == b"1"
