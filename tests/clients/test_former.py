"""A former subscription of a channel says nothing of the next one, however late its handlers end."""

import asyncio
from typing import Any

import pytest
from neurograph_ws_client import Closed, Event, SubState
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, away_and_back, client_of, comes


class Late:
    """A handler that ends when it is let go, and tells that it has."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.has_begun, self.may_end, self.has_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._fault = fault

    async def __call__(self, event: Event[Any]) -> None:
        self.has_begun.set()
        try:
            await comes(self.may_end)
            if self._fault is not None:
                raise self._fault
        finally:
            self.has_ended.set()

    async def end(self) -> None:
        self.may_end.set()
        await comes(self.has_ended)
        # What follows the handler in its task runs in the turn after this one.
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.clause("P5", "R8", "S10", "I5")
@pytest.mark.parametrize("ack", [None, 4])
async def test_a_late_handler_of_a_former_subscription_moves_no_cursor_and_writes_no_journal(ack: int | None) -> None:
    lines: list[dict[str, Any]] = []
    async with FakeHub() as hub, client_of(hub, journal=lines.append) as client:
        late, seen = Late(), Seen()
        await client.subscribe("logs", late, ack=ack)
        for number in range(1, 5):
            hub.publish("logs", number)
        await comes(late.has_begun)
        await client.unsubscribe("logs")
        again = await client.subscribe("logs", start="fake1:0", ack=ack)
        await late.end()
        assert [line for line in lines if line["dir"] == "handled"] == []
        assert client.positions == {"logs": "fake1:0"}
        await away_and_back(hub, client)
        (resume,) = [one for one in await hub.asked("connect") if "resume" in one]
        assert resume["positions"] == {"logs": "fake1:0"}
        for _ in range(4):
            seen((await again.next(SOON)).data)
        assert seen.items == [1, 2, 3, 4]


@pytest.mark.clause("P5")
async def test_a_late_handler_that_fails_ends_its_own_subscription_and_not_the_next() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        late = Late(RuntimeError("too late"))
        await client.subscribe("logs", late, on_error="stop")
        hub.publish("logs", 1)
        await comes(late.has_begun)
        await client.unsubscribe("logs")
        again = await client.subscribe("logs")
        await late.end()
        assert [str(error) for error in await errors.wait(1)] == ["too late"]
        hub.publish("logs", 2)
        assert (await again.next(SOON)).data == 2


async def test_a_former_subscription_can_neither_end_nor_change_the_next() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        former = await client.subscribe("logs")
        await former.unsubscribe()
        again = await client.subscribe("logs")
        await former.unsubscribe()
        with pytest.raises(Closed, match="logs was unsubscribed"):
            await former.update(max_rate=1)
        assert (again.state, again.error) == (SubState.ACTIVE, None)


@pytest.mark.clause("R4", "R3", "M26")
async def test_a_token_from_before_the_last_change_does_not_bring_the_former_options_back() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        await client.subscribe("logs", delivery="latest", ack=4)
        token = (await client.get_reconnection_token()).token
        await client.unsubscribe("logs")
        await client.subscribe("logs", delivery="all")
        client._session.restoring.token = token
        await away_and_back(hub, client)
        *_, last = await hub.asked("subscribe", 3)
        assert {name: last.get(name) for name in ("channel", "delivery", "ack", "from")} == {
            "channel": "logs",
            "delivery": "all",
            "ack": None,
            "from": None,
        }


@pytest.mark.clause("P5")
async def test_a_handler_that_stopped_at_an_error_is_given_nothing_more() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen, errors = Seen(), Seen()
        client.on("error", errors)

        def handler(event: Event[Any]) -> None:
            seen(event.data)
            raise RuntimeError("no more")

        logs = await client.subscribe("logs", handler, on_error="stop")
        following = {"type": "event", "channel": "logs", "event": "x", "ts": 0}
        hub.push(*({**following, "offset": offset, "data": offset} for offset in (1, 2, 3)))
        await errors.wait(1)
        await hub.asked("unsubscribe")
        assert (seen.items, logs.state) == ([1], SubState.ENDED)
