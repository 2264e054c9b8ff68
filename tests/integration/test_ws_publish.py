"""Publishing over a real connection: rights, acknowledgements, repeats."""

from collections.abc import Callable

import pytest

from channels.permissions import DEFAULT_RIGHTS, Right, Role
from tests.support.hub import RunningHub
from tests.support.ws import Peer

Start = Callable[..., RunningHub]
TRACE = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"


@pytest.mark.clause("C18", "C19", "E5")
@pytest.mark.accept("C10", "C9")
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_on_each_channel_what_the_table_says(ws_hub: RunningHub, role: Role) -> None:
    """All 30 cells of C19, for subscribing and for broadcasting."""
    with Peer(ws_hub, None if role is Role.ANONYMOUS else role.value) as peer:
        follows = {name: peer.ask(type="subscribe", channel=name)["type"] == "subscribed" for name in DEFAULT_RIGHTS}
        writes = {name: peer.ask(type="publish", channel=name, event="x")["type"] == "ack" for name in DEFAULT_RIGHTS}
    assert follows == {name: Right.SUBSCRIBE in rights[role] for name, rights in DEFAULT_RIGHTS.items()}
    assert writes == {name: Right.BROADCAST in rights[role] for name, rights in DEFAULT_RIGHTS.items()}


@pytest.mark.clause("M30", "M44", "M17", "I6")
@pytest.mark.accept("E3")
def test_an_ack_carries_the_position_at_which_the_entry_is_found(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        epoch, _ = peer.ask(type="subscribe", channel="actions")["channels"]["actions"]["position"].split(":")
        message = {"event": "deploy.started", "data": {"service": "api"}, "traceparent": TRACE, "tracestate": "a=b"}
        stored = peer.ask(type="publish", channel="actions", **message)
        overtaken = [received for received in peer.received if received["type"] == "event"]
        event = overtaken[0] if overtaken else peer.next("event")
    assert stored["positions"] == {"actions": f"{epoch}:{event['offset']}"}
    assert {name: event[name] for name in message} == message


@pytest.mark.clause("M5")
def test_without_id_only_failures_are_answered(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "developer") as peer:
        peer.send({"type": "publish", "channel": "logs", "event": "x", "mid": "m-1"})
        error = peer.next("error")
        assert (error["re"], error["code"], error["channel"], error["mid"]) == ("publish", 403, "logs", "m-1")
    with Peer(ws_hub, "admin") as peer:
        peer.send({"type": "publish", "channel": "logs", "event": "x"})
        assert peer.quiet() == []


@pytest.mark.clause("M31")
def test_a_repeat_with_the_same_mid_is_stored_once(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin", subject="root") as peer, Peer(ws_hub, "admin", subject="root") as other:
        message = {"type": "publish", "channel": "actions", "event": "x", "data": {"a": 1, "b": 2}, "mid": "b7c1-0042"}
        first = peer.ask(**message)
        again = peer.ask(**{**message, "data": {"b": 2, "a": 1}})
        elsewhere = other.ask(**message)
        conflict = other.ask(**{**message, "data": 2})
    assert "duplicate" not in first
    assert (again["positions"], again["duplicate"]) == (first["positions"], True)
    assert (elsewhere["positions"], elsewhere["duplicate"]) == (first["positions"], True)
    assert (conflict["code"], conflict["error"], conflict["mid"]) == (409, "mid_conflict", "b7c1-0042")


@pytest.mark.clause("M31")
def test_the_mids_of_two_anonymous_connections_are_not_the_same(start: Start) -> None:
    hub = start(channels={"wall": {"subscribe": ["anonymous"], "broadcast": ["anonymous"]}})
    message = {"type": "publish", "channel": "wall", "event": "x", "mid": "1"}
    with Peer(hub) as one, Peer(hub) as other:
        positions = [peer.ask(**message)["positions"]["wall"] for peer in (one, other, one)]
    assert positions[0] == positions[2] != positions[1]


@pytest.mark.clause("P3", "C14")
def test_the_entries_of_a_publisher_are_in_the_order_sent(start: Start) -> None:
    hub = start(rate_publish="10000/10000")
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader:
        reader.ask(type="subscribe", channel="actions")
        publisher.send(
            *[{"type": "publish", "channel": "actions", "event": "x", "data": number} for number in range(500)]
        )
        assert [event["data"] for event in reader.events("actions", 500)] == list(range(500))


@pytest.mark.clause("M6")
def test_ids_may_be_used_again_once_they_are_answered(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        message = {"type": "publish", "id": 1, "channel": "actions", "event": "x"}
        peer.send(message, message, message)
        answers = [peer.until(lambda received: "id" in received or "duplicate_of" in received) for _ in range(3)]
        assert [answer["type"] for answer in answers] == ["ack"] * 3


@pytest.mark.clause("C25")
def test_nobody_publishes_to_a_presence_channel(start: Start) -> None:
    hub = start(channels={"room:*": {"subscribe": ["admin"], "broadcast": ["admin"], "presence": True}})
    with Peer(hub, "admin") as peer:
        assert peer.ask(type="publish", channel="room:1/presence", event="join")["code"] == 403
