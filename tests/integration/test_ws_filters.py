"""Filters over real connections: live, replayed, changed, counted, in both forms; and the policies of roles."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.hub import RunningHub
from tests.support.rest import Rest
from tests.support.ws import MSGPACK, Peer

Start = Callable[..., RunningHub]
RATES = {"rate_publish": "10000/10000", "rate_subscribe": "10000/10000"}
EVERYBODY = ["admin", "developer", "viewer", "anonymous"]
FEED = {"feed": {"subscribe": EVERYBODY, "broadcast": ["admin"]}}
BOARD = {"board": {**FEED["feed"], "delivery": "latest", "retention": {"last_per_key": True}}}
SECRETS = {
    "feed": {
        **FEED["feed"],
        "policies": {"viewer": {"tags.level": {"ne": "secret"}}, "anonymous": {"tags.level": "public"}},
    },
    "board": {**BOARD["board"], "policies": {"viewer": {"not": {"data.secret": True}}}},
}
HOT = {"data.cpu": {"gte": 80}}


def publish(peer: Peer, channel: str, *data: Any, **members: Any) -> str:
    """Store one event for each of `data`. -> position of the last"""
    for item in data:
        answer = peer.ask(**{"type": "publish", "channel": channel, "event": "e", "data": item, **members})
    position: str = answer["positions"][channel]
    return position


def data_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["data"] for event in events]


def at(position: str, offset: int) -> str:
    return f"{position.split(':', maxsplit=1)[0]}:{offset}"


@pytest.mark.clause("F1", "F2", "F3", "F6", "M42")
@pytest.mark.accept("B12")
@pytest.mark.parametrize("subprotocols", [(), ("ng-ws.v1.json",), (MSGPACK,)])
def test_a_subscriber_gets_what_passes_its_filter(start: Start, subprotocols: tuple[str, ...]) -> None:
    hub = start(channels=FEED, **RATES)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer", subprotocols=subprotocols) as reader:
        asked = {
            "event": {"glob": "signal.**"},
            "any": [{"tags.host": "db1"}, {"data.cpu": {"gte": 80, "lt": 95.5}}],
            "not": {"key": "mute"},
        }
        answer = reader.ask(type="subscribe", channel="feed", filter=asked)
        assert answer["channels"]["feed"]["filter"] == asked
        published: list[tuple[str, Any, dict[str, Any]]] = [
            ("signal.input", {"cpu": 80}, {}),
            ("signal.input", {"cpu": 79.9}, {}),
            ("signal", {"cpu": 1}, {"tags": {"host": "db1"}}),
            ("signals.input", {"cpu": 90}, {}),
            ("signal.a.b.c", {"cpu": 95.25}, {"key": "mute"}),
            ("signal.a.b.c", {"cpu": "95"}, {}),
            ("signal.end", {"cpu": 95.25}, {"key": "k"}),
        ]
        for event, data, members in published:
            publish(publisher, "feed", data, event=event, **members)
        events = reader.events("feed", 3)
    assert [event["offset"] for event in events] == [1, 3, 7]


@pytest.mark.clause("F9", "E6", "F8")
def test_a_filter_that_breaks_a_rule_is_422_and_the_rest_goes_on(start: Start) -> None:
    hub = start(channels=FEED)
    with Peer(hub, "viewer") as peer:
        answer = peer.ask(type="subscribe", channel="feed", filter={"any": [{"data.cpu": {"above": 80}}]})
        assert (answer["code"], answer["error"]) == (422, "filter_invalid")
        assert answer["path"] == "filter.any.0.data.cpu.above"
        assert peer.ask(type="subscribe", channel="nowhere", filter={"x": 1})["code"] == 404
        assert peer.ask(type="subscribe", channel="feed", filter={"key": "a" * 2_040})["code"] == 422
        assert peer.ask(type="subscribe", channel="feed", filter=HOT)["type"] == "subscribed"


@pytest.mark.clause("M24", "R9", "P3", "M48")
def test_a_replay_holds_what_passes_and_the_gap_counts_it(start: Start) -> None:
    hub = start(channels=FEED, resume_events=3, **RATES)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        last = publish(publisher, "feed", *[{"cpu": 90 if number % 2 else 10} for number in range(20)])
        reader.ask(type="subscribe", channel="feed", filter=HOT, **{"from": {"last": 2}})
        assert [event["offset"] for event in reader.events("feed", 2)] == [18, 20]
        positions = {"feed": at(last, 0)}
        answer = reader.ask(type="subscribe", channel="feed", filter=HOT, **{"from": {"positions": positions}})
        assert answer["channels"]["feed"]["behind"] == 20
        gap = reader.next("gap")
        assert (gap["to"], gap["missed"], gap["reason"]) == (at(last, 15), 7, "limit")
        assert [event["offset"] for event in reader.events("feed", 3)] == [16, 18, 20]


@pytest.mark.clause("F8", "R9", "C14", "M7")
def test_a_long_past_is_judged_before_the_answer_and_nothing_overtakes(start: Start) -> None:
    hub = start(channels=FEED, rate_publish="1000000/1000000", message_rate="1000000/1000000")
    with Peer(hub, "admin", subprotocols=("ng-ws.v1.json",)) as publisher:
        for start_at in range(0, 5_120, 256):
            batch = [
                {"type": "publish", "channel": "feed", "event": "e", "data": number}
                for number in range(start_at, start_at + 256)
            ]
            publisher.send(batch)
        publish(publisher, "feed", "end")
        with Peer(hub, "viewer") as reader:
            reader.send(
                {"type": "subscribe", "id": "a", "channel": "feed", "filter": {"data": 17}, "from": {"last": 5}},
                {"type": "unsubscribe", "id": "b", "channel": "feed"},
                {
                    "type": "subscribe",
                    "id": "c",
                    "channel": "feed",
                    "filter": {"data": {"gt": 5_115}},
                    "from": {"last": 2},
                },
            )
            order = [reader.until(lambda message: "id" in message)["id"] for _ in range(3)]
            assert order == ["a", "b", "c"]
            assert data_of(reader.events("feed", 2)) == [5_118, 5_119]
            stats = hub.call(lambda running: running.plane.stats())
            assert stats["filters"] == 1


@pytest.mark.clause("P9", "M47", "S10", "M36")
@pytest.mark.parametrize("ack", [None, 5])
def test_a_watermark_tells_how_far_a_filtered_subscription_has_come(start: Start, ack: int | None) -> None:
    hub = start(channels=FEED, **RATES)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        options = {} if ack is None else {"ack": ack}
        reader.ask(type="subscribe", channel="feed", filter=HOT, **options)
        last = publish(publisher, "feed", {"cpu": 1}, {"cpu": 2})
        assert reader.next("ack")["positions"] == {"feed": last}
        reader.send({"type": "ack", "positions": {"feed": last}})
        publish(publisher, "feed", {"cpu": 99})
        assert reader.receive()["offset"] == 3


@pytest.mark.clause("F11", "M26")
def test_another_filter_holds_from_the_position_of_the_answer(start: Start) -> None:
    hub = start(channels=FEED, **RATES)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        reader.ask(type="subscribe", channel="feed", filter={"key": "a"})
        publish(publisher, "feed", 1, key="a")
        publish(publisher, "feed", 2, key="b")
        assert data_of(reader.events("feed", 1)) == [1]
        answer = reader.ask(type="subscribe", channel="feed", filter={"key": "b"})
        passed = int(answer["channels"]["feed"]["position"].split(":")[1])
        publish(publisher, "feed", 3, key="a")
        publish(publisher, "feed", 4, key="b")
        # Whether the second was passed over before the change is the hub's to say.
        expected = [number for number in (2, 4) if number > passed]
        assert data_of(reader.events("feed", len(expected))) == expected
        answer = reader.ask(type="subscribe", channel="feed")
        assert "filter" not in answer["channels"]["feed"]
        publish(publisher, "feed", 5, key="c")
        assert reader.until(lambda message: message.get("data") == 5)["offset"] == 5


@pytest.mark.clause("R2", "R8", "M42")
def test_a_resume_goes_on_through_the_filter(start: Start) -> None:
    hub = start(channels=FEED, **RATES)
    with Peer(hub, "admin") as publisher:
        with Peer(hub, "viewer") as reader:
            reader.ask(type="subscribe", channel="feed", filter=HOT)
            publish(publisher, "feed", {"cpu": 81}, {"cpu": 1})
            reader.events("feed", 1)
            token = reader.ask(type="get_reconnection_token")["token"]
        publish(publisher, "feed", {"cpu": 2}, {"cpu": 82}, {"cpu": 3})
        with Peer(hub) as again:
            welcome = again.ask(type="connect", resume=token)
            assert welcome["subscriptions"]["feed"]["filter"] == HOT
            assert data_of(again.events("feed", 1)) == [{"cpu": 82}]
            publish(publisher, "feed", {"cpu": 4}, {"cpu": 83})
            assert data_of(again.events("feed", 1)) == [{"cpu": 83}]


@pytest.mark.clause("S3", "S5", "S6")
def test_a_snapshot_holds_of_each_key_the_newest_if_it_passes(start: Start) -> None:
    hub = start(channels=BOARD, **RATES)
    with Peer(hub, "admin") as publisher, Peer(hub, "viewer") as reader:
        for key, cpu in (("a", 90), ("b", 90), ("a", 10), ("c", 95)):
            publish(publisher, "board", {"cpu": cpu}, key=key)
        reader.ask(type="subscribe", channel="board", filter=HOT)
        assert [event["key"] for event in reader.events("board", 2)] == ["b", "c"]
        publish(publisher, "board", {"cpu": 5}, key="b")
        publish(publisher, "board", {"cpu": 96}, key="a")
        assert [event["key"] for event in reader.events("board", 1)] == ["a"]


@pytest.mark.clause("F7")
def test_near_finds_what_is_near(start: Start) -> None:
    hub = start()
    with Peer(hub, "developer") as peer, Peer(hub, "bot") as emitter:
        ball = {"data.vector": {"near": {"center": [0.5] * 8, "radius": 0.1}}}
        peer.ask(type="subscribe", channel="signals", filter=ball)
        for vector in ([0.5] * 8, [0.9] * 8, [0.52] * 8):
            emitter.ask(type="emit", event_type="signal.input.text", vector=vector)
        assert [event["offset"] for event in peer.events("signals", 2)] == [1, 3]


@pytest.mark.clause("F12", "E5")
def test_a_policy_holds_live_replayed_in_snapshots_and_in_counts(start: Start) -> None:
    hub = start(channels=SECRETS, resume_events=2, **RATES)
    with Peer(hub, "admin") as admin, Peer(hub, "viewer") as viewer, Peer(hub) as anyone:
        answer = viewer.ask(type="subscribe", channel="feed")
        assert "filter" not in answer["channels"]["feed"]
        anyone.ask(type="subscribe", channel="feed", filter={"data": {"gte": 0}})
        for number, level in enumerate(("public", "secret", "internal", "public", "secret", "public")):
            last = publish(admin, "feed", number, tags={"level": level})
        assert data_of(viewer.events("feed", 4)) == [0, 2, 3, 5]
        assert data_of(anyone.events("feed", 3)) == [0, 3, 5]
        viewer.ask(type="subscribe", channel="feed", **{"from": {"positions": {"feed": at(last, 0)}}})
        assert viewer.next("gap")["missed"] == 2
        assert data_of(viewer.events("feed", 2)) == [3, 5]
        admin.ask(type="subscribe", channel="feed", **{"from": {"last": 2}})
        assert data_of(admin.events("feed", 2)) == [4, 5]
        for key, is_secret in (("a", False), ("b", True)):
            publish(admin, "board", {"secret": is_secret}, key=key)
        viewer.ask(type="subscribe", channel="board")
        assert [event["key"] for event in viewer.events("board", 1)] == ["a"]
        for role, expected in (("viewer", [0, 2, 3, 5]), ("admin", [0, 1, 2, 3, 4, 5])):
            with Rest(hub, role) as rest:
                assert data_of(rest.get("/api/v1/channels/feed").data["events"]) == expected


@pytest.mark.clause("C17", "F12")
def test_another_role_is_shown_what_its_policy_shows_from_then_on(start: Start) -> None:
    hub = start(channels=SECRETS, **RATES)
    with Peer(hub, "admin", subject="root") as admin, Peer(hub, "developer", subject="ann") as reader:
        reader.ask(type="subscribe", channel="feed")
        publish(admin, "feed", 0, tags={"level": "secret"})
        assert data_of(reader.events("feed", 1)) == [0]
        conn = reader.welcome["conn"]
        url = f"{hub.http_url}/api/v1/clients/{conn}"
        assert httpx.patch(url, json={"role": "viewer"}, headers=hub.headers("admin", "root")).status_code < 300
        assert reader.next("welcome")["role"] == "viewer"
        publish(admin, "feed", 1, tags={"level": "secret"})
        publish(admin, "feed", 2, tags={"level": "public"})
        assert reader.receive()["data"] == 2


@pytest.mark.clause("F8", "M23")
def test_too_many_distinct_filters_are_503_on_that_channel_alone(start: Start) -> None:
    hub = start(channels=FEED, max_channel_filters=2, **RATES)
    with Peer(hub, "developer") as one, Peer(hub, "developer") as other:
        one.ask(type="subscribe", channel="feed", filter={"key": "a"})
        other.ask(type="subscribe", channel="feed", filter={"key": "b"})
        with Peer(hub, "developer") as third:
            answer = third.ask(type="subscribe", channels=["feed", "logs"], filter={"key": "c"})
            refused = answer["errors"]["feed"]
            assert (refused["code"], refused["error"], refused["temporary"]) == (503, "overloaded", True)
            assert set(answer["channels"]) == {"logs"}
            assert third.ask(type="subscribe", channel="feed", filter={"key": {"eq": "a"}})["type"] == "subscribed"
        metrics = httpx.get(f"{hub.http_url}/metrics", headers=hub.headers("admin")).text
        assert "filters_refused_total 1.0" in metrics


@pytest.mark.clause("F7", "M34")
@pytest.mark.accept("N7", "B12")
def test_semantic_subscriptions_come_and_go_while_signals_are_emitted(start: Start) -> None:
    hub = start(max_filters=1, rate_emit="10000/10000", **RATES)

    def ball(number: int) -> dict[str, Any]:
        return {"data.vector": {"near": {"center": [number / 10] * 8, "radius": 0.05}}, "data.priority": {"gte": 100}}

    readers = [Peer(hub, "developer") for _ in range(5)]
    try:
        for number, reader in enumerate(readers):
            reader.ask(type="subscribe", channel="signals", filter=ball(number))
        with Peer(hub, "bot") as bot:
            for number, priority in ((1, 120), (3, 99), (3, 100), (7, 200)):
                bot.ask(type="emit", event_type="signal.input.text", vector=[number / 10] * 8, priority=priority)
            assert [data["priority"] for data in data_of(readers[1].events("signals", 1))] == [120]
            assert [data["priority"] for data in data_of(readers[3].events("signals", 1))] == [100]
            readers[3].ask(type="unsubscribe", channel="signals")
            readers[4].ask(type="subscribe", channel="signals", filter={"any": [ball(3), ball(7)]})
            for number in (3, 7):
                bot.ask(type="emit", event_type="signal.input.text", vector=[number / 10] * 8, priority=150)
            assert [data["vector"][0] for data in data_of(readers[4].events("signals", 2))] == [0.3, 0.7]
        metrics = httpx.get(f"{hub.http_url}/metrics", headers=hub.headers("admin")).text
        assert "neurograph_signal_near_balls 5.0" in metrics
        assert "neurograph_signal_near_matches_total 5.0" in metrics
    finally:
        for reader in readers:
            reader.socket.close()


@pytest.mark.clause("F8")
def test_equal_filters_are_judged_once_for_all(start: Start) -> None:
    hub = start(channels=FEED, **RATES)
    peers = [Peer(hub, "viewer", subprotocols=(MSGPACK,) if number % 2 else ()) for number in range(6)]
    try:
        for number, peer in enumerate(peers):
            asked: dict[str, Any] = {"data": {"gte": 5}, "key": "k"}
            if number % 3:
                asked = {"key": {"eq": "k"}, "data": {"gte": 5.0}}
            peer.ask(type="subscribe", channel="feed", filter=asked)
        with Peer(hub, "admin") as admin:
            publish(admin, "feed", *range(10), key="k")
        for peer in peers:
            assert data_of(peer.events("feed", 5)) == [5, 6, 7, 8, 9]
        stats = hub.call(lambda running: running.plane.stats())
        assert (stats["filters"], stats["filters_judged"]) == (1, 10)
    finally:
        for peer in peers:
            peer.socket.close()
