"""A subscription by itself: its queue, its cursor, its handler."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest
from neurograph_ws_client import Closed, Event, Gap, HubError, PermissionDenied, QueueOverflow, Subscription, SubState
from neurograph_ws_client.effects import CursorMoved
from neurograph_ws_client.subscription import Handling
from neurograph_ws_client.testing import FakeHub
from neurograph_ws_client.waiting import Item

from tests.clients.support import Seen, client_of, comes


class FakeOwner:
    """What a subscription asks of its client, written down."""

    def __init__(self) -> None:
        self.unsubscribed: list[str] = []
        self.asked_to_stop = asyncio.Event()
        self.held = 0
        self.reported: list[Exception] = []
        self.updated: list[tuple[str, dict[str, Any]]] = []
        self.settled: list[tuple[str, str]] = []

    async def leave(self, subscription: Subscription[Any]) -> None:
        self.unsubscribed.append(subscription.channel)
        self.asked_to_stop.set()

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1

    def report(self, error: Exception) -> None:
        self.reported.append(error)

    async def update(self, subscription: Subscription[Any], options: Mapping[str, Any]) -> None:
        self.updated.append((subscription.channel, dict(options)))

    def start(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        return asyncio.ensure_future(work)

    def handled(self, subscription: Subscription[Any], item: Item) -> None:
        self.settled.append((subscription.channel, str(item.place)))


def event(offset: int) -> Event[Any]:
    message = {"type": "event", "channel": "logs", "offset": offset, "event": "x", "ts": 0, "data": {"n": offset}}
    return Event(message, "aaaa")


def subscription(
    handler: Any = None, *, position: str | None = None, **handling: Any
) -> tuple[Subscription[Any], FakeOwner]:
    owner = FakeOwner()
    return Subscription("logs", owner, Handling(handler, **handling), position=position), owner


async def test_a_plain_handler_gets_events_at_once_and_in_order() -> None:
    seen: list[int] = []
    one, _ = subscription(lambda got: seen.append(got["n"]))
    for offset in (1, 2, 3):
        one.deliver(event(offset))
    assert (seen, one.position, one.handled) == ([1, 2, 3], "aaaa:3", 3)


@pytest.mark.clause("P5")
async def test_an_async_handler_gets_one_event_at_a_time_and_the_cursor_follows_it() -> None:
    may_go_on = asyncio.Event()
    seen: list[str] = []

    async def handle(got: Event[Any]) -> None:
        seen.append(f"begin {got.offset}")
        await comes(may_go_on)
        seen.append(f"end {got.offset}")

    one, _ = subscription(handle)
    one.deliver(event(1))
    one.deliver(event(2))
    await asyncio.sleep(0)
    assert (seen, one.position, one.queued) == (["begin 1"], None, 1)
    may_go_on.set()
    assert one._task is not None
    await one._task
    assert (seen, one.position) == (["begin 1", "end 1", "begin 2", "end 2"], "aaaa:2")


@pytest.mark.clause("P5")
async def test_an_iterated_event_is_handled_when_the_consumer_comes_back() -> None:
    one, _ = subscription()
    one.deliver(event(1))
    one.deliver(event(2))
    assert (await one.next()).offset == 1
    assert None is one.position
    assert (await one.next()).offset == 2
    assert one.position == "aaaa:1"


@pytest.mark.clause("P7")
async def test_a_watermark_never_overtakes_an_unfinished_handler() -> None:
    one, _ = subscription()
    one.deliver(event(1))
    await one.next()
    one.deliver(CursorMoved("logs", "aaaa:50"))
    one.deliver(CursorMoved("logs", "aaaa:60"))
    assert (one.position, one.queued) == (None, 1)
    one.deliver(event(61))
    await one.next()
    assert one.position == "aaaa:60"


@pytest.mark.accept("E5")
async def test_a_full_queue_drops_the_oldest_and_puts_one_gap_in_their_place() -> None:
    one, _ = subscription(queue_size=3, gaps=True)
    for offset in range(1, 7):
        one.deliver(event(offset))
    assert (one.queued, one.dropped) == (3, 4)
    items = [await one.next() for _ in range(3)]
    assert [Gap("logs", "aaaa:0", "aaaa:4", 4, "client_queue"), event(5), event(6)] == items


async def test_gaps_of_the_hub_are_counted_into_the_local_one() -> None:
    one, _ = subscription(queue_size=2, gaps=True)
    one.deliver(event(1))
    one.deliver(Gap("logs", "aaaa:1", "aaaa:9", 8, "slow"))
    one.deliver(event(10))
    one.deliver(event(11))
    assert [Gap("logs", "aaaa:0", "aaaa:10", 10, "client_queue"), event(11)] == [await one.next(), await one.next()]


async def test_a_queue_that_waits_stops_the_reading_until_it_is_half_empty() -> None:
    one, owner = subscription(queue_size=4, on_full="wait")
    for offset in range(1, 6):
        one.deliver(event(offset))
    assert (owner.held, one.queued, one.dropped) == (1, 5, 0)
    for _ in range(2):
        await one.next()
    assert owner.held == 1
    await one.next()
    assert owner.held == 0


async def test_a_queue_that_gives_an_error_ends_the_subscription() -> None:
    one, owner = subscription(queue_size=2, on_full="error")
    for offset in range(1, 4):
        one.deliver(event(offset))
    assert [(await one.next()).offset for _ in range(2)] == [1, 2]
    with pytest.raises(QueueOverflow, match="logs: 2 events wait for a handler"):
        await one.next()
    await comes(owner.asked_to_stop)
    assert owner.unsubscribed == ["logs"]


async def test_a_handler_that_raises_is_told_and_the_stream_goes_on() -> None:
    seen: list[int] = []

    def handle(got: Event[Any]) -> None:
        seen.append(got.offset)
        raise LookupError("no such thing")

    one, owner = subscription(handle)
    one.deliver(event(1))
    one.deliver(event(2))
    assert (seen, one.failures, one.position) == ([1, 2], 2, "aaaa:2")
    assert [str(error.args[0]) for error in owner.reported] == ["no such thing", "no such thing"]
    assert owner.reported[0].__notes__ == ["in the subscription of logs"]


async def test_a_handler_that_raises_ends_the_stream_where_that_was_asked_for() -> None:
    async def handle(got: Event[Any]) -> None:
        raise LookupError

    one, owner = subscription(handle, on_error="stop")
    one.deliver(event(1))
    one.deliver(event(2))
    await comes(owner.asked_to_stop)
    assert (one.state, one.failures, one.queued) == (SubState.ENDED, 1, 0)


async def test_awaiting_tells_that_it_is_active_or_why_not() -> None:
    one, _ = subscription()
    waiting = asyncio.ensure_future(one._active())
    one.change_state(SubState.ACTIVE, None)
    assert one is await waiting
    one.change_state(SubState.ENDED, PermissionDenied("no", code=403))
    with pytest.raises(PermissionDenied):
        await one


async def test_iteration_ends_with_the_subscription() -> None:
    one, _ = subscription()
    one.deliver(event(1))
    one.change_state(SubState.ENDED, None)
    assert [got.offset async for got in one] == [1]


async def test_waiting_for_an_event_has_a_time_out() -> None:
    one, _ = subscription()
    with pytest.raises(TimeoutError, match="logs: nothing came within 0 s"):
        await one.next(timeout=0)


async def test_what_ended_a_handled_subscription_is_told_since_nobody_awaits_it() -> None:
    one, owner = subscription(lambda got: None)
    refusal: HubError = PermissionDenied("no", code=403)
    one.change_state(SubState.ENDED, refusal)
    assert [refusal] == owner.reported


async def test_a_subscription_with_a_handler_is_not_iterated_too() -> None:
    one, _ = subscription(lambda got: None)
    with pytest.raises(TypeError, match="logs has a handler"):
        async for _ in one:
            pass


async def test_whether_a_reconnect_lost_anything_is_unknown_until_the_session_knows() -> None:
    one, _ = subscription(lambda got: None)
    one.change_state(SubState.ACTIVE, None)
    one.recovered = True
    one.change_state(SubState.SUSPENDED, None)
    one.change_state(SubState.ACTIVE, None)
    assert None is one.recovered


async def test_its_repr_tells_state_place_and_counts() -> None:
    one, _ = subscription(lambda got: None)
    one.deliver(event(1))
    assert repr(one) == "<Subscription logs pending at aaaa:1 queued=0 dropped=0 handled=1>"


@pytest.mark.clause("P5")
@pytest.mark.parametrize("is_plain", [True, False], ids=["plain", "async"])
async def test_a_handler_that_was_cancelled_inside_is_one_that_failed(is_plain: bool) -> None:
    seen: list[int] = []

    def cancelled() -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        gone.result()

    async def handle(got: Event[Any]) -> None:
        if got.offset == 2:
            gone = asyncio.ensure_future(asyncio.sleep(10))
            asyncio.get_running_loop().call_soon(gone.cancel)
            await gone
        seen.append(got.offset)

    def handle_plainly(got: Event[Any]) -> None:
        if got.offset == 2:
            cancelled()
        seen.append(got.offset)

    one, owner = subscription(handle_plainly if is_plain else handle)
    for offset in (1, 2, 3):
        one.deliver(event(offset))
    for _ in range(5):
        await asyncio.sleep(0)
    one.deliver(event(4))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (seen, one.failures, one.queued, one.position) == ([1, 3, 4], 1, 0, "aaaa:4")
    told = "the handler of logs was cancelled from inside"
    assert [(type(error), str(error)) for error in owner.reported] == [(RuntimeError, told)]
    assert isinstance(owner.reported[0].__cause__, asyncio.CancelledError)


@pytest.mark.clause("P5")
async def test_a_handler_whose_task_is_cancelled_ends_the_stream_before_what_it_had_in_hand() -> None:
    begun = asyncio.Event()

    async def handle(got: Event[Any]) -> None:
        if got.offset == 2:
            begun.set()
            await asyncio.sleep(10)

    tasks: list[asyncio.Future[Any]] = []
    one, owner = subscription(handle)
    owner.start = lambda work: tasks.append(asyncio.ensure_future(work)) or tasks[-1]  # type: ignore[method-assign,func-returns-value]
    for offset in (1, 2, 3):
        one.deliver(event(offset))
    await comes(begun)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    one.deliver(event(4))
    assert (one.state, one.position, one.queued, tasks[0].cancelled()) == (SubState.ENDED, "aaaa:1", 0, True)
    with pytest.raises(Closed, match="logs: the task of its handler was cancelled"):
        await one


@pytest.mark.clause("C17", "P5")
async def test_a_subscription_that_begins_again_goes_on_with_what_had_come_before_it_ended() -> None:
    may_go_on, seen = asyncio.Event(), Seen()

    async def handle(got: Event[Any]) -> None:
        await may_go_on.wait()
        seen(got.offset)

    one, _ = subscription(handle)
    for offset in (1, 2, 3):
        one.deliver(event(offset))
    one.change_state(SubState.ENDED, PermissionDenied("role changed", code=403))
    may_go_on.set()
    await seen.wait(1)
    await asyncio.sleep(0)
    assert (seen.items, one.queued) == ([1], 2)
    one.change_state(SubState.PENDING, None)
    one.deliver(event(4))
    assert await seen.wait(4) == [1, 2, 3, 4]
    assert (one.position, one.queued) == ("aaaa:4", 0)


async def test_a_client_that_closes_cancels_a_handler_that_is_stuck() -> None:
    async with FakeHub() as hub:
        client, begun, errors = client_of(hub, timeout=0.05, positions={}), asyncio.Event(), Seen()

        async def handle(got: Event[Any]) -> None:
            begun.set()
            await asyncio.sleep(100)

        client.on("error", errors)
        await client.connect()
        await client.subscribe("logs", handle)
        hub.publish("logs", 1)
        await comes(begun)
        await client.close()
        assert (client.positions, errors.items) == ({"logs": "fake1:0"}, [])
