"""Following channels over a real connection: order, replay, snapshots, switching, leaving."""

from collections.abc import Callable
from typing import Any

import pytest

from channels.permissions import Role
from tests.support.hub import RunningHub
from tests.support.ws import Peer

Start = Callable[..., RunningHub]
BOARD = {
    "subscribe": ["viewer", "admin"],
    "broadcast": ["admin"],
    "delivery": "latest",
    "retention": {"last_per_key": True},
}
ROOMS = {
    "room:*": {"subscribe": ["viewer", "anonymous"], "broadcast": ["admin"], "presence": True},
    "board": BOARD,
    "user:{sub}": {"subscribe": ["viewer"], "broadcast": ["admin"]},
}
EVERYTHING = {"rate_publish": "10000/10000", "rate_subscribe": "10000/10000", "rate_unsubscribe": "10000/10000"}


def publish(peer: Peer, channel: str, *data: Any, **members: Any) -> str:
    """Store one event for each of `data`. -> position of the last"""
    for item in data:
        answer = peer.ask(type="publish", channel=channel, event="e", data=item, **members)
    position: str = answer["positions"][channel]
    return position


def data_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["data"] for event in events]


@pytest.mark.clause("M9", "M44", "M45", "P1", "P3")
@pytest.mark.accept("A2", "B8", "B11")
def test_events_come_after_subscribed_with_consecutive_offsets(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as publisher, Peer(ws_hub, "developer") as reader:
        subscribed = reader.ask(type="subscribe", channel="actions")
        publish(publisher, "actions", 1, 2, 3, key="k", tags={"env": "prod"})
        events = reader.events("actions", 3)
    start = int(subscribed["channels"]["actions"]["position"].split(":")[1])
    assert [event["offset"] for event in events] == [start + 1, start + 2, start + 3]
    assert events[0] == {
        "type": "event",
        "channel": "actions",
        "offset": start + 1,
        "event": "e",
        "ts": events[0]["ts"],
        "data": 1,
        "key": "k",
        "tags": {"env": "prod"},
    }


@pytest.mark.clause("M24", "M25", "M42")
def test_the_last_n_are_replayed_before_what_is_live(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as publisher, Peer(ws_hub, "developer") as reader:
        publish(publisher, "actions", *range(10))
        subscribed = reader.ask(type="subscribe", channel="actions", **{"from": {"last": 3}})
        publish(publisher, "actions", "live")
        assert data_of(reader.events("actions", 4)) == [7, 8, 9, "live"]
    assert subscribed["channels"]["actions"]["behind"] == 3


@pytest.mark.clause("S5", "S3", "M24")
def test_a_latest_subscription_begins_with_the_snapshot(start: Start) -> None:
    hub = start(channels=ROOMS, **EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        for key in ("a", "b", "a"):
            publish(publisher, "board", f"{key} old", f"{key} new", key=key)
        subscribed = reader.ask(type="subscribe", channel="board")
        assert data_of(reader.events("board", 2)) == ["b new", "a new"]
        assert subscribed["channels"]["board"]["position"].endswith(":0")
        publish(publisher, "board", "c", key="c")
        assert data_of(reader.events("board", 1)) == ["c"]


@pytest.mark.clause("S6")
def test_null_takes_a_key_out_of_later_snapshots(start: Start) -> None:
    hub = start(channels=ROOMS, **EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        publish(publisher, "board", 1, key="gone")
        publish(publisher, "board", 2, key="stays")
        publish(publisher, "board", None, key="gone")
        reader.ask(type="subscribe", channel="board")
        publish(publisher, "board", "fin", key="fin")
        assert data_of(reader.events("board", 2)) == [2, "fin"]


@pytest.mark.clause("M26")
def test_subscribing_again_keeps_the_cursor(start: Start) -> None:
    hub = start(**EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader:
        reader.ask(type="subscribe", channel="actions")
        publish(publisher, "actions", 1)
        reader.events("actions", 1)
        again = reader.ask(type="subscribe", channel="actions", on_slow="gap")
        publish(publisher, "actions", 2)
        assert data_of(reader.events("actions", 1)) == [2]
        assert again["channels"]["actions"]["on_slow"] == "gap"
        assert [message["type"] for message in reader.received].count("unsubscribed") == 0


@pytest.mark.clause("M26", "M24")
def test_subscribing_again_with_from_moves_the_cursor(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as publisher, Peer(ws_hub, "developer") as reader:
        reader.ask(type="subscribe", channel="actions")
        publish(publisher, "actions", 1, 2)
        reader.events("actions", 2)
        reader.ask(type="subscribe", channel="actions", **{"from": {"last": 1}})
        assert data_of(reader.events("actions", 1)) == [2]


@pytest.mark.clause("M8", "M9", "M28", "M43")
def test_after_unsubscribed_no_event_of_the_channel_comes(start: Start) -> None:
    hub = start(**EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader:
        reader.ask(type="subscribe", channels=["actions", "status"])
        publish(publisher, "actions", 1)
        answer = reader.ask(type="unsubscribe", channels=["actions", "logs"])
        publish(publisher, "actions", 2)
        publish(publisher, "status", "fin")
        after = reader.until(lambda message: message.get("data") == "fin")
    assert (answer["channels"], answer["code"], answer["reason"]) == (["actions", "logs"], 0, "client")
    between = reader.received[reader.received.index(answer) + 1 : reader.received.index(after)]
    assert [message for message in between if message.get("channel") == "actions"] == []


@pytest.mark.clause("M28", "P3", "M9")
def test_an_unsubscribe_right_behind_own_publishes_cuts_between_them_and_loses_nothing(start: Start) -> None:
    hub = start(**EVERYTHING)
    with Peer(hub, "admin") as peer:
        position = peer.ask(type="subscribe", channel="actions")["channels"]["actions"]["position"]
        epoch, _, offset = position.partition(":")
        for attempt in range(10):
            publishes: list[dict[str, Any]] = [
                {"type": "publish", "channel": "actions", "event": "e", "data": n, "id": f"{attempt}.{n}"}
                for n in range(20)
            ]
            begun = len(peer.received)
            for message in [*publishes, {"type": "unsubscribe", "channel": "actions"}]:
                peer.send(message)
            peer.until(lambda message: message["type"] == "unsubscribed")
            came = data_of([one for one in peer.received[begun:] if one["type"] == "event"])
            assert came == list(range(len(came)))
            rest = {"positions": {"actions": f"{epoch}:{int(offset) + len(came)}"}}
            peer.ask(type="subscribe", channel="actions", **{"from": rest})
            assert data_of(peer.events("actions", 20 - len(came))) == list(range(len(came), 20))
            offset = str(int(offset) + 20)


@pytest.mark.clause("M22")
def test_a_star_follows_everything_the_role_may_and_leaves_everything(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "developer") as peer:
        assert list(peer.ask(type="subscribe", channels=["*"])["channels"]) == [
            "metrics",
            "signals",
            "actions",
            "logs",
            "status",
        ]
        assert len(peer.ask(type="unsubscribe", channels=["*"])["channels"]) == 5


@pytest.mark.clause("M23", "C19")
@pytest.mark.accept("C10")
def test_each_channel_succeeds_or_fails_alone(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer") as peer:
        answer = peer.ask(type="subscribe", channels=["metrics", "signals", "nowhere"])
        assert list(answer["channels"]) == ["metrics"]
        assert {name: error["code"] for name, error in answer["errors"].items()} == {"signals": 403, "nowhere": 404}


@pytest.mark.clause("C23", "C24")
def test_namespaces_exist_when_they_are_used_and_a_subjects_channel_is_his_alone(start: Start) -> None:
    hub = start(channels=ROOMS)
    with Peer(hub, "admin") as admin, Peer(hub, "viewer", subject="ann") as ann:
        assert list(ann.ask(type="subscribe", channels=["room:1", "user:ann"])["channels"]) == ["room:1", "user:ann"]
        assert ann.ask(type="subscribe", channel="user:bob")["code"] == 403
        publish(admin, "room:1", "hello")
        publish(admin, "user:ann", "for ann")
        assert data_of(ann.events("room:1", 1) + ann.events("user:ann", 1)) == ["hello", "for ann"]


@pytest.mark.clause("C25")
def test_presence_tells_who_follows_a_room(start: Start) -> None:
    hub = start(channels=ROOMS)
    with Peer(hub, "viewer", subject="ann") as ann:
        ann.ask(type="subscribe", channels=["room:1", "room:1/presence"])
        with Peer(hub, "viewer", subject="bob") as bob:
            bob.ask(type="subscribe", channel="room:1")
            events = ann.events("room:1/presence", 2)
    assert [(event["event"], event["key"]) for event in events] == [("join", "ann"), ("join", "bob")]


@pytest.mark.clause("C25", "C16")
def test_who_logs_in_after_subscribing_is_present(start: Start) -> None:
    hub = start(channels=ROOMS)
    with Peer(hub) as guest, Peer(hub, "viewer", subject="ann") as ann:
        guest.ask(type="subscribe", channel="room:1")
        ann.ask(type="subscribe", channel="room:1/presence")
        guest.ask(type="connect", token=hub.token("viewer", "bob"))
        assert ann.events("room:1/presence", 1)[0]["key"] == "bob"


@pytest.mark.clause("S7", "S3")
def test_max_rate_thins_a_busy_channel_to_its_newest_entries(start: Start) -> None:
    hub = start(channels=ROOMS, **EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        reader.ask(type="subscribe", channel="board", max_rate=2)
        publish(publisher, "board", *range(200), key="k")
        seen: list[int] = []
        while not seen or seen[-1] != 199:
            seen += data_of(reader.events("board", 1))
    assert len(seen) < 20
    assert seen == sorted(seen)


@pytest.mark.clause("L13")
def test_a_connection_follows_64_channels_at_most(start: Start) -> None:
    hub = start(channels=ROOMS)
    with Peer(hub, "viewer") as peer:
        names = [f"room:{number}" for number in range(64)]
        assert len(peer.ask(type="subscribe", channels=names)["channels"]) == 64
        refused = peer.ask(type="subscribe", channel="room:65")
        assert (refused["code"], refused["error"], refused["limit"]) == (429, "too_many_subscriptions", 64)
        peer.ask(type="unsubscribe", channel="room:1")
        assert peer.ask(type="subscribe", channel="room:65")["type"] == "subscribed"


@pytest.mark.clause("C22", "S5", "S12")
def test_connections_shows_who_is_there_who_comes_and_who_goes(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin", subject="root") as admin:
        admin.ask(type="subscribe", channel="connections")
        own = admin.events("connections", 1)[0]
        with Peer(ws_hub, "bot", subject="b7") as bot:
            bot.ask(type="connect", client={"name": "example", "version": "1"})
        events = admin.events("connections", 3)
    assert (own["event"], own["key"], own["data"]["user"]) == ("join", admin.welcome["conn"], "root")
    assert [event["event"] for event in events] == ["join", "update", "leave"]
    assert {event["key"] for event in events} == {bot.welcome["conn"]}
    assert events[1]["data"] == {
        "user": "b7",
        "role": "bot",
        "node": "n1",
        "address": "127.0.0.1",
        "client": {"name": "example", "version": "1"},
        "since": events[0]["data"]["since"],
    }
    assert events[2]["data"]["code"] == 1000


@pytest.mark.clause("M8", "M9")
def test_answers_keep_their_place_among_events_whatever_is_on_its_way(start: Start) -> None:
    """No event before `subscribed`, none after `unsubscribed`, and between them none is missing at the start."""
    hub = start(**EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader:
        for number in range(20):
            reader.send({"type": "subscribe", "channel": "actions", "from": "new"})
            publisher.send(*[{"type": "publish", "channel": "actions", "event": "e", "data": number}] * 20)
            reader.send({"type": "unsubscribe", "channel": "actions"})
        reader.ask(type="subscribe", channel="actions")
        publish(publisher, "actions", "fin")
        reader.until(lambda message: message.get("data") == "fin")
    owed: int | None = None
    for message in reader.received:
        match message["type"]:
            case "subscribed":
                owed = int(message["channels"]["actions"]["position"].split(":")[1]) + 1
            case "unsubscribed":
                owed = None
            case "event":
                assert message["offset"] == owed
                owed = message["offset"] + 1


@pytest.mark.clause("M8", "C17")
def test_welcome_and_the_unsubscribed_it_brings_keep_their_place(start: Start) -> None:
    """What the new role may not follow ends before `welcome` says so."""
    hub = start(**EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader:
        reader.ask(type="subscribe", channels=["actions", "status"])
        publish(publisher, "actions", 1, 2)
        assert data_of(reader.events("actions", 2)) == [1, 2]
        publisher.send(*[{"type": "publish", "channel": "actions", "event": "e", "data": 3}] * 50)
        hub.call(lambda inside: inside.connections.change_role(reader.welcome["conn"], Role.VIEWER))
        publish(publisher, "actions", 4)
        publish(publisher, "status", "fin")
        after = reader.until(lambda message: message.get("data") == "fin")
    changed = reader.received[[message["type"] for message in reader.received].index("welcome", 1) :]
    assert changed[0]["role"] == "viewer"
    assert [message for message in changed if message.get("channel") == "actions"] == []
    ends = [message for message in changed if message["type"] == "unsubscribed"]
    assert [(end["channels"], end["code"]) for end in ends] == [(["actions"], 403)]
    assert changed.index(after) > changed.index(ends[0])


@pytest.mark.clause("M27", "S12")
def test_what_subscribe_says_overrides_the_defaults_of_the_channel_and_nothing_else(start: Start) -> None:
    hub = start(channels={"board": {**BOARD, "on_slow": "gap"}}, **EVERYTHING)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        publish(publisher, "board", 1, key="a")
        publish(publisher, "board", 2, key="a")
        publish(publisher, "board", 3, key="b")
        by_default = reader.ask(type="subscribe", channel="board")["channels"]["board"]
        assert data_of(reader.events("board", 2)) == [2, 3]
        other = {"delivery": "all", "on_slow": "close", "from": {"last": 2}}
        asked_for = reader.ask(type="subscribe", channel="board", **other)["channels"]["board"]
        publish(publisher, "board", 4, key="b")
        publish(publisher, "board", 5, key="b")
        assert data_of(reader.events("board", 4))[-2:] == [4, 5]
        half = reader.ask(type="subscribe", channel="board", max_rate=5)["channels"]["board"]
    told = [
        {name: answer.get(name) for name in ("delivery", "on_slow", "max_rate")}
        for answer in (by_default, asked_for, half)
    ]
    assert told == [
        {"delivery": "latest", "on_slow": "gap", "max_rate": None},
        {"delivery": "all", "on_slow": "close", "max_rate": None},
        {"delivery": "latest", "on_slow": "gap", "max_rate": 5},
    ]
