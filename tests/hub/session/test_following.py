"""What a connection follows: subscribe, unsubscribe, ack."""

from typing import Any

import pytest

from channels.broker import SubscribeSpec
from channels.errors import LogUnavailable, Overloaded
from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.session import Subscribe, Unsubscribe
from tests.hub.session.support import Bench, admin, bench, developer, identity

ROOMS = {"room:*": {"subscribe": ["developer", "anonymous"]}, "user:{sub}": {"subscribe": ["developer"]}}


def subscribe(peer: Bench, **members: Any) -> Any:
    """What one `subscribe` brings."""
    (answer,) = peer.send({"type": "subscribe", **members})
    return answer


def told(peer: Bench, effect: Subscribe) -> Any:
    """The `subscribed` as it would be with the plane's members written into the gaps."""
    members = b'"position":"k3Fq:7","behind":2'
    return peer.decode(members.join(effect.reply))


# --- what is named ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("M22", "M27", "M42", "S12")
def test_a_bare_subscribe_takes_the_defaults_of_the_channel() -> None:
    peer = bench(developer())
    effect = subscribe(peer, id=2, channel="metrics")
    assert effect.specs == [SubscribeSpec("metrics", "latest", "gap", None, "snapshot", keep=False)]
    assert told(peer, effect) == {
        "type": "subscribed",
        "id": 2,
        "channels": {"metrics": {"position": "k3Fq:7", "behind": 2, "delivery": "latest", "on_slow": "gap"}},
    }


@pytest.mark.clause("M24", "S12")
@pytest.mark.parametrize(
    ("channel", "delivery", "on_slow", "start"),
    [
        ("metrics", "latest", "gap", "snapshot"),
        ("signals", "all", "close", "new"),
        ("actions", "all", "close", "new"),
        ("logs", "all", "gap", "new"),
        ("status", "latest", "gap", "snapshot"),
        ("connections", "latest", "gap", "snapshot"),
    ],
)
def test_each_of_the_six_channels_has_its_defaults(channel: str, delivery: str, on_slow: str, start: str) -> None:
    (spec,) = subscribe(bench(admin()), channel=channel).specs
    assert (spec.delivery, spec.on_slow, spec.start) == (delivery, on_slow, start)


@pytest.mark.clause("M22")
def test_names_given_twice_count_once() -> None:
    effect = subscribe(bench(developer()), channels=["logs", "metrics", "logs"])
    assert [spec.channel for spec in effect.specs] == ["logs", "metrics"]


@pytest.mark.clause("M22")
def test_a_star_means_every_channel_the_role_may_follow() -> None:
    peer = bench(identity(Role.DEVELOPER, "ann"), tables=ROOMS)
    effect = subscribe(peer, channels=["*"])
    assert [spec.channel for spec in effect.specs] == ["metrics", "signals", "actions", "logs", "status", "user:ann"]


@pytest.mark.clause("M22", "M3")
@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({}, "channel"),
        ({"channel": None}, "channel"),
        ({"channel": "logs", "channels": ["logs"]}, "channel"),
        ({"channel": ""}, "channel"),
        ({"channel": "*"}, "channel"),
        ({"channel": "a" * 65}, "channel"),
        ({"channel": "../etc/passwd\0"}, "channel"),
        ({"channel": 7}, "channel"),
        ({"channels": []}, "channels"),
        ({"channels": [f"c{n}" for n in range(65)]}, "channels"),
        ({"channels": ["logs", "*"]}, "channels.1"),
        ({"channels": ["logs", 7]}, "channels.1"),
        ({"channels": "logs"}, "channels"),
        ({"channel": "logs", "filter": 3}, "filter"),
        ({"channel": "logs", "delivery": "some"}, "delivery"),
        ({"channel": "logs", "on_slow": 1}, "on_slow"),
        ({"channel": "logs", "ack": 0}, "ack"),
        ({"channel": "logs", "ack": 10_001}, "ack"),
        ({"channel": "logs", "from": "old"}, "from"),
        ({"channel": "logs", "from": {"last": 0}}, "from.last"),
        ({"channel": "logs", "from": {"last": 1001}}, "from.last"),
        ({"channel": "logs", "from": {"last": True}}, "from.last"),
        ({"channel": "logs", "from": {"last": 1.5}}, "from.last"),
        ({"channel": "logs", "from": {"last": 1, "more": 1}}, "from"),
        ({"channel": "logs", "from": {"since": "yesterday"}}, "from.since"),
        ({"channel": "logs", "from": {"since": True}}, "from.since"),
        ({"channel": "logs", "from": {"since": 1.0, "last": 1}}, "from"),
        ({"channel": "logs", "from": {"positions": ["k3Fq:1"]}}, "from"),
        ({"channel": "logs", "from": {"positions": {"*": "k3Fq:1"}}}, "from.positions"),
        ({"channel": "logs", "from": "snapshot"}, "from"),
        ({"channel": "metrics", "delivery": "all", "from": "snapshot"}, "from"),
        ({"channel": "logs", "max_rate": 5}, "max_rate"),
        ({"channel": "metrics", "delivery": "all", "max_rate": 5}, "max_rate"),
        ({"channel": "metrics", "max_rate": 0.05}, "max_rate"),
        ({"channel": "metrics", "max_rate": 1001}, "max_rate"),
        ({"channel": "metrics", "max_rate": "5"}, "max_rate"),
    ],
)
def test_what_is_not_as_the_protocol_says_is_400_with_its_path(members: dict[str, Any], path: str) -> None:
    peer = bench(developer())
    answer = subscribe(peer, id=1, **members)
    assert (answer["id"], answer["code"], answer["error"], answer["path"]) == (1, 400, "bad_message", path)
    assert peer.session.subscriptions == {}


@pytest.mark.clause("M3")
def test_members_that_are_null_count_as_absent() -> None:
    absent = dict.fromkeys(("id", "channels", "filter", "from", "delivery", "on_slow", "max_rate", "ack"))
    effect = subscribe(bench(developer()), channel="logs", **absent)
    assert effect.specs == [SubscribeSpec("logs", "all", "gap", None, "new", keep=False)]


@pytest.mark.clause("M24", "S5", "S7")
def test_options_reach_the_cursor() -> None:
    peer = bench(developer())
    effect = subscribe(
        peer, channel="metrics", delivery="latest", max_rate=10, on_slow="close", **{"from": {"last": 100}}
    )
    assert effect.specs == [SubscribeSpec("metrics", "latest", "close", 10.0, ("last", 100), keep=False)]
    assert told(peer, effect)["channels"]["metrics"] == {
        "position": "k3Fq:7",
        "behind": 2,
        "delivery": "latest",
        "on_slow": "close",
        "max_rate": 10.0,
    }


# --- each alone -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M23", "E5")
def test_each_channel_succeeds_or_fails_alone() -> None:
    peer = bench(ANONYMOUS)
    effect = subscribe(peer, id=1, channels=["metrics", "logs", "nowhere"])
    answer = told(peer, effect)
    assert list(answer["channels"]) == ["metrics"]
    assert answer["errors"] == {
        "logs": {
            "code": 403,
            "error": "forbidden",
            "message": "role anonymous may not subscribe to logs",
            "temporary": False,
        },
        "nowhere": {
            "code": 404,
            "error": "unknown_channel",
            "message": "there is no channel nowhere",
            "temporary": False,
        },
    }


@pytest.mark.clause("M23", "E2")
def test_if_none_succeeds_the_answer_is_the_error_of_the_first_with_all_of_them() -> None:
    answer = subscribe(bench(ANONYMOUS), id=1, channels=["logs", "nowhere"])
    assert (answer["type"], answer["id"], answer["code"], answer["channel"]) == ("error", 1, 403, "logs")
    assert {name: error["code"] for name, error in answer["errors"].items()} == {"logs": 403, "nowhere": 404}


@pytest.mark.clause("M23")
def test_if_one_was_named_and_fails_there_are_no_errors() -> None:
    answer = subscribe(bench(ANONYMOUS), channel="logs")
    assert "errors" not in answer
    assert (answer["re"], answer["channel"]) == ("subscribe", "logs")


@pytest.mark.clause("M43", "C24", "E5")
def test_another_subjects_channel_is_403() -> None:
    peer = bench(identity(Role.DEVELOPER, "ann"), tables=ROOMS)
    answers = [subscribe(peer, channel=name) for name in ("user:ann", "user:bob")]
    assert isinstance(answers[0], Subscribe)
    assert answers[1]["code"] == 403


@pytest.mark.clause("L13")
def test_more_subscriptions_than_a_connection_may_have_are_429() -> None:
    peer = bench(developer(), tables=ROOMS, max_subscriptions=3)
    effect = subscribe(peer, channels=["room:1", "room:2", "room:3", "room:4"])
    again = subscribe(peer, channel="room:3")
    errors = told(peer, effect)["errors"]
    assert {name: (error["code"], error["error"], error["limit"]) for name, error in errors.items()} == {
        "room:4": (429, "too_many_subscriptions", 3)
    }
    assert isinstance(again, Subscribe)


@pytest.mark.clause("M26")
def test_subscribing_again_keeps_the_cursor_unless_from_is_given() -> None:
    peer = bench(developer())
    effects = [
        subscribe(peer, channel="metrics"),
        subscribe(peer, channel="metrics", max_rate=5),
        subscribe(peer, channel="metrics", **{"from": "new"}),
    ]
    assert [effect.specs[0].keep for effect in effects] == [False, True, False]
    assert peer.session.subscriptions == {"metrics": {"delivery": "latest", "on_slow": "gap"}}


# --- what the broker refuses ------------------------------------------------------------------------------------------


@pytest.mark.clause("M23", "L25")
def test_a_channel_that_the_broker_refuses_fails_alone() -> None:
    peer = bench(developer(), tables=ROOMS)
    effect = subscribe(peer, id=1, channels=["logs", "room:9", "nowhere"])
    (retried,) = peer.session.subscribe_failed(effect, {"room:9": Overloaded("no more channels")})
    assert isinstance(retried, Subscribe)
    answer = told(peer, retried)
    assert list(answer["channels"]) == ["logs"]
    assert {name: error["code"] for name, error in answer["errors"].items()} == {"nowhere": 404, "room:9": 503}
    assert list(peer.session.subscriptions) == ["logs"]


@pytest.mark.clause("M23")
def test_if_the_broker_refuses_the_last_the_answer_is_an_error() -> None:
    peer = bench(developer(), tables=ROOMS)
    effect = subscribe(peer, id=1, channel="room:9")
    (answer,) = peer.take(peer.session.subscribe_failed(effect, {"room:9": Overloaded("no more channels")}))
    assert (answer["type"], answer["id"], answer["code"], answer["channel"]) == ("error", 1, 503, "room:9")
    assert peer.session.subscriptions == {}


def test_if_no_log_takes_anything_all_fail_and_what_was_followed_before_still_is() -> None:
    peer = bench(developer())
    subscribe(peer, channel="logs")
    effect = subscribe(peer, channels=["logs", "metrics"])
    (answer,) = peer.take(peer.session.subscribe_failed(effect, {None: LogUnavailable("the node is not running")}))
    assert (answer["error"], answer["re"]) == ("log_unavailable", "subscribe")
    assert list(peer.session.subscriptions) == ["logs"]


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M28", "M43")
def test_unsubscribe_lists_every_channel_named_and_none_is_an_error() -> None:
    peer = bench(developer())
    subscribe(peer, channel="logs")
    (effect,) = peer.send({"type": "unsubscribe", "id": 5, "channels": ["logs", "metrics", "nowhere"]})
    assert effect == Unsubscribe(["logs"], effect.reply)
    assert peer.decode(effect.reply) == {
        "type": "unsubscribed",
        "id": 5,
        "channels": ["logs", "metrics", "nowhere"],
        "code": 0,
        "reason": "client",
    }


@pytest.mark.clause("M28")
def test_a_star_leaves_all_subscriptions() -> None:
    peer = bench(developer())
    subscribe(peer, channels=["logs", "metrics"])
    (effect,) = peer.send({"type": "unsubscribe", "channels": ["*"]})
    assert (effect.channels, peer.decode(effect.reply)["channels"]) == (["logs", "metrics"], ["logs", "metrics"])
    assert peer.session.subscriptions == {}


@pytest.mark.clause("M22")
@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize(
    ("named", "path"), [({"channel": "*"}, "channel"), ({"channels": ["logs", "*"]}, "channels.1")]
)
def test_who_names_all_channels_in_another_way_hears_the_right_one(kind: str, named: Any, path: str) -> None:
    (answer,) = bench(developer()).send({"type": kind, "id": 1, **named})
    assert (answer["error"], answer["path"]) == ("bad_message", path)
    assert '"channels":["*"]' in answer["message"]


@pytest.mark.clause("M5", "M36")
def test_an_ack_is_never_answered() -> None:
    assert bench(developer()).send({"type": "ack", "id": 7, "positions": {"logs": "k3Fq:4410"}}) == []


@pytest.mark.clause("P2", "M5", "M36")
@pytest.mark.parametrize(
    ("positions", "error", "path"),
    [
        ({"logs": "k3F:1"}, "bad_position", "positions.logs"),
        ({"logs": "k3Fq"}, "bad_position", "positions.logs"),
        ({"logs": "k3Fq:01"}, "bad_position", "positions.logs"),
        ({"logs": "k3Fq:-1"}, "bad_position", "positions.logs"),
        ({"logs": "k3Fq:9007199254740992"}, "bad_position", "positions.logs"),
        ({"log s": "k3Fq:1"}, "bad_message", "positions"),
        ({"logs": 7}, "bad_position", "positions.logs"),
        (None, "bad_message", "positions"),
    ],
)
def test_an_ack_that_cannot_be_read_is_answered_without_id(positions: Any, error: str, path: str) -> None:
    (answer,) = bench(developer()).send({"type": "ack", "id": 7, "positions": positions})
    assert ("id" in answer, answer["code"], answer["error"], answer["path"]) == (False, 400, error, path)
