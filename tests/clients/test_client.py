"""The client over real sockets, against a scripted hub."""

import asyncio
import json
import logging
import re
from array import array
from typing import Any

import pytest
from neurograph_ws_client import (
    AuthError,
    Backoff,
    BadRequest,
    Channel,
    Closed,
    Disconnected,
    Event,
    Gap,
    Last,
    NeurographWSClient,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    State,
    StateChange,
    TokenRequest,
    TooLarge,
    UnknownChannel,
)
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import AT_ONCE, SOON, Seen, client_of


@pytest.mark.accept("I1")
async def test_the_documents_first_form_receives_what_is_published() -> None:
    async with FakeHub() as hub:
        seen = Seen()
        client = NeurographWSClient(url=hub.url)
        await client.connect()
        client.subscribe(Channel.METRICS, lambda data: seen(f"Metrics: {data}"))
        running = asyncio.ensure_future(client.run_forever())
        await hub.asked("subscribe")
        hub.publish("metrics", {"cpu": 41.5}, event="system_metrics")
        assert await seen.wait(1) == ["Metrics: {'cpu': 41.5}"]
        await client.close()
        await running


@pytest.mark.accept("I1")
async def test_a_raw_message_goes_out_as_it_stands() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        await client.send({"type": "get_reconnection_token"})
        assert (await hub.asked("get_reconnection_token", 2))[1] == {"type": "get_reconnection_token"}


async def test_iterating_gives_events_in_order_and_gaps_where_they_are_wanted() -> None:
    async with FakeHub() as hub, client_of(hub) as client, client.subscribe("logs", gaps=True) as logs:
        hub.publish("logs", {"n": 1})
        hub.push({"type": "gap", "channel": "logs", "from": "fake1:1", "to": "fake1:9", "missed": 8, "reason": "slow"})
        items: list[Any] = [await logs.next(SOON) for _ in range(2)]
        assert (items[0]["n"], items[1]) == (1, Gap("logs", "fake1:1", "fake1:9", 8, "slow"))


async def test_a_loop_over_a_subscription_ends_when_the_client_closes() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        hub.publish("logs", 1)
        seen = []
        async for event in logs:
            seen.append(event.data)
            await client.close()
        assert seen == [1]


@pytest.mark.clause("M24")
async def test_a_start_in_the_past_replays_it() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        for number in range(5):
            hub.publish("logs", number)
        logs = client.subscribe("logs", start=Last(2))
        assert [(await logs.next(SOON)).data for _ in range(2)] == [3, 4]


@pytest.mark.accept("E6", "A9")
async def test_after_a_cut_it_comes_back_subscribed_and_has_what_it_missed() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        gaps, states, seen, resumed = Seen(), Seen(), Seen(), Seen()
        client.on("gap", gaps)
        client.on("resumed", resumed)
        client.on("state", states)
        logs = await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await seen.wait(1)
        hub.is_mute = True
        hub.cut()
        await client.wait_for(State.RECONNECTING, SOON)
        hub.publish("logs", 2)
        hub.publish("logs", 3)
        hub.is_mute = False
        hub.cut()
        await client.wait_for(State.CONNECTED, SOON)
        hub.publish("logs", 4)
        assert [event.data for event in await seen.wait(4)] == [1, 2, 3, 4]
        assert [(told.replayed, told.gaps, told.downtime > 0) for told in await resumed.wait(1)] == [(2, 0, True)]
        assert (gaps.items, logs.recovered, logs.position, client.stats().reconnects) == ([], True, "fake1:4", 1)
        told: list[StateChange] = states.items
        assert [told[0].new, told[-1].new] == [State.RECONNECTING, State.CONNECTED]


async def test_a_hub_that_lost_its_past_is_a_gap_of_unknown_size() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", gaps=True)
        hub.publish("logs", 1)
        await logs.next(SOON)
        hub.restart_epoch("logs")
        hub.cut()
        assert await logs.next(SOON) == Gap("logs", "fake1:1", "fake2:0", None, "epoch")


async def test_a_hub_that_stops_and_starts_again_is_found_again() -> None:
    hub = FakeHub()
    await hub.start()
    port = int(hub.url.rpartition(":")[2].partition("/")[0])
    async with client_of(hub) as client:
        logs = await client.subscribe("logs")
        await hub.stop()
        await client.wait_for(State.RECONNECTING, SOON)
        await hub.start(port)
        await client.wait_for(State.CONNECTED, SOON)
        hub.publish("logs", "back")
        assert (await logs.next(SOON)).data == "back"
    await hub.stop()


@pytest.mark.clause("M30", "R13")
async def test_publish_resolves_with_its_position_and_survives_a_cut_without_being_stored_twice() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        first = await client.publish("actions", {"service": "api"}, event="deploy.started", key="api", tags={"e": "p"})
        assert (first.position, first.duplicate) == ("fake1:1", False)
        stored = hub.logs["actions"].entries[0]
        assert [stored[member] for member in ("event", "key", "tags")] == ["deploy.started", "api", {"e": "p"}]
        hub.answer_next("publish", {})
        publishing = asyncio.ensure_future(client.publish("actions", 2))
        await hub.asked("publish", 2)
        hub.cut()
        assert (await publishing).position == "fake1:2"
        sent = await hub.asked("publish", 3)
        assert (sent[1]["mid"], len(hub.logs["actions"].entries)) == (sent[2]["mid"], 2)


@pytest.mark.clause("R13")
async def test_without_a_mid_a_cut_leaves_the_outcome_unknown_and_nothing_is_sent_again() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("publish", {})
        publishing = asyncio.ensure_future(client.publish("actions", 1, mid=None))
        await hub.asked("publish")
        hub.cut()
        with pytest.raises(Disconnected, match="whether it had an effect is unknown"):
            await publishing
        await client.wait_for(State.CONNECTED, SOON)
        assert len(await hub.asked("publish")) == 1


async def test_while_away_nothing_is_accepted() -> None:
    async with FakeHub() as hub:
        client = client_of(hub)
        with pytest.raises(Disconnected, match=r"not connected \(idle\): publish was not sent"):
            await client.publish("actions", 1)
        with pytest.raises(Disconnected):
            await client.send({"type": "ping"})


@pytest.mark.clause("M32", "M33", "M46")
async def test_emit_tells_token_novelty_and_neighbours() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        new = await client.emit_text("database node 4: disk failing", priority=220)
        again = await client.emit_text("Database node 4, disk failing!", include_text=True)
        assert (new.is_novel, new.neighbors) == (True, [])
        assert (again.is_novel, again.neighbors[0].token_id) == (False, new.token_id)
        sent = await hub.asked("emit", 2)
        assert [message.get("payload") for message in sent] == [None, {"text": "Database node 4, disk failing!"}]
        assert [message["priority"] for message in sent] == [220, 200]
        with pytest.raises(BadRequest, match="422 vector_invalid: expected 8 numbers, got 7") as refusal:
            await client.emit("a.b", [0.5] * 7)
        assert refusal.value.path == "vector"


@pytest.mark.clause("M33")
async def test_a_long_batch_is_cut_at_the_limit_of_the_hub() -> None:
    async with FakeHub(welcome={"limits": {"emit_batch": 2}}) as hub, client_of(hub) as client:
        results = await client.emit_batch("a.b", array("f", [0.5] * 40), mid="m")
        assert [result.token_id for result in results] == [0, 1, 2, 3, 4]
        sent = await hub.asked("emit", 3)
        assert [(len(message["vectors"]), message["mid"]) for message in sent] == [(2, "m.0"), (2, "m.2"), (1, "m.4")]


async def test_ping_measures_the_way_there_and_back() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        took = await client.ping()
        assert 0 < took < SOON
        assert client.rtt == took


@pytest.mark.clause("M23", "E5")
async def test_a_subscription_that_is_refused_raises_where_it_is_awaited() -> None:
    rights = {"logs": ("subscribe",), "connections": ()}
    async with FakeHub(rights=rights) as hub, client_of(hub) as client:
        client.on("error", lambda error: None)
        logs, nope, forbidden = (client.subscribe(channel) for channel in ("logs", "nope", "connections"))
        assert (await logs).state == "active"
        with pytest.raises(UnknownChannel, match="404 unknown_channel: nope is not configured"):
            await nope
        with pytest.raises(PermissionDenied):
            await forbidden.next(SOON)
        assert len(await hub.asked("subscribe")) == 1


async def test_a_channel_is_followed_once_and_again_after_it_ended() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        with pytest.raises(ValueError, match="logs is subscribed already"):
            client.subscribe("logs")
        await logs.unsubscribe()
        assert (logs.state, await hub.asked("unsubscribe")) == (
            "ended",
            [{"type": "unsubscribe", "channels": ["logs"], "id": 3}],
        )
        again = await client.subscribe("logs")
        hub.publish("logs", 1)
        assert (await again.next(SOON)).data == 1


async def test_unsubscribing_without_names_ends_all() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        both = [await client.subscribe(channel) for channel in ("logs", "status")]
        await client.unsubscribe()
        assert [one.state for one in both] == ["ended", "ended"]
        assert client.stats().subscriptions == {}


@pytest.mark.clause("L23")
async def test_a_rate_that_is_passed_is_raised_or_waited_for() -> None:
    refusal = {"type": "error", "code": 429, "error": "rate_limited", "message": "m", "temporary": True}
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("publish", {**refusal, "retry_after": 0.01})
        with pytest.raises(RateLimited) as fault:
            await client.publish("actions", 1)
        assert fault.value.retry_after == 0.01
        hub.answer_next("publish", {**refusal, "retry_after": 0.01})
        assert (await client.publish("actions", 2, retry=True)).position == "fake1:1"


async def test_no_answer_is_a_time_out() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("ping", {})
        with pytest.raises(RequestTimeout, match="no answer to ping in time"):
            await client.request({"type": "ping"}, timeout=0.05)


async def test_what_cannot_be_sent_says_so_and_the_connection_lives() -> None:
    async with FakeHub(welcome={"limits": {"message": 2000}}) as hub, client_of(hub) as client:
        with pytest.raises(TooLarge, match="the hub takes 2000") as fault:
            await client.publish("actions", "x" * 2000)
        assert fault.value.limit == 2000
        with pytest.raises(BadRequest, match="data: expected a JSON value, got <object"):
            await client.publish("actions", object())
        with pytest.raises(ValueError, match=r"vector\.0: expected a finite number, got nan"):
            await client.emit("a.b", [float("nan")] * 8)
        assert (await client.publish("actions", 1)).position == "fake1:1"


async def test_cancelling_a_call_leaves_nothing_behind() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("publish", {})
        publishing = asyncio.ensure_future(client.publish("actions", 1, mid=None))
        await hub.asked("publish")
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        assert (await client.publish("actions", 2)).position == "fake1:1"


@pytest.mark.clause("C6", "C7", "X1")
@pytest.mark.accept("I3")
async def test_a_token_source_is_asked_once_and_once_more_when_refused() -> None:
    requests: list[TokenRequest] = []
    tokens = iter(["old", "new"])

    async def fetch(request: TokenRequest) -> str:
        requests.append(request)
        return next(tokens)

    async with FakeHub(tokens={"new": "bot"}) as hub, client_of(hub, token=fetch) as client:
        assert (client.role, requests) == ("bot", [TokenRequest("initial"), TokenRequest("rejected")])
        assert [one.headers["Authorization"] for one in hub.handshakes] == ["Bearer old", "Bearer new"]
        hub.cut()
        await client.wait_for(State.RECONNECTING, SOON)
        await client.wait_for(State.CONNECTED, SOON)
        assert len(requests) == 2


@pytest.mark.clause("X5", "C10")
async def test_a_credential_that_is_refused_raises_and_is_not_tried_again() -> None:
    async with FakeHub(tokens={"good": "bot"}) as hub:
        client = client_of(hub, token="bad")
        with pytest.raises(AuthError, match="login refused: 4101 token_invalid"):
            await client.connect(retry=True)
        assert (client.state, len(hub.handshakes)) == (State.CLOSED, 1)


async def test_a_token_source_that_fails_raises_where_a_first_connect_waits_for_it() -> None:
    def fetch(request: TokenRequest) -> str:
        raise LookupError("no token server")

    async with FakeHub() as hub:
        client = client_of(hub, token=fetch)
        client.on("error", lambda error: None)
        with pytest.raises(AuthError, match="the token source failed: LookupError: no token server") as fault:
            await client.connect()
        assert isinstance(fault.value.__cause__, LookupError)


@pytest.mark.clause("X2", "X4")
async def test_a_handshake_that_is_refused_for_now_is_tried_again_and_for_good_is_not() -> None:
    async with FakeHub() as hub:
        hub.refuse(503, {"Retry-After": "0"})
        client = client_of(hub)
        assert (await client.connect(retry=True)).role == "developer"
        await client.close()
        hub.refuse(403)
        with pytest.raises(Closed, match="HTTP 403 in place of the upgrade: refused by the test"):
            await client.connect(retry=True)


async def test_nobody_there_raises_at_once_unless_asked_to_go_on() -> None:
    hub = FakeHub()
    await hub.start()
    url = hub.url
    await hub.stop()
    client = NeurographWSClient(url, backoff=AT_ONCE)
    with pytest.raises(Disconnected, match=f"cannot connect to {url}: connection refused"):
        await client.connect()
    states = Seen()
    client.on("state", states)
    connecting = asyncio.ensure_future(client.connect(retry=True))
    await states.wait(4)
    await hub.start(int(url.rpartition(":")[2].partition("/")[0]))
    assert (await connecting).role == "developer"
    await client.close()
    await hub.stop()


async def test_a_hub_that_says_nothing_is_given_up() -> None:
    async with FakeHub() as hub:
        hub.is_mute = True
        with pytest.raises(RequestTimeout, match=r"no welcome within 0\.05 s"):
            await client_of(hub, connect_timeout=0.05).connect()


@pytest.mark.clause("X1", "X5")
async def test_a_client_that_is_kicked_stops_and_says_why() -> None:
    async with FakeHub() as hub:
        client = client_of(hub)
        await client.connect()
        running = asyncio.ensure_future(client.run_forever())
        await hub.close_all(4010, "kicked")
        with pytest.raises(Closed, match="the hub ended it: 4010 kicked") as fault:
            await running
        assert (fault.value.code, client.state) == (4010, State.CLOSED)
        with pytest.raises(Closed, match="4010 kicked"):
            await client.publish("actions", 1)


@pytest.mark.clause("H2")
@pytest.mark.accept("A7")
async def test_a_hub_that_falls_silent_is_left() -> None:
    async with FakeHub(welcome={"heartbeat": {"interval": 0.05, "timeout": 0.05}}) as hub, client_of(hub) as client:
        lost = Seen()
        client.on("disconnected", lost)
        await hub.asked("ping")
        hub.is_mute = True
        (error,) = await lost.wait(1)
        assert error.code == 4208
        hub.is_mute = False


async def test_closing_ends_calls_and_subscriptions_and_leaves_no_task() -> None:
    async with FakeHub() as hub:
        before = asyncio.all_tasks()
        client = client_of(hub)
        await client.connect()
        logs = await client.subscribe("logs")
        hub.answer_next("ping", {})
        pinging = asyncio.ensure_future(client.ping())
        await hub.asked("ping")
        await client.close()
        with pytest.raises(Closed, match="the client was closed"):
            await pinging
        assert (logs.state, client.state) == ("ended", State.CLOSED)
        left = {task for task in asyncio.all_tasks() - before if "neurograph_ws_client/" in str(task.get_coro())}
        assert left == set()


async def test_a_closed_client_can_connect_again() -> None:
    async with FakeHub() as hub:
        client = client_of(hub)
        for _ in range(2):
            await client.connect()
            await client.close()
        assert len(hub.handshakes) == 2


async def test_waiting_for_a_state_has_a_time_out() -> None:
    async with FakeHub() as hub:
        with pytest.raises(RequestTimeout, match="the client is idle and was not connected within 0 s"):
            await client_of(hub).wait_for(State.CONNECTED, 0)


async def test_a_burst_larger_than_the_queue_loses_nothing_while_the_consumer_keeps_up() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", queue_size=300)
        for number in range(5000):
            hub.publish("logs", number)
        assert [(await logs.next(SOON)).data for _ in range(5000)] == list(range(5000))
        assert logs.dropped == 0


async def test_a_consumer_that_waits_stops_the_reading_and_loses_nothing() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", queue_size=2, on_full="wait")
        hub.publish("logs", 0)
        await logs.next(SOON)
        for number in range(1, 2000):
            hub.publish("logs", number)
        for number in range(1, 2000):
            assert (await logs.next(SOON)).data == number
        assert (logs.dropped, client.stats().gaps) == (0, 0)


@pytest.mark.clause("M2")
async def test_what_is_no_message_is_told_and_the_stream_goes_on() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        logs = await client.subscribe("logs")
        hub.push_raw(b"{")
        hub.push_raw(b"[1, null]")
        hub.publish("logs", 1)
        assert (await logs.next(SOON)).data == 1
        assert len(await errors.wait(3)) == 3
        assert client.stats().unreadable == 3


async def test_an_error_nobody_listens_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def handle(event: Event[Any]) -> None:
        raise LookupError("nowhere")

    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", handle)
        hub.publish("logs", 1)
        await client.ping()
        assert logs.failures == 1
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.ERROR, "nowhere")]


async def test_a_listener_can_be_removed_and_a_wrong_name_is_refused() -> None:
    async with FakeHub() as hub:
        client, seen = client_of(hub), Seen()
        client.on("state", seen)()
        await client.connect()
        await client.close()
        assert seen.items == []
        with pytest.raises(
            ValueError,
            match="on: expected one of state, connected, disconnected, resumed, gap, reconnection_token, error",
        ):
            client.on("stat", seen)  # type: ignore[arg-type]


async def test_an_async_listener_is_awaited_and_one_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeHub() as hub:
        client, told = client_of(hub), asyncio.Event()

        async def listen(welcome: Any) -> None:
            told.set()

        def fail(welcome: Any) -> None:
            raise LookupError

        client.on("connected", fail)
        client.on("connected", listen)
        await client.connect()
        async with asyncio.timeout(SOON):
            await told.wait()
        await client.close()
    assert "a listener for connected raised" in caplog.text


async def test_nothing_secret_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeHub(tokens={"sesame": "bot"}) as hub:
        url = hub.url + "?token=sesame"
        async with NeurographWSClient(url, token="sesame", debug=True) as client:
            await client.send({"type": "connect", "token": "sesame"})
            await client.ping()
            assert "sesame" not in repr(client) + repr(client.stats())
    ours = [record for record in caplog.records if record.name == "neurograph_ws_client"]
    assert ours
    assert [record.getMessage() for record in ours if "sesame" in record.getMessage()] == []


async def test_its_repr_and_figures_tell_the_same() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        hub.publish("logs", 1)
        await logs.next(SOON)
        stats = client.stats()
        assert (stats.state, stats.events, stats.gaps) == ("connected", 1, 0)
        assert (stats.subscriptions["logs"].state, stats.subscriptions["logs"].position) == ("active", "fake1:0")
        text = f"<NeurographWSClient {hub.url} connected role=developer events=1 gaps=0 reconnects=0 ['logs']>"
        assert repr(client) == text


@pytest.mark.parametrize("token", ["", "  \n"])
def test_an_empty_token_is_refused_instead_of_connecting_as_anonymous(token: str) -> None:
    with pytest.raises(ValueError, match="token: expected a JWT or an API key, came an empty string"):
        NeurographWSClient("ws://127.0.0.1:1/ws", token=token)


async def test_with_debug_every_frame_is_logged_as_json_both_ways(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeHub() as hub, client_of(hub, debug=True) as client:
        await client.publish("logs", {"größe": 1})
    lines = [record.getMessage() for record in caplog.records if record.name == "neurograph_ws_client"]
    frames = [(line[:2], json.loads(line[2:])) for line in lines if line[:2] in {"< ", "> "}]
    kinds = [(way, frame["type"], frame.get("data")) for way, frame in frames]
    assert [kind for kind in kinds if kind[1] in {"publish", "ack"}] == [
        ("> ", "publish", {"größe": 1}),
        ("< ", "ack", None),
    ]


@pytest.mark.clause("M23")
async def test_channels_that_are_all_refused_have_each_its_own_error() -> None:
    async with FakeHub(rights={"shut": ()}) as hub, client_of(hub) as client:
        asked = [client.subscribe(channel) for channel in ("nope", "shut")]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnknownChannel, PermissionDenied]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"on_full": "x"}, 'on_full: expected "gap", "wait" or "error", got \'x\''),
        ({"on_full": None}, 'on_full: expected "gap", "wait" or "error", got None'),
        ({"on_error": "x"}, 'on_error: expected "continue" or "stop", got \'x\''),
        ({"gaps": "x"}, "gaps: expected True or False, got 'x'"),
        ({"gaps": 1}, "gaps: expected True or False, got 1"),
        ({"delivery": "some"}, 'delivery: expected "all" or "latest", got \'some\''),
        ({"on_slow": ["gap"]}, 'on_slow: expected "gap" or "close", got [\'gap\']'),
        ({"ack": 0}, "ack: expected a whole number from 1 to 10,000, got 0"),
        ({"ack": "x"}, "ack: expected a whole number from 1 to 10,000, got 'x'"),
        ({"ack": True}, "ack: expected a whole number from 1 to 10,000, got True"),
        ({"ack": 10_001}, "ack: expected a whole number from 1 to 10,000, got 10001"),
        ({"max_rate": 0}, "max_rate: expected 0.1 to 1,000 events per second, got 0"),
        ({"max_rate": "x"}, "max_rate: expected 0.1 to 1,000 events per second, got 'x'"),
        ({"max_rate": float("nan")}, "max_rate: expected 0.1 to 1,000 events per second, got nan"),
        ({"queue_size": "x"}, "queue_size: expected at least 2 (a gap and an event), got 'x'"),
    ],
    ids=str,
)
async def test_a_wrong_option_is_refused_at_the_call_and_subscribes_to_nothing(
    option: dict[str, Any], told: str
) -> None:
    client = NeurographWSClient(positions={"logs": "aaaa:1"})
    with pytest.raises(ValueError, match=re.escape(told)) as fault:
        client.subscribe("logs", **option)
    assert str(fault.value) == told
    assert (client.stats().subscriptions, client.positions) == ({}, {"logs": "aaaa:1"})


async def test_a_wrong_option_is_refused_by_an_update_too() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        with pytest.raises(ValueError, match="ack: expected a whole number from 1 to 10,000, got 0"):
            await logs.update(ack=0)


@pytest.mark.clause("M10")
@pytest.mark.parametrize(
    ("data", "path", "told"),
    [
        (float("nan"), "data", "expected a finite number, got nan"),
        ({"cpu": [1, float("inf")]}, "data.cpu[1]", "expected a finite number, got inf"),
        ({"raw": b"x"}, "data.raw", "expected a JSON value, got b'x'"),
        ({"x": [0, {1}]}, "data.x[1]", "expected a JSON value, got {1}"),
        (["\ud800"], "data[0]", "expected text without lone surrogates, got '\\ud800'"),
        ({"x": [0, 0, 0, 2**64]}, "data.x[3]", "expected an integer from -2^63 to 2^64-1, got 18446744073709551616"),
        (-(2**63) - 1, "data", "expected an integer from -2^63 to 2^64-1, got -9223372036854775809"),
        (10**5000, "data", "expected an integer from -2^63 to 2^64-1, got one of 16,610 bits"),
    ],
    ids=["nan", "inf", "bytes", "set", "surrogate", "integer", "negative", "huge"],
)
async def test_what_has_no_form_on_the_wire_is_told_with_its_place_and_never_sent(
    data: Any, path: str, told: str
) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(BadRequest) as fault:
            await client.publish("actions", data)
        assert (fault.value.path, str(fault.value)) == (path, f"{path}: {told}")
        assert hub.logs["actions"].entries == []


async def test_what_would_wait_for_a_connection_is_refused_at_once_if_it_has_no_form() -> None:
    async with FakeHub() as hub, client_of(hub, send_queue=8, backoff=Backoff(base=60, cap=60)) as client:
        hub.cut()
        await client.wait_for(State.RECONNECTING, SOON)
        with pytest.raises(BadRequest, match=r"data: expected a finite number, got nan"):
            await client.publish("actions", float("nan"), timeout=60)


@pytest.mark.clause("M10")
async def test_what_holds_itself_or_is_nested_without_an_end_is_told_at_once() -> None:
    circle: list[Any] = []
    circle += [circle, circle]
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(BadRequest, match="expected at most 32 levels of nesting"):
            await client.publish("actions", circle)
        with pytest.raises(BadRequest, match="expected at most 32 levels of nesting"):
            await client.publish("actions", deep)


async def test_a_text_that_is_none_is_told_with_the_name_of_the_argument() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(BadRequest, match="text: expected a string, got 5"):
            await client.emit_text(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1])
async def test_a_queue_that_could_not_hold_a_gap_and_an_event_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="queue_size: expected at least 2"):
        NeurographWSClient().subscribe("logs", queue_size=size)


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_pausing_and_resuming_the_transport_works_on_either_loop() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", on_full="wait", queue_size=2)
        for number in range(2000):
            hub.publish("logs", number)
        assert [(await logs.next(SOON)).data for _ in range(2000)] == list(range(2000))


async def test_unsubscribing_while_the_client_closes_is_no_error() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        hub.answer_next("unsubscribe", {})
        ending = asyncio.ensure_future(logs.unsubscribe())
        await hub.asked("unsubscribe")
        await client.close()
        await ending
        assert logs.state == "ended"


async def test_a_hub_that_reads_nothing_more_is_a_time_out_for_who_asks() -> None:
    async with FakeHub(welcome={"limits": {"message": 64 << 20}}) as hub, client_of(hub) as client:
        hub.peers[0].socket.transport.pause_reading()
        with pytest.raises(RequestTimeout, match="no answer to publish in time"):
            await client.publish("actions", "x" * (32 << 20), timeout=0.3)
        async with asyncio.timeout(SOON):
            await client.close()


@pytest.mark.clause("L23")
@pytest.mark.parametrize(
    "options", [{"on_error": "stop"}, {"on_full": "error", "queue_size": 2}], ids=lambda one: next(iter(one))
)
async def test_an_unsubscribe_nobody_waits_for_is_told_where_the_hub_refuses_it(options: Any) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        told = Seen()
        client.on("error", told)

        def fails(event: Event[Any]) -> None:
            raise ValueError("mine")

        await client.subscribe("logs", fails if "on_error" in options else None, **options)
        refusal = {"type": "error", "code": 429, "error": "rate_limited", "message": "m", "temporary": True}
        hub.answer_next("unsubscribe", {**refusal, "retry_after": 1})
        for number in range(3):
            hub.publish("logs", number)
        count = 2 if "on_error" in options else 1
        *_, error = await told.wait(count)
        assert (type(error), len(told.items)) == (RateLimited, count)
