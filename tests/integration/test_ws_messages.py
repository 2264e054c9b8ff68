"""Messages over a real connection: what cannot be read, what is too large, arrays, msgpack, rates."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.hub import RunningHub
from tests.support.ws import MSGPACK, Peer

Start = Callable[..., RunningHub]


@pytest.mark.clause("M10", "M11", "M13", "M1")
@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ('{"type":"ping","t":NaN}', "bad_json"),
        ('{"type":"ping","t":Infinity}', "bad_json"),
        ('{"type":"ping","t":1e400}', "bad_json"),
        ('{"type":"publish","channel":"logs","event":"x","data":"\\ud800"}', "bad_json"),
        ('{"type":"ping","type":"connect"}', "bad_json"),
        ('{"type":"ping","id":9007199254740993}', "bad_json"),
        ('{"type":"publish","channel":"logs","event":"x","data":' + "[" * 40 + "]" * 40 + "}", "bad_json"),
        ('{"type":"publish","channel":"logs","event":"x","data":18446744073709551616}', "bad_json"),
        ("\ufeff{}", "bad_json"),
        ("", "bad_json"),
        ("not json", "bad_json"),
        ("7", "bad_message"),
        ("{}", "bad_message"),
        ('[{"type":"ping"}]', "bad_message"),
        ('{"type":"welcome"}', "unknown_type"),
    ],
)
def test_what_cannot_be_read_is_answered_and_the_connection_lives(ws_hub: RunningHub, frame: str, error: str) -> None:
    with Peer(ws_hub, "admin") as peer:
        peer.send(frame)
        answer = peer.next("error")
        assert (answer["code"], answer["error"]) == (400, error)
        assert peer.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("M15", "X3")
def test_ten_unreadable_messages_in_a_row_close_with_4000(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        peer.send(*["{", "{}"] * 5)
        assert peer.closed() == (4000, "protocol_broken; 10 unreadable messages in a row")
        assert [message["type"] for message in peer.received] == ["welcome", *["error"] * 10]


@pytest.mark.clause("L7", "L10", "E2")
def test_a_message_over_the_limit_is_413_and_the_connection_lives(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        peer.send('{"type":"publish","channel":"logs","event":"x","data":"' + "x" * 1_048_576 + '"}')
        answer = peer.next("error")
        assert (answer["code"], answer["error"], answer["limit"]) == (413, "too_large", 1_048_576)
        assert peer.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("L7", "L8")
def test_only_publish_and_emit_may_be_larger_than_64_kib(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        large = "x" * 100_000
        assert peer.ask(type="subscribe", channel="logs", pad=large)["limit"] == 65_536
        assert peer.ask(type="publish", channel="actions", event="x", data=large)["type"] == "ack"


@pytest.mark.clause("L7", "M41")
def test_a_channel_may_take_larger_messages_than_others(start: Start) -> None:
    tables = {"big": {"subscribe": ["admin"], "broadcast": ["admin"], "max_message": "2MiB"}}
    with Peer(start(channels=tables), "admin") as peer:
        assert peer.welcome["channels"]["big"] == {"rights": ["subscribe", "broadcast"], "message": 2_097_152}
        large = "x" * 1_500_000
        assert peer.ask(type="publish", channel="big", event="x", data=large)["type"] == "ack"
        assert peer.ask(type="publish", channel="logs", event="x", data=large)["limit"] == 1_048_576


@pytest.mark.clause("M12")
def test_an_array_is_taken_message_by_message(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, subprotocols=("ng-ws.v1.json",)) as peer:
        peer.send([{"type": "ping", "id": 1}, {"type": "nonsense", "id": 2}, {"type": "ping", "id": 3}])
        answers = [peer.receive() for _ in range(3)]
        assert [(answer["id"], answer["type"]) for answer in answers] == [(1, "pong"), (2, "error"), (3, "pong")]


@pytest.mark.clause("C2", "M14", "M4")
def test_msgpack_is_spoken_both_ways(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin", subprotocols=(MSGPACK,)) as peer:
        data: dict[str, Any] = {"n": 2**64 - 1, "i": -1, "f": 1.0, "t": "é", "l": [None, True]}
        subscribed = peer.ask(type="subscribe", channels=["actions", "nowhere"])
        stored = peer.ask(type="publish", channel="actions", event="x", data=data, tags={"a": "b"}, key="k")
        (event,) = peer.events("actions", 1)
        assert (list(subscribed["channels"]), subscribed["errors"]["nowhere"]["code"]) == (["actions"], 404)
        assert (event["data"], event["tags"], event["key"]) == (data, {"a": "b"}, "k")
        assert [type(value) for value in event["data"].values()] == [type(value) for value in data.values()]
        assert stored["positions"]["actions"].endswith(f":{event['offset']}")
        assert peer.ask(type="ping", t=1.5)["t"] == 1.5


@pytest.mark.clause("M14", "B5")
@pytest.mark.parametrize("data", [[b"bytes"], float("nan"), msgpack.ExtType(1, b"")])
def test_what_msgpack_may_not_hold_is_400(ws_hub: RunningHub, data: Any) -> None:
    with Peer(ws_hub, "admin", subprotocols=(MSGPACK,)) as peer:
        peer.send({"type": "publish", "channel": "actions", "event": "x", "data": data})
        assert peer.next("error")["error"] == "bad_message"


@pytest.mark.clause("M13", "M11", "M44")
def test_json_data_reaches_subscribers_byte_for_byte(ws_hub: RunningHub) -> None:
    data = '{ "big":18446744073709551615, "a":1, "a":2, "e":1.50e1 }'
    with Peer(ws_hub, "admin") as peer, Peer(ws_hub, "developer") as reader:
        reader.ask(type="subscribe", channel="actions")
        peer.send('{"type":"publish","channel":"actions","event":"x","data":' + data + "}")
        assert data in str(reader.socket.recv(10))


@pytest.mark.clause("C2")
def test_a_text_frame_under_msgpack_is_closed_with_4000(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, subprotocols=(MSGPACK,)) as peer:
        peer.send('{"type":"ping"}')
        assert peer.closed()[0] == 4000


@pytest.mark.clause("B4")
def test_a_binary_frame_under_json_is_400(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        peer.send(b"\x01\x00\x00\x00\x02{}")
        assert peer.next("error")["error"] == "bad_message"
        assert peer.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("M7", "C14")
def test_answers_to_connect_subscribe_and_unsubscribe_come_in_order(ws_hub: RunningHub) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "subscribe", "channel": "metrics"},
        {"type": "connect"},
        {"type": "unsubscribe", "channel": "metrics"},
        {"type": "subscribe", "channel": "nowhere"},
        {"type": "subscribe", "channel": "status"},
        {"type": "connect", "token": "nonsense"},
        {"type": "unsubscribe", "channels": ["*"]},
    ]
    with Peer(ws_hub) as peer:
        peer.send(*[{**message, "id": number} for number, message in enumerate(messages)])
        answers = [peer.until(lambda message: "id" in message)["id"] for _ in messages]
        assert answers == list(range(len(messages)))


@pytest.mark.clause("L22", "L23", "E1")
def test_who_asks_too_fast_is_told_when_to_come_again(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        peer.send(*[{"type": "ping"}] * 120)
        refused = peer.ask(type="ping")
        assert (refused["code"], refused["error"], refused["temporary"]) == (429, "rate_limited", True)
        assert 0 < refused["retry_after"] <= 0.5


@pytest.mark.clause("L18")
def test_a_flood_of_messages_is_closed_with_4229(start: Start) -> None:
    with Peer(start(message_rate="100/10", rate_ping="100000/100000")) as peer:
        with suppress(ConnectionClosed):  # it may be closed before the last of them is sent
            peer.send(*['{"type":"ping"}'] * 150)
        assert peer.closed()[0] == 4229


@pytest.mark.clause("E3")
def test_what_is_refused_has_no_effect(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        before = peer.ask(type="publish", channel="actions", event="x")["positions"]["actions"]
        peer.ask(type="publish", channel="actions", event="..")
        peer.ask(type="publish", channel="actions", event="x", mid="a b")
        after = peer.ask(type="publish", channel="actions", event="x")["positions"]["actions"]
        assert int(after.split(":")[1]) == int(before.split(":")[1]) + 1


def test_a_flood_of_one_does_not_hold_up_another(ws_hub: RunningHub) -> None:
    flood = json.dumps({"type": "publish", "channel": "actions", "event": "x", "data": "x" * 200})
    with Peer(ws_hub, "admin") as flooder, Peer(ws_hub) as other:
        with suppress(ConnectionClosed):  # it may be closed before the last of them is sent
            flooder.send(*[flood] * 2_000)
        assert other.ask(type="ping")["type"] == "pong"
        assert flooder.closed()[0] == 4229
    assert {message["error"] for message in flooder.received if message["type"] == "error"} == {"rate_limited"}
