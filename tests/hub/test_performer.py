"""Effects are executed in the order they are given in, and answers that come late are sent too."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels._native import EVENT_TEXT
from channels.broker import Position, Stored
from channels.buckets import Rate
from channels.errors import LogUnavailable, Overloaded
from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from hub.contents import Contents
from hub.session import Session
from tests.support.media import media_frame
from tests.support.node import Node, Peer

ADMIN = Identity("root", Role.ADMIN)
DEVELOPER = Identity("ann", Role.DEVELOPER)
PUBLISH = {"type": "publish", "id": 1, "channel": "actions", "event": "x"}


def answer_later(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Any], None]]:
    """As a backplane over a network does: the appends of publishes wait for what they are called back with."""
    waiting: list[Callable[[Any], None]] = []
    monkeypatch.setattr(node.broker, "answers_later", lambda _channel: True)
    monkeypatch.setattr(node.broker, "publish_batch", lambda _channel, _batch, done: waiting.append(done))
    return waiting


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node({"room:*": {"subscribe": ["developer"]}}) as running:
        yield running


@pytest.mark.clause("M7", "C14")
async def test_answers_keep_the_order_of_their_requests_even_if_the_plane_gives_some_of_them(node: Node) -> None:
    peer = node.peer(DEVELOPER)
    await peer.next("welcome")
    requests = [
        ("connect", {}),
        ("subscribe", {"channel": "logs"}),
        ("subscribe", {"channel": "nowhere"}),
        ("unsubscribe", {"channel": "logs"}),
    ]
    peer.send(*[{"type": kind, "id": number, **members} for number, (kind, members) in enumerate(requests * 3)])
    await peer.next("unsubscribed")
    await peer.next("unsubscribed")
    await peer.next("unsubscribed")
    told = [message["id"] for message in peer.seen if "id" in message]
    assert told == list(range(12))


@pytest.mark.clause("M30", "M4")
async def test_an_answer_that_comes_after_its_turn_is_sent(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = answer_later(node, monkeypatch)
    peer = node.peer(ADMIN)
    await peer.next("welcome")
    second = {**PUBLISH, "id": 2}
    peer.send(PUBLISH, {"type": "ping"}, second, {"type": "ping", "id": 1}, {"type": "ping"})
    await peer.next("pong")
    await peer.next("pong")
    waiting[0](Position("k3Fq", 7))
    waiting[1](LogUnavailable("not now", channel="actions"))
    error = await peer.next("error")
    by_type = {message["type"]: message for message in peer.seen if message["type"] in ("ack", "error")}
    assert by_type["ack"] == {"type": "ack", "id": 1, "positions": {"actions": "k3Fq:7"}}
    assert (error["id"], error["code"]) == (2, 503)
    assert [message.get("duplicate_of") for message in peer.seen if message["type"] == "error"] == [1, None]


@pytest.mark.clause("R12")
async def test_an_answer_for_a_connection_that_has_gone_reaches_nobody(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = answer_later(node, monkeypatch)
    peer, other = node.peer(ADMIN), node.peer(ADMIN)
    peer.send(PUBLISH, {"type": "ping"})
    await peer.next("pong")
    done = waiting[-1]
    node.plane.feed_close(peer.number, 1000, "")
    node.plane.flush()
    await peer.gone()
    done(Position("k3Fq", 7))
    other.send({"type": "ping"})
    await other.next("pong")
    assert [message["type"] for message in peer.seen + other.seen].count("ack") == 0


@pytest.mark.clause("M23", "L25")
async def test_a_channel_that_the_broker_refuses_fails_alone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe = node.broker.subscribe

    def refuse_rooms(conn: int, subject: str | None, specs: Any, reply: Any) -> None:
        for spec in specs:
            if spec.channel.startswith("room:"):
                raise Overloaded("no more channels", channel=spec.channel)
        subscribe(conn, subject, specs, reply)

    monkeypatch.setattr(node.broker, "subscribe", refuse_rooms)
    peer = node.peer(DEVELOPER)
    peer.send({"type": "subscribe", "channels": ["room:1", "logs", "room:2"]})
    answer = await peer.next("subscribed")
    assert (list(answer["channels"]), sorted(answer["errors"])) == (["logs"], ["room:1", "room:2"])
    assert list(peer.connection.session.subscriptions) == ["logs"]


@pytest.mark.clause("C25", "C16")
async def test_the_broker_hears_for_whom_a_connection_acts(node: Node) -> None:
    node.identities["good"] = DEVELOPER
    peer = node.peer(ANONYMOUS)
    peer.send({"type": "subscribe", "channel": "metrics"}, {"type": "connect", "token": "good"})
    await peer.next("subscribed")
    await peer.next("welcome")
    assert node.broker.followers.subject(peer.number) == "ann"


async def test_news_of_connections_that_cannot_be_stored_are_counted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node.broker, "publish_nowait", lambda _publication, done: done(LogUnavailable("not now")))
    await node.peer().next("welcome")
    assert node.errors() == {("hub", "connections"): 1}


@pytest.mark.clause("X6")
async def test_what_was_answered_before_a_close_is_sent_before_it(node: Node) -> None:
    peer = node.peer()
    peer.send({"type": "ping", "id": 1}, *[{}] * 10, {"type": "ping", "id": 2})
    await peer.closed()
    assert [message["type"] for message in peer.seen] == ["welcome", "pong", *["error"] * 10]


def emit(ident: int | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "emit", "event_type": "a.b", "vector": [0.5] * 8}
    return message if ident is None else {**message, "id": ident}


@pytest.mark.clause("C14", "M9")
async def test_a_subscription_from_new_begins_after_what_its_connection_emitted_before(node: Node) -> None:
    peer = node.peer(ADMIN)
    turn(node, peer, emit(1), {"type": "subscribe", "id": 2, "channel": "signals", "from": "new"}, emit(3))
    subscribed = await peer.next("subscribed")
    event = await peer.next("event")
    assert subscribed["channels"]["signals"]["position"].endswith(":1")
    assert (event["offset"], event["data"]["token_id"]) == (2, 2)
    assert [message["id"] for message in peer.seen if message["type"] == "emitted"] == [1, 3]


@pytest.mark.clause("C14", "M24")
async def test_a_subscription_sees_what_its_connection_emitted_in_a_turn_before(node: Node) -> None:
    """Processed, but not yet taken from the SignalSystem when the next turn begins."""
    peer = node.peer(ADMIN)
    turn(node, peer, emit())
    turn(node, peer, {"type": "subscribe", "channel": "signals", "from": {"last": 1}})
    assert (await peer.next("subscribed"))["channels"]["signals"]["behind"] == 1
    assert (await peer.next("event"))["offset"] == 1


@pytest.mark.clause("C14")
async def test_a_signal_and_a_publication_are_stored_in_the_order_of_their_messages(node: Node) -> None:
    peer = node.peer(ADMIN)
    publish = {**PUBLISH, "id": 2, "channel": "signals"}
    turn(node, peer, {"type": "subscribe", "channel": "signals"}, emit(1), publish, emit(3))
    assert [(await peer.next("event"))["event"] for _ in range(3)] == ["a.b", "x", "a.b"]
    answers = [message for message in peer.seen if message["type"] == "ack"]
    assert [answer["positions"]["signals"].split(":")[1] for answer in answers] == ["2"]


@pytest.mark.clause("C14", "M9")
async def test_a_signal_emitted_before_unsubscribing_comes_before_unsubscribed_or_not_at_all(node: Node) -> None:
    peer = node.peer(ADMIN)
    turn(node, peer, {"type": "subscribe", "channel": "signals"})
    turn(node, peer, emit(), {"type": "unsubscribe", "channel": "signals"})
    turn(node, peer, {"type": "subscribe", "channel": "signals", "from": "new"}, emit(), {"type": "ping"})
    again = [await peer.next("unsubscribed"), await peer.next("subscribed")][-1]
    assert again["channels"]["signals"]["position"].endswith(":1")
    assert (await peer.next("event"))["offset"] == 2


async def test_signals_of_a_turn_stay_one_call_where_nothing_asks_for_their_channel(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    process = node.signals.emit_many

    class Counted:
        def emit_many(self, items: Any) -> Any:
            calls.append(len(items))
            return process(items)

    monkeypatch.setattr(node.emissions, "_system", Counted())
    peer = node.peer(ADMIN)
    turn(node, peer, emit(), {"type": "subscribe", "channel": "logs"}, emit(), PUBLISH, emit())
    assert calls == [3]


async def test_a_turn_whose_signals_fail_still_ends(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are sent, and the next one outside a turn is not waited for in vain."""

    def fail() -> Any:
        raise RuntimeError("a mistake")

    peer = node.peer(ADMIN)
    await peer.next("welcome")
    with monkeypatch.context() as patch:
        patch.setattr(node.emissions, "run", fail)
        turn(node, peer, {"type": "ping", "id": 1})
        await peer.next("pong")
    assert node.connections.kick(peer.connection.session.conn)
    assert await peer.closed() == (4010, "kicked")
    assert node.errors()["internal", "signals"] >= 1


async def test_an_answer_that_a_session_cannot_take_ends_that_connection_only(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = node.peer(ADMIN), node.peer(ADMIN)
    answered = Session.answered

    def fail(session: Session, *arguments: Any) -> Any:
        if session is broken.connection.session:
            raise RuntimeError("a mistake")
        return answered(session, *arguments)

    monkeypatch.setattr(Session, "answered", fail)
    broken.send(emit(1))
    other.send(emit(1))
    assert await broken.closed() == (4250, "internal")
    assert (await other.next("emitted"))["id"] == 1


@pytest.mark.clause("M30")
async def test_who_listens_to_publishes_and_makes_a_mistake_keeps_no_publisher_from_its_answer(node: Node) -> None:
    class Broken:
        def published(self, *_arguments: Any) -> None:
            raise RuntimeError("a mistake")

        published_together = published

    node.connections.listen(Broken())
    peer = node.peer(ADMIN)
    turn(node, peer, PUBLISH, {**PUBLISH, "id": 2})
    assert [(await peer.next("ack"))["id"] for _ in range(2)] == [1, 2]
    assert (peer.output.close, node.errors()) == (None, {("internal", "listener"): 2})
    peer.send({**PUBLISH, "id": 3})
    assert (await peer.next("ack"))["id"] == 3
    assert node.errors() == {("internal", "listener"): 3}


async def test_an_answer_to_a_publish_that_a_session_cannot_take_ends_that_connection_only(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Callable[[Any], None]] = []
    monkeypatch.setattr(node.broker, "publish_nowait", lambda _publication, done: waiting.append(done))
    peer, other = node.peer(ADMIN), node.peer(ADMIN)
    await peer.next("welcome")
    await other.next("welcome")
    waiting.clear()
    turn(node, peer, PUBLISH)
    turn(node, other, PUBLISH)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "answered", broken_answer)
        waiting[0](Stored("k3Fq:7"))
    waiting[1](Stored("k3Fq:8"))
    assert await peer.closed() == (4250, "internal")
    assert (await other.next("ack"))["positions"] == {"actions": "k3Fq:8"}


def broken_answer(*_arguments: Any) -> Any:
    raise RuntimeError("a mistake")


def turn(node: Node, peer: Peer, *messages: dict[str, Any]) -> None:
    """One turn, with all of `messages` in it."""
    events = [(peer.number, EVENT_TEXT, json.dumps(message).encode(), None) for message in messages]
    node.connections._turns.backlog.extend(events)
    node.connections._turns.take()


@pytest.mark.clause("B8", "C14", "C17")
async def test_a_payload_that_is_still_looked_into_does_not_keep_a_change_of_role_waiting(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publish is refused for the time being, what waited behind it goes on, and the late answer changes nothing."""
    waiting: list[Callable[[Any], None]] = []
    monkeypatch.setattr(Contents, "is_much", lambda *_: True)
    monkeypatch.setattr(Contents, "fault_later", lambda _self, _data, _content, _policy, done: waiting.append(done))
    peer = node.peer(ADMIN)
    await peer.next("welcome")
    head = {"type": "publish", "id": 1, "channel": "actions", "event": "x", "content_encoding": "gzip"}
    node.plane.feed(peer.number, media_frame(head, b"payload"), binary=True)
    peer.send({**PUBLISH, "id": 2}, {"type": "ping", "id": 3})
    await peer.next("pong")
    assert [message["type"] for message in peer.seen if "id" in message] == ["pong"]
    assert node.connections.change_role(peer.connection.session.conn, Role.VIEWER)
    error = await peer.next("error")
    assert (error["id"], error["code"], error["error"], error["channel"]) == (1, 503, "overloaded", "actions")
    assert (await peer.next("ack"))["id"] == 2
    waiting[0](None)
    peer.send({"type": "ping", "id": 4})
    await peer.next("pong")
    assert [message.get("id") for message in peer.seen if message["type"] in ("ack", "error")] == [1, 2]


@pytest.mark.clause("B8", "C14", "M6")
async def test_what_waits_behind_a_payload_is_bounded_and_goes_with_the_connection(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Callable[[Any], None]] = []
    monkeypatch.setattr(Contents, "is_much", lambda *_: True)
    monkeypatch.setattr(Contents, "fault_later", lambda _self, _data, _content, _policy, done: waiting.append(done))
    fast = Identity("root", Role.ADMIN, rates={"publish": Rate(1_000, 1_000)})
    peer, other = node.peer(fast), node.peer(ADMIN)
    await peer.next("welcome")
    head = {"type": "publish", "channel": "actions", "event": "x", "content_encoding": "gzip"}
    node.plane.feed(peer.number, media_frame(head, b"payload"), binary=True)
    peer.send(*[{**PUBLISH, "id": None}] * 257)
    error = await peer.next("error")
    assert (error["code"], error["error"], error["limit"]) == (429, "too_many_in_flight", 256)
    node.plane.feed_close(peer.number, 1000, "")
    node.plane.flush()
    await peer.gone()
    waiting[0](None)
    other.send({"type": "ping"})
    await other.next("pong")
    assert node.broker.history("actions") == []
