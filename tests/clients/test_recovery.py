"""What the client keeps over cuts, restarts and drains, over real sockets against a scripted hub."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from neurograph_ws_client import (
    BadRequest,
    FileStore,
    Gap,
    GoAway,
    NeurographWSClient,
    NotSaved,
    ReconnectionToken,
    ResumeExpired,
    Since,
    State,
    StateChange,
    Switched,
)
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, away_and_back, client_of, token_of


async def followed(client: NeurographWSClient) -> tuple[Seen, Seen]:
    """What comes of `logs`, for a client that holds a token, and the states it takes from now on."""
    seen, states = Seen(), Seen()
    await client.subscribe("logs", seen)
    await token_of(client)
    client.on("state", states)
    return seen, states


# -- resuming ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("R1", "R8", "P5", "C14")
async def test_a_reconnect_is_one_message_with_the_token_and_what_was_handled() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen = Seen()
        await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await seen.wait(1)
        await token_of(client)
        token = client.reconnection_token
        await away_and_back(hub, client, 2)
        await seen.wait(2)
        (sent,) = await hub.asked("connect")
        assert (sent["resume"], sent["positions"]) == (token, {"logs": "fake1:1"})
        assert len(await hub.asked("subscribe")) == 1
        assert client.reconnection_token not in {None, token}


@pytest.mark.clause("P7", "R9", "M49")
async def test_what_the_hub_no_longer_keeps_is_told_in_its_place() -> None:
    async with FakeHub(keep=2) as hub, client_of(hub) as client:
        seen, resumed = Seen(), Seen()
        client.on("resumed", resumed)
        logs = await client.subscribe("logs", seen, gaps=True)
        hub.publish("logs", 1)
        await seen.wait(1)
        await token_of(client)
        await away_and_back(hub, client, 2, 3, 4, 5)
        await seen.wait(4)
        assert seen.data() == [1, Gap("logs", "fake1:1", "fake1:3", 2, "retention"), 4, 5]
        (told,) = await resumed.wait(1)
        assert (told.replayed, told.gaps, logs.recovered) == (2, 1, False)


@pytest.mark.clause("P12", "P7")
async def test_a_hub_that_lost_its_past_is_followed_into_its_new_epoch() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen = Seen()
        await client.subscribe("logs", seen, gaps=True)
        hub.publish("logs", 1)
        await seen.wait(1)
        hub.restart_epoch("logs")
        await away_and_back(hub, client, 2)
        await seen.wait(3)
        assert seen.data() == [1, Gap("logs", "fake1:1", "fake2:0", None, "epoch"), 2]


@pytest.mark.clause("R14", "E1")
async def test_a_token_that_expired_costs_nothing_and_is_nobodys_business() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen, errors = Seen(), Seen()
        client.on("error", errors)
        await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await seen.wait(1)
        await token_of(client)
        hub.expire_tokens()
        await away_and_back(hub, client, 2, 3)
        await seen.wait(3)
        assert (seen.data(), errors.items) == ([1, 2, 3], [])
        assert (await hub.asked("subscribe", 2))[1]["from"] == {"positions": {"logs": "fake1:1"}}


@pytest.mark.clause("R14", "M2")
async def test_a_hub_without_tokens_is_resumed_by_positions() -> None:
    async with FakeHub() as hub:
        refusal = {"type": "error", "code": 400, "error": "unknown_type", "message": "m", "temporary": False}
        hub.answer_next("get_reconnection_token", refusal)
        async with client_of(hub) as client:
            seen = Seen()
            await client.subscribe("logs", seen)
            await away_and_back(hub, client, 1)
            await seen.wait(1)
            assert (seen.data(), len(await hub.asked("subscribe", 2))) == ([1], 2)


@pytest.mark.clause("P4")
async def test_a_hub_without_the_past_does_not_make_it_disappear() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen = Seen()
        await client.subscribe("logs", seen, gaps=True)
        hub.expire_tokens()
        refusal = {"type": "error", "code": 400, "error": "bad_message", "message": "m", "path": "from.positions"}
        hub.answer_next("subscribe", {**refusal, "temporary": False})
        await away_and_back(hub, client, 1, 2)
        await seen.wait(1)
        assert seen.data() == [Gap("logs", "fake1:0", "fake1:2", 2, "reconnect")]


@pytest.mark.clause("R8", "M28")
async def test_what_was_subscribed_and_unsubscribed_while_away_holds_after_the_resume() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        await token_of(client)
        hub.refuse(503)
        lost = asyncio.ensure_future(client.wait_for(State.RECONNECTING, SOON))
        hub.cut()
        await lost
        await logs.unsubscribe()
        actions = client.subscribe("actions")
        await client.wait_for(State.CONNECTED, SOON)
        assert (await actions).state == "active"
        assert hub.peers[0].channels == {"actions"}


async def test_the_token_is_told_and_never_shown() -> None:
    async with FakeHub() as hub:
        client, told = client_of(hub), Seen()
        client.on("reconnection_token", told)
        await client.connect()
        (token,) = await told.wait(1)
        assert isinstance(token, ReconnectionToken)
        assert (token.token, token.expires_in) == (client.reconnection_token, 300)
        assert token.token not in repr(token) + repr(client)
        await client.close()


@pytest.mark.clause("R15")
async def test_closing_with_forget_makes_the_token_worthless_and_closing_without_does_not() -> None:
    async with FakeHub() as hub:
        for forget in (False, True):
            first = client_of(hub)
            await first.connect()
            await first.subscribe("logs")
            token = (await first.get_reconnection_token()).token
            await first.close(forget=forget)
            await hub.connected(0)
            errors = Seen()
            second = client_of(hub, reconnection_token=token)
            second.on("error", errors)
            await second.connect()
            assert list(second.restored) == ([] if forget else ["logs"])
            assert [type(error) for error in errors.items] == ([ResumeExpired] if forget else [])
            await second.close()


# -- another process -----------------------------------------------------------------------------------------------


@pytest.mark.accept("E2")
@pytest.mark.clause("R3", "R8")
async def test_a_token_given_to_the_constructor_restores_the_subscriptions_with_what_came_since() -> None:
    async with FakeHub() as hub:
        async with client_of(hub) as first:
            for channel in ("logs", "actions"):
                await first.subscribe(channel)
            token = (await first.get_reconnection_token()).token
        hub.publish("logs", "missed")
        hub.publish("actions", "missed too")
        before, after = Seen(), Seen()
        second = client_of(hub, reconnection_token=token)
        second.subscribe("logs", before)
        await second.connect()
        assert list(second.restored) == ["actions"]
        await before.wait(1)
        hub.publish("actions", "live")
        await second.ping()
        actions = await second.subscribe("actions", after)
        await after.wait(2)
        assert (before.data(), after.data()) == (["missed"], ["missed too", "live"])
        assert (list(second.restored), actions.position) == ([], "fake1:2")
        await second.close()


@pytest.mark.clause("R14")
@pytest.mark.parametrize(
    ("positions", "way"),
    [({}, "as a new session"), ({"logs": "fake1:0"}, "by its positions")],
    ids=["new", "positions"],
)
async def test_a_token_the_hub_refuses_is_told_in_one_sentence_that_says_how_it_goes_on(
    positions: dict[str, str], way: str
) -> None:
    async with FakeHub() as hub:
        errors = Seen()
        client = client_of(hub, reconnection_token="junk", positions=positions)
        client.on("error", errors)
        client.subscribe("logs")
        await client.connect()
        await client.close()
    told = f"the session of reconnection_token was not resumed, the client goes on {way}"
    assert [(type(error), error.code, error.message.partition(": ")[2]) for error in errors.items] == [
        (ResumeExpired, 410, told)
    ]


@pytest.mark.clause("R2")
@pytest.mark.parametrize("token", [5, b"abc", "", "a b", "täg", "a" * 16_385, "abc\n"], ids=str)
def test_what_can_be_no_token_is_refused_by_the_constructor_without_being_shown(token: Any) -> None:
    expected = "reconnection_token: expected 1 to 16,384 characters of A-Z, a-z, 0-9, _ and -, got"
    with pytest.raises(ValueError, match=expected) as fault:
        NeurographWSClient(reconnection_token=token)
    assert str(fault.value).partition(", got ")[2] in {"int", "bytes", f"a str of {len(str(token)):,}"}


@pytest.mark.clause("P5", "P6", "M24")
async def test_a_restarted_process_goes_on_exactly_after_what_it_handled(tmp_path: Any) -> None:
    store = FileStore(tmp_path / "bot.pos")
    async with FakeHub() as hub:
        for number in range(6):
            hub.publish("logs", number)
        async with client_of(hub, positions=store) as first:
            logs = first.subscribe("logs", start="fake1:0")
            assert [(await logs.next(SOON)).data for _ in range(3)] == [0, 1, 2]
        # The third was handed over and its handling never finished.
        assert store.load() == {"logs": "fake1:2"}
        async with client_of(hub, positions=store) as second:
            logs = second.subscribe("logs", start="new")
            assert [(await logs.next(SOON)).data for _ in range(4)] == [2, 3, 4, 5]


async def test_positions_of_channels_nobody_subscribed_to_are_kept() -> None:
    async with FakeHub() as hub, client_of(hub, positions={"logs": "fake1:0", "other": "fake1:9"}) as client:
        hub.publish("logs", 1)
        logs = client.subscribe("logs")
        await logs.next(SOON)
        assert client.positions == {"logs": "fake1:0", "other": "fake1:9"}


async def test_a_store_that_fails_is_told_and_does_no_harm() -> None:
    class Broken:
        def load(self) -> Mapping[str, str]:
            return {}

        def save(self, positions: Mapping[str, str]) -> None:
            raise OSError("disk full")

    async with FakeHub() as hub:
        errors = Seen()
        async with client_of(hub, positions=Broken()) as client:
            client.on("error", errors)
            await client.subscribe("logs")
        told = "positions were not saved, which is tried again: disk full"
        assert [(type(error), str(error)) for error in errors.items] == [(NotSaved, told)]


@pytest.mark.clause("M24", "M25")
async def test_a_subscription_can_start_at_a_time_or_a_position() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        for number in range(4):
            hub.publish("logs", number)
            hub.logs["logs"].entries[-1]["ts"] = 1000.0 + number
        logs = client.subscribe("logs", start=Since(1002))
        assert [(await logs.next(SOON)).data for _ in range(2)] == [2, 3]
        await logs.unsubscribe()
        logs = client.subscribe("logs", start="fake1:1")
        assert [(await logs.next(SOON)).data for _ in range(3)] == [1, 2, 3]


# -- windows and watermarks ----------------------------------------------------------------------------------------


@pytest.mark.clause("S10", "M36")
async def test_a_window_lets_the_hub_send_only_as_far_ahead_as_was_asked_for() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", ack=4)
        for number in range(20):
            hub.publish("logs", number)
        await client.ping()
        assert (logs.queued, hub.peers[0].following["logs"].sent) == (4, 4)
        assert [(await logs.next(SOON)).data for _ in range(20)] == list(range(20))
        acks = await hub.asked("ack", 2)
        assert acks[0]["positions"] == {"logs": "fake1:2"}


@pytest.mark.clause("S10", "R8")
async def test_what_was_not_handled_comes_again_to_another_process_and_not_twice_to_this_one() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", ack=4)
        for number in range(10):
            hub.publish("logs", number)
        assert [(await logs.next(SOON)).data for _ in range(2)] == [0, 1]
        await away_and_back(hub, client)
        assert [(await logs.next(SOON)).data for _ in range(8)] == list(range(2, 10))
        assert client.stats().gaps == 0


@pytest.mark.clause("P9", "P7", "S10")
async def test_a_watermark_moves_the_position_over_what_a_filter_held_back() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", lambda event: None)
        for _ in range(3):
            hub.publish("logs", is_hidden=True)
        hub.watermark()
        await client.ping()
        assert (logs.position, logs.handled) == ("fake1:3", 0)


@pytest.mark.clause("M26")
async def test_options_are_replaced_while_the_stream_goes_on() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen = Seen()
        logs = await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await logs.update(ack=2, on_slow="close")
        hub.publish("logs", 2)
        await seen.wait(2)
        assert (await hub.asked("subscribe", 2))[1] == {
            "type": "subscribe",
            "channel": "logs",
            "on_slow": "close",
            "ack": 2,
            "id": 3,
        }
        assert (await hub.asked("ack"))[0]["positions"] == {"logs": "fake1:2"}
        hub.answer_next("subscribe", {"type": "error", "code": 400, "error": "bad_message", "message": "m"})
        with pytest.raises(BadRequest):
            await logs.update(max_rate=1)


@pytest.mark.clause("M26", "P9")
async def test_history_by_a_filter_ends_at_the_head_though_nothing_of_it_passes() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        for number in range(5):
            hub.publish("logs", number, is_hidden=number > 2)
        events = await client.history("logs", last=10, filter={"data": {"lte": 2}})
        assert [event.data for event in events] == [0, 1, 2]
        assert (await hub.asked("subscribe"))[0]["filter"] == {"data": {"lte": 2}}
        with pytest.raises(ValueError, match="filter: expected an object, got 3"):
            await client.history("logs", filter=3)  # type: ignore[arg-type]


async def test_history_of_what_a_role_may_not_see_ends_at_the_head_too() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.publish("logs", 1)
        hub.publish("logs", 2, is_hidden=True)
        assert [event.data for event in await client.history("logs")] == [1]
        # It asks how far the hub has looked, and waits for no watermark.
        asked = await hub.asked("subscribe", 2)
        assert [message.get("from") for message in asked] == [{"last": 100}, None]


async def test_history_is_read_over_a_connection_of_its_own() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen = Seen()
        await client.subscribe("logs", seen)
        assert await client.history("logs") == []
        for number in range(5):
            hub.publish("logs", number)
        assert [event.data for event in await client.history("logs", last=3)] == [2, 3, 4]
        await seen.wait(5)
        assert len(hub.handshakes) == 3
        assert len(hub.peers) == 1


# -- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("R13", "M35")
async def test_an_emit_with_a_mid_survives_a_cut_and_is_processed_once() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("emit", {})
        emitting = asyncio.ensure_future(client.emit("a.b", [0.5] * 8, mid="m"))
        await hub.asked("emit")
        hub.cut()
        assert (await emitting).position == "fake1:1"
        assert len(await hub.asked("emit", 2)) == 2


# -- drain ---------------------------------------------------------------------------------------------------------


@pytest.mark.accept("E7")
@pytest.mark.clause("M50", "M51", "P6")
async def test_a_drain_is_not_seen_and_loses_and_doubles_nothing() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen, states = await followed(client)
        client.on("disconnected", states)

        async def publish() -> None:
            for number in range(300):
                hub.publish("logs", number)
                await asyncio.sleep(0)

        publishing = asyncio.ensure_future(publish())
        hub.goaway((0, 0.05))
        await publishing
        await hub.asked("connect")
        hub.publish("logs", 300)
        await hub.connected(1)
        hub.publish("logs", 301)
        assert (await client.publish("logs", 302)).position == "fake1:303"
        await seen.wait(303)
        assert seen.data() == list(range(303))
        assert (states.items, client.stats().switches, client.stats().reconnects) == ([], 1, 0)


@pytest.mark.clause("M50", "M51")
async def test_a_drain_and_the_switch_are_told_once_to_who_listens() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        await followed(client)
        told = Seen()
        client.on("goaway", told)
        client.on("switched", told)
        hub.goaway((0.05, 0.1))
        hub.goaway((0.05, 0.1))
        assert await told.wait(2) == [GoAway("draining", 0.1), Switched(is_whole=True)]


@pytest.mark.clause("M50")
async def test_a_client_that_does_not_reconnect_is_told_of_a_drain_without_a_time() -> None:
    async with FakeHub() as hub, client_of(hub, auto_reconnect=False) as client:
        told = Seen()
        client.on("goaway", told)
        hub.goaway((1, 2))
        assert await told.wait(1) == [GoAway("draining", None)]


@pytest.mark.clause("M51", "R12")
async def test_a_request_in_flight_is_answered_by_the_connection_it_went_to() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        await token_of(client)
        hub.answer_next("ping", {})
        pinging = asyncio.ensure_future(client.request({"type": "ping", "id": "mine"}))
        await hub.asked("ping")
        old = hub.peers[0]
        hub.answer_next("connect", {})
        hub.goaway()
        (asked,) = await hub.asked("connect")
        hub.peers[1].say({**hub.welcome_of(hub.peers[1]), "resumed": True, "id": asked["id"]})
        assert (await client.request({"type": "ping", "id": "next"}))["id"] == "next"
        assert (client.stats().switches, pinging.done()) == (1, False)
        old.say({"type": "pong", "id": "mine", "ts": 1})
        assert (await pinging)["id"] == "mine"


@pytest.mark.clause("M51", "X4")
async def test_while_the_next_node_refuses_the_old_connection_is_kept() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen, states = await followed(client)
        for _ in range(3):
            hub.refuse(503)
        hub.goaway()
        hub.publish("logs", 1)
        await hub.asked("connect")
        hub.publish("logs", 2)
        await hub.connected(1)
        hub.publish("logs", 3)
        await seen.wait(3)
        assert (seen.data(), states.items, len(hub.handshakes)) == ([1, 2, 3], [], 5)


@pytest.mark.clause("X5", "M50")
async def test_a_lone_hub_that_closes_at_its_deadline_is_found_again_within_the_window() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        seen, states = await followed(client)
        hub.goaway((0.2, 0.3), deadline=0)
        changes: list[StateChange] = await states.wait(1)
        hub.publish("logs", 1)
        assert (changes[0].new, changes[0].code) == (State.RECONNECTING, 4301)
        assert 0 < (changes[0].retry_in or 0) <= 0.3
        await seen.wait(1)


async def test_after_a_drain_nothing_of_the_first_connection_is_left() -> None:
    async with FakeHub() as hub:
        before = asyncio.all_tasks()
        client = client_of(hub)
        await client.connect()
        await client.subscribe("logs")
        await token_of(client)
        for count in (1, 2, 3):
            hub.goaway()
            await hub.asked("connect", count)
            await hub.connected(1)
            await client.ping()
        assert (len(client._link.session.lines), len(client._link.sockets.each())) == (1, 1)
        await client.close()
        left = {task for task in asyncio.all_tasks() - before if "neurograph_ws_client/" in str(task.get_coro())}
        assert {task for task in left if "/testing/" not in str(task.get_coro())} == set()
