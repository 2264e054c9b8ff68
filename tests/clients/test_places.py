"""The place of a channel outlives its subscription, and a session that is taken up goes on at the known places."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from neurograph_ws_client import Gap, QueueOverflow, SubState
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, client_of, comes


class Kept:
    """A store in memory."""

    def __init__(self, **positions: str) -> None:
        self.saved: dict[str, str] = positions

    def load(self) -> Mapping[str, str]:
        return dict(self.saved)

    def save(self, positions: Mapping[str, str]) -> None:
        self.saved = dict(positions)


async def died_with_half_handled(hub: FakeHub) -> tuple[str, dict[str, str]]:
    """Six entries were received and two handled when the process died. -> its token and its positions"""
    first, stuck = client_of(hub), asyncio.Event()

    async def handler(event: Any) -> None:
        if event.offset == 3:
            await stuck.wait()

    await first.connect()
    logs = await first.subscribe("logs", handler)
    for number in range(1, 7):
        hub.publish("logs", number)
    await first.ping()
    assert logs.queued == 3
    token, positions = (await first.get_reconnection_token()).token, first.positions
    stuck.set()
    await first.close()
    return token, positions


@pytest.mark.clause("R8", "P4", "P5")
@pytest.mark.parametrize("is_early", [True, False], ids=["subscribed before", "subscribed after"])
async def test_a_session_of_a_former_process_goes_on_at_the_positions_that_were_kept(is_early: bool) -> None:
    async with FakeHub() as hub:
        token, positions = await died_with_half_handled(hub)
        assert positions == {"logs": "fake1:2"}
        seen, gaps = Seen(), Seen()
        second = client_of(hub, reconnection_token=token, positions=positions)
        second.on("gap", gaps)
        if is_early:
            second.subscribe("logs", seen)
        await second.connect()
        assert second.positions["logs"] == "fake1:2" or is_early
        if not is_early:
            assert second.restored == ("logs",)
            second.subscribe("logs", seen)
        hub.publish("logs", 7)
        assert [event.offset for event in await seen.wait(5)] == [3, 4, 5, 6, 7]
        (resume,) = await hub.asked("connect")
        assert (resume["positions"], gaps.items) == ({"logs": "fake1:2"}, [])
        await second.close()


@pytest.mark.clause("R8", "P10")
async def test_a_position_of_an_epoch_that_is_gone_is_a_gap_of_the_restored_channel() -> None:
    async with FakeHub() as hub:
        token, positions = await died_with_half_handled(hub)
        hub.restart_epoch("logs")
        hub.publish("logs", "new")
        async with client_of(hub, reconnection_token=token, positions=positions) as second:
            logs = second.subscribe("logs", gaps=True)
            items: list[Any] = [await logs.next(SOON) for _ in range(2)]
        assert items[0] == Gap("logs", "fake1:2", "fake2:0", None, "epoch")
        assert items[1].position == "fake2:1"


async def test_a_token_without_positions_starts_behind_what_was_received() -> None:
    async with FakeHub() as hub:
        token, _ = await died_with_half_handled(hub)
        async with client_of(hub, reconnection_token=token) as second:
            hub.publish("logs", 7)
            assert (await second.subscribe("logs").next(SOON)).offset == 7


@pytest.mark.clause("R14")
async def test_a_token_that_is_refused_leaves_the_positions_of_what_is_subscribed_later() -> None:
    async with FakeHub() as hub:
        for number in (1, 2, 3):
            hub.publish("logs", number)
        errors = Seen()
        client = client_of(hub, reconnection_token="junk", positions={"logs": "fake1:1"})
        client.on("error", errors)
        async with client:
            logs = client.subscribe("logs")
            assert [(await logs.next(SOON)).offset for _ in range(2)] == [2, 3]
        assert "by its positions" in str(errors.items[0])


# -- the place of what has ended ---------------------------------------------------------------------------------------


@pytest.mark.clause("P5")
async def test_a_channel_that_was_unsubscribed_keeps_its_position_in_the_client_and_in_the_store() -> None:
    store = Kept()
    async with FakeHub() as hub:
        async with client_of(hub, positions=store) as client:
            async with client.subscribe("logs") as logs:
                for number in (1, 2, 3):
                    hub.publish("logs", number)
                for _ in range(3):
                    await logs.next(SOON)
            assert client.positions == {"logs": "fake1:2"}
            hub.publish("logs", 4)
            again = client.subscribe("logs", start="new")
            assert [(await again.next(SOON)).offset for _ in range(2)] == [3, 4]
        assert store.saved == {"logs": "fake1:3"}


@pytest.mark.clause("P5")
async def test_a_handler_that_stops_at_an_error_stops_before_the_event_it_failed_at() -> None:
    store = Kept()
    async with FakeHub() as hub:
        async with client_of(hub, positions=store) as client:
            errors, seen = Seen(), Seen()
            client.on("error", errors)

            def handler(event: Any) -> None:
                if event.data == 2 and not seen.items:
                    raise RuntimeError("no")
                if errors.items:
                    seen(event.data)

            logs = await client.subscribe("logs", handler, on_error="stop")
            for number in (1, 2, 3):
                hub.publish("logs", number)
            await errors.wait(1)
            await hub.asked("unsubscribe")
            assert (logs.state, client.positions) == (SubState.ENDED, {"logs": "fake1:1"})
            client.subscribe("logs", seen)
            assert [event.data for event in await seen.wait(2)] == [2, 3]
        assert store.saved == {"logs": "fake1:3"}


@pytest.mark.clause("P5")
async def test_a_queue_that_overflowed_leaves_the_position_of_what_is_read_of_it() -> None:
    async with FakeHub() as hub, client_of(hub, positions={}) as client:
        logs = await client.subscribe("logs", queue_size=2, on_full="error")
        for number in (1, 2, 3, 4):
            hub.publish("logs", number)
        await hub.asked("unsubscribe")
        await client.ping()
        assert client.positions == {"logs": "fake1:0"}
        assert [(await logs.next(SOON)).offset for _ in range(2)] == [1, 2]
        assert client.positions == {"logs": "fake1:1"}
        with pytest.raises(QueueOverflow):
            await logs.next(SOON)
        again = client.subscribe("logs")
        assert [(await again.next(SOON)).offset for _ in range(2)] == [3, 4]


@pytest.mark.clause("P5", "M24")
async def test_a_client_that_is_closed_and_connected_again_goes_on_where_it_stopped() -> None:
    async with FakeHub() as hub:
        client, seen = client_of(hub, positions={"logs": "fake1:0"}), Seen()
        await client.connect()
        await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await seen.wait(1)
        await client.close()
        for number in (2, 3):
            hub.publish("logs", number)
        await client.connect()
        client.subscribe("logs", seen)
        assert [event.offset for event in await seen.wait(3)] == [1, 2, 3]
        await client.close()


@pytest.mark.clause("P5")
@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "unsubscribed"])
async def test_what_a_handler_had_in_hand_at_the_end_still_moves_the_position(is_closed: bool) -> None:
    async with FakeHub() as hub:
        client, begun, may_end, seen = client_of(hub, positions={}), asyncio.Event(), asyncio.Event(), Seen()

        async def handler(event: Any) -> None:
            begun.set()
            await comes(may_end)
            seen(event)

        await client.connect()
        await client.subscribe("logs", handler)
        hub.publish("logs", 1)
        hub.publish("logs", 2)
        await comes(begun)
        ending = asyncio.ensure_future(client.close() if is_closed else client.unsubscribe("logs"))
        await asyncio.sleep(0)
        assert client.positions == {"logs": "fake1:0"}
        may_end.set()
        await seen.wait(1)
        await ending
        assert client.positions == {"logs": "fake1:1"}
        await client.connect()
        assert (await client.subscribe("logs").next(SOON)).offset == 2
        await client.close()


async def test_without_positions_a_channel_that_is_followed_anew_starts_anew_and_its_place_is_told() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", start="fake1:0")
        hub.publish("logs", 1)
        await logs.next(SOON)
        await client.unsubscribe()
        assert client.positions == {"logs": "fake1:0"}
        again = await client.subscribe("logs")
        assert (again.position, client.positions) == ("fake1:1", {"logs": "fake1:1"})


async def test_a_position_that_is_forgotten_is_gone_from_the_client_and_from_the_store() -> None:
    store = Kept(logs="fake1:1", other="fake1:9")
    async with FakeHub() as hub:
        hub.publish("logs", 1)
        async with client_of(hub, positions=store) as client:
            await client.subscribe("logs")
            with pytest.raises(ValueError, match="logs is subscribed: unsubscribe it before its position is forgotten"):
                client.forget("logs")
            await client.unsubscribe("logs")
            client.forget("logs", "never heard of")
            assert client.positions == {"other": "fake1:9"}
            assert (await client.subscribe("logs")).position == "fake1:1"
        client.forget()
        assert client.positions == {}
        async with client:
            pass
    assert store.saved == {}


async def test_a_client_that_was_closed_forgets_what_it_followed() -> None:
    async with FakeHub() as hub:
        async with client_of(hub, positions={}) as client:
            await client.subscribe("logs")
        assert client.positions == {"logs": "fake1:0"}
        client.forget("logs")
        assert client.positions == {}


async def test_a_subscription_that_ended_is_kept_by_whoever_reads_it_and_by_nobody_else() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = weakref.ref(await client.subscribe("logs"))
        await client.unsubscribe("logs")
        gc.collect()
        assert (logs(), client.positions) == (None, {"logs": "fake1:0"})
