"""What was asked and not done: told to whoever asked, and asked again where that may help."""

import asyncio
from typing import Any

import pytest
from neurograph_ws_client import BadRequest, ProtocolViolation, RateLimited
from neurograph_ws_client.effects import Reject, Send, SubChanged, Unsent
from neurograph_ws_client.policy import Backoff
from neurograph_ws_client.requests import MAX_HELD_BACK, Request
from neurograph_ws_client.session import Session
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, client_of

TOO_FAST = {"type": "error", "code": 429, "error": "rate_limited", "message": "slower", "temporary": True}


def connected(in_flight: int = 256) -> Session:
    """A session on connection 1."""
    session = Session(draw=lambda: 0.5, backoff=Backoff(), is_resumable=False)
    session.connect(0, retry=False)
    session.opened(1, 0)
    welcome = {"type": "welcome", "conn": "c", "role": "viewer", "limits": {"in_flight": in_flight}}
    session.receive(1, welcome, 0)
    return session


def sent(effects: Any) -> list[Any]:
    return [message for effect in effects if isinstance(effect, Send) for message in effect.messages]


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ({"data.x": object()}, "filter.data.x: expected a JSON value, got <object"),
        ({"data.x": {"gte": float("nan")}}, "filter.data.x.gte: expected a finite number, got nan"),
        ({"data.x": {"in": ["a", b"b"]}}, "filter.data.x.in\\[1\\]: expected a JSON value, got b'b'"),
    ],
)
async def test_a_filter_without_a_json_form_is_refused_where_it_is_given(condition: Any, place: str) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(ValueError, match=place):
            client.subscribe("logs", filter=condition)
        logs = await client.subscribe("logs")
        with pytest.raises(ValueError, match=place):
            await logs.update(filter=condition)


async def test_a_filter_that_is_spoilt_after_it_was_given_ends_the_subscription_with_the_place() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        condition: dict[str, Any] = {"data.x": 1}
        logs, whole = client.subscribe("logs", filter=condition), client.subscribe("metrics")
        condition["data.x"] = object()
        async with asyncio.timeout(SOON):
            await whole
            with pytest.raises(BadRequest, match=r"filter.data.x: expected a JSON value, got <object"):
                await logs


async def test_a_message_that_is_too_long_for_the_hub_is_told_to_who_subscribes_and_to_who_updates() -> None:
    async with FakeHub(welcome={"limits": {"message": 2000}}) as hub, client_of(hub) as client:
        long = {"key": {"in": ["x" * 100] * 30}}
        with pytest.raises(Exception, match=r"the message is 3\d+ bytes, the hub takes 2000"):
            async with asyncio.timeout(SOON):
                await client.subscribe("logs", filter=long)
        metrics = await client.subscribe("metrics")
        with pytest.raises(Exception, match=r"the message is 3\d+ bytes, the hub takes 2000"):
            async with asyncio.timeout(SOON):
                await metrics.update(filter=long)


def test_one_of_several_messages_that_cannot_be_written_fails_alone() -> None:
    session = connected()
    session.subscribe("logs", {"filter": {"a": object()}})
    (subscribe,) = sent(session.flush(0))
    effects = session.unsendable(subscribe["id"], BadRequest("no JSON"), 0)
    (end,) = [effect for effect in effects if isinstance(effect, SubChanged)]
    assert (end.state, type(end.error), str(end.error)) == ("ended", BadRequest, "no JSON")


def test_an_id_that_was_never_sent_is_free_for_what_waits_for_one() -> None:
    session = connected(in_flight=1)
    session.submit(Request({"type": "publish"}, "a", 5), 0)
    session.submit(Request({"type": "publish"}, "b", 5), 0)
    fault = BadRequest("no JSON")
    assert session.unsendable(1, fault, 0) == [Unsent("a", fault), Send(({"type": "publish", "id": 2},))]


@pytest.mark.clause("M6")
def test_questions_of_the_client_itself_wait_behind_a_full_queue_of_the_application() -> None:
    session = connected(in_flight=1)
    for number in range(1 + MAX_HELD_BACK):
        session.submit(Request({"type": "ping"}, f"t{number}", 5), 0)
    (refused,) = session.submit(Request({"type": "ping"}, "late", 5), 0)
    assert isinstance(refused, Reject)
    session.subscribe("logs", {})
    assert session.flush(0) == []
    for number in range(MAX_HELD_BACK):
        session.receive(1, {"type": "pong", "id": number + 1}, 0)
    assert sent(session.receive(1, {"type": "pong", "id": MAX_HELD_BACK + 1}, 0)) == [
        {"type": "subscribe", "channel": "logs", "id": MAX_HELD_BACK + 2}
    ]


@pytest.mark.clause("M4")
def test_an_id_of_the_callers_own_is_checked_where_it_is_given_though_it_waits() -> None:
    session = connected(in_flight=1)
    session.submit(Request({"type": "ping"}, "a", 5), 0)
    session.submit(Request({"type": "ping", "id": "mine"}, "b", 5), 0)
    with pytest.raises(ValueError, match="id 'mine' is still awaiting its answer"):
        session.submit(Request({"type": "ping", "id": "mine"}, "c", 5), 0)


@pytest.mark.clause("M4")
def test_an_id_that_the_client_makes_is_none_that_the_caller_uses() -> None:
    session = connected()
    session.submit(Request({"type": "ping", "id": 1}, "mine", 5), 0)
    assert sent(session.submit(Request({"type": "ping"}, "a", 5), 0)) == [{"type": "ping", "id": 2}]


@pytest.mark.clause("M26")
async def test_updates_at_once_follow_each_other_and_each_keeps_what_the_others_changed() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", filter={"key": "a"})
        await asyncio.gather(logs.update(ack=5), logs.update(max_rate=7), logs.update(on_slow="close"))
        last = (await hub.asked("subscribe", 4))[-1]
        assert {name: last.get(name) for name in ("filter", "ack", "max_rate", "on_slow")} == {
            "filter": {"key": "a"},
            "ack": 5,
            "max_rate": 7,
            "on_slow": "close",
        }


@pytest.mark.clause("M26")
async def test_an_update_that_is_refused_takes_nothing_along_into_the_next() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs")
        refusal = {"type": "error", "code": 422, "error": "filter_invalid", "message": "no", "temporary": False}
        hub.answer_next("subscribe", refusal)
        first, second = await asyncio.gather(
            logs.update(filter={"key": "a"}), logs.update(ack=5), return_exceptions=True
        )
        assert (type(first), second) == (BadRequest, None)
        last = (await hub.asked("subscribe", 3))[-1]
        assert ("filter" in last, last["ack"]) == (False, 5)


@pytest.mark.clause("L23")
def test_a_hub_that_refuses_an_unsubscribe_for_now_is_asked_again_when_it_may_be() -> None:
    session = following()
    (asked,) = sent(session.unsubscribe(["logs"], "mine", 0))
    (told,) = session.receive(1, {**TOO_FAST, "id": asked["id"], "retry_after": 2}, 0)
    assert isinstance(told, Reject)
    assert (told.ticket, type(told.error)) == ("mine", RateLimited)
    assert session.deadline() == 2
    (again,) = sent(session.expired(2))
    assert (again["type"], again["channels"]) == ("unsubscribe", ["logs"])
    answer = {"type": "unsubscribed", "id": again["id"], "channels": ["logs"]}
    assert list(session.receive(1, answer, 2)) == []
    assert session.lines[1].stop_at is None


def test_a_channel_that_is_wanted_again_is_not_stopped_by_a_former_unsubscribe() -> None:
    session = following()
    (asked,) = sent(session.unsubscribe(["logs"], "mine", 0))
    session.receive(1, {**TOO_FAST, "id": asked["id"], "retry_after": 2}, 0)
    session.subscribe("logs", {})
    assert [message["type"] for message in sent(session.flush(1))] == ["subscribe"]
    assert [message["type"] for message in sent(session.expired(2))] == []


def following() -> Session:
    session = connected()
    session.subscribe("logs", {})
    (subscribe,) = sent(session.flush(0))
    told = {"logs": {"position": "aaaa:1", "behind": 0, "delivery": "all", "on_slow": "gap"}}
    session.receive(1, {"type": "subscribed", "id": subscribe["id"], "channels": told}, 0)
    return session


@pytest.mark.clause("M41", "R5")
def test_a_session_that_was_resumed_stays_so_after_a_later_connect() -> None:
    session = Session(draw=lambda: 0.5, reconnection_token="R1")
    session.connect(0, retry=False)
    (connect,) = sent(session.opened(1, 0))
    welcome = {"type": "welcome", "conn": "c", "role": "viewer", "limits": {}}
    session.receive(1, {**welcome, "resumed": True, "id": connect["id"]}, 0)
    assert session.welcome is not None
    assert session.welcome.resumed
    session.receive(1, {**welcome, "role": "admin"}, 1)
    assert (session.welcome.role, session.welcome.resumed) == ("admin", True)


async def test_an_answer_that_cannot_be_read_ends_what_waits_for_it() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("subscribe", {"type": "subscribed", "channels": {"logs": {"position": "nonsense"}}})
        with pytest.raises(ProtocolViolation, match="expected a position like k3Fq:902, got 'nonsense'"):
            async with asyncio.timeout(SOON):
                await client.subscribe("logs")
        hub.answer_next("unsubscribe", {"type": "unsubscribed"})
        metrics = await client.subscribe("metrics")
        async with asyncio.timeout(SOON):
            await metrics.unsubscribe()
