"""The way of a message into a session: size, form, id, state, rate, and what cannot be read."""

import json
from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.session import Close, Emit, Fault, Publish, Subscribe
from hub.session.session import Session
from tests.hub.session.support import START, Bench, admin, bench, developer, identity

PING = {"type": "ping"}
VECTOR = [0.5] * 8


def errors(answers: list[Any]) -> list[tuple[int, str]]:
    return [
        (answer["code"], answer["error"])
        for answer in answers
        if isinstance(answer, dict) and answer["type"] == "error"
    ]


# --- what cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.clause("M1", "M2", "M3", "M10")
@pytest.mark.parametrize(
    ("frame", "error", "path"),
    [
        (b'{"channel":"metrics"}', "bad_message", "type"),
        (b'{"type":7}', "bad_message", "type"),
        (b'{"type":null}', "bad_message", "type"),
        (b"{}", "bad_message", "type"),
        (b'"ping"', "bad_message", None),
        (b"7", "bad_message", None),
        (b"null", "bad_message", None),
        (b'{"type":"Ping"}', "unknown_type", "type"),
        (b'{"type":"event","channel":"metrics"}', "unknown_type", "type"),
        (b'{"type":"welcome"}', "unknown_type", "type"),
        (b'{"type":"', "bad_json", None),
        (b"", "bad_json", None),
    ],
)
def test_what_is_no_message_is_400(frame: bytes, error: str, path: str | None) -> None:
    (answer,) = bench().send_frame(frame)
    assert (answer["code"], answer["error"], answer.get("path")) == (400, error, path)


@pytest.mark.clause("M1")
@pytest.mark.accept("A4")
def test_the_old_form_is_refused_with_the_new_one() -> None:
    (answer,) = bench().send({"subscribe": "metrics"})
    assert '{"type":"subscribe","channel":"metrics"}' in answer["message"]


@pytest.mark.clause("M1")
def test_a_message_without_type_is_told_the_right_form() -> None:
    (answer,) = bench().send({"channel": "logs"})
    assert '{"type":"subscribe","channel":"metrics"}' in answer["message"]


@pytest.mark.clause("M2")
def test_unknown_members_are_ignored() -> None:
    (answer,) = bench().send({"type": "ping", "id": 1, "color": "red", "__proto__": {"a": 1}})
    assert answer["type"] == "pong"


@pytest.mark.clause("M15")
def test_ten_unreadable_messages_in_a_row_close_with_4000() -> None:
    unreadable = [b'{"a":1}', b'{"type":"nonsense"}', b'{"type":"publish"}', b"{", b'{"type":"ping","t":[]}']
    answers = bench().send(*unreadable * 2, PING)
    assert len(errors(answers)) == 10
    assert answers[-1] == Close(4000, "protocol_broken; 10 unreadable messages in a row")


@pytest.mark.clause("M15")
def test_one_readable_message_begins_the_row_anew() -> None:
    answers = bench().send(*[b"{}"] * 9, PING, *[b"{}"] * 9, {"type": "subscribe", "channel": "logs"}, *[b"{}"] * 9)
    assert [answer for answer in answers if isinstance(answer, Close)] == []


@pytest.mark.clause("M15", "M10")
def test_what_the_plane_could_not_read_counts_like_the_rest() -> None:
    peer = bench()
    for _ in range(10):
        answers = peer.take(peer.session.received_unreadable("bad_json", "expected a value, at byte 3"))
    assert (answers[0]["error"], answers[0]["message"]) == ("bad_json", "expected a value, at byte 3")
    assert answers[1].code == 4000


@pytest.mark.clause("L10")
def test_what_the_plane_skipped_is_413_with_the_limit_and_does_not_count() -> None:
    peer = bench()
    for _ in range(20):
        (answer,) = peer.take(peer.session.received_unreadable("too_large", "a message of 1048577 bytes was skipped"))
    assert (answer["code"], answer["error"], answer["limit"]) == (413, "too_large", 1_048_576)


@pytest.mark.clause("B4", "M15")
def test_a_binary_frame_that_is_no_media_frame_is_400_and_counts_as_unreadable() -> None:
    peer = bench()
    for _ in range(10):
        answers = peer.take(peer.session.received_binary(b"{}", peer.moment))
    assert (errors(answers), answers[-1].code) == ([(400, "bad_message")], 4000)


@pytest.mark.clause("C2")
def test_a_text_frame_under_msgpack_closes_with_4000() -> None:
    peer = bench(subprotocol="ng-ws.v1.msgpack")
    expected = [Close(4000, "protocol_broken; text frames are illegal under ng-ws.v1.msgpack")]
    assert peer.take(peer.session.received_foreign()) == expected
    other = bench(subprotocol="ng-ws.v1.msgpack")
    assert other.take(other.session.received_unreadable("bad_json", "not JSON")) == expected


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M12")
@pytest.mark.parametrize("subprotocol", ["ng-ws.v1.json", "ng-ws.v1.msgpack"])
def test_each_message_of_an_array_is_taken_as_if_it_had_come_alone(subprotocol: str) -> None:
    peer = bench(subprotocol=subprotocol)
    answers = peer.send([{"type": "ping", "id": 1}, {"type": "nonsense", "id": 2}, [PING], {"type": "ping", "id": 3}])
    assert [(answer["type"], answer.get("id")) for answer in answers] == [
        ("pong", 1),
        ("error", 2),
        ("error", None),
        ("pong", 3),
    ]


@pytest.mark.clause("M12", "L12")
@pytest.mark.parametrize("subprotocol", ["ng-ws.v1.json", "ng-ws.v1.msgpack"])
@pytest.mark.parametrize("count", [0, 257])
def test_an_empty_array_or_one_of_too_many_is_one_400(subprotocol: str, count: int) -> None:
    assert errors(bench(subprotocol=subprotocol).send([PING] * count)) == [(400, "bad_message")]


@pytest.mark.clause("M12")
def test_256_messages_in_an_array_are_taken() -> None:
    peer = bench(subprotocol="ng-ws.v1.json")
    assert len(peer.send([{"type": "ack", "positions": {}}] * 255 + [PING])) == 1


@pytest.mark.clause("M12")
def test_without_a_subprotocol_an_array_is_400() -> None:
    assert errors(bench().send([PING])) == [(400, "bad_message")]


@pytest.mark.clause("M12")
def test_after_a_close_the_rest_of_an_array_is_discarded() -> None:
    answers = bench(subprotocol="ng-ws.v1.json").send([{}] * 12)
    assert (len(errors(answers)), type(answers[-1])) == (10, Close)


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M4")
@pytest.mark.parametrize("number", [0, 1, 2**53 - 1, "1", "é" * 32, "x" * 64])
def test_the_answer_carries_the_id(number: Any) -> None:
    (answer,) = bench().send({"type": "ping", "id": number})
    assert (answer["id"], type(answer["id"])) == (number, type(number))


@pytest.mark.clause("M4", "M3")
@pytest.mark.parametrize("number", [-1, 2**53, 1.0, 1.5, True, "", "x" * 65, "é" * 33, [], {}])
def test_an_id_that_is_none_is_400_without_id(number: Any) -> None:
    (answer,) = bench().send({"type": "ping", "id": number})
    assert (answer["code"], answer["path"], "id" in answer) == (400, "id", False)


@pytest.mark.clause("M4")
@pytest.mark.parametrize(
    "frame", [{"type": "nonsense", "id": 5}, {"type": "subscribe", "id": 5, "channel": 7}, {"id": 5}]
)
def test_what_cannot_be_read_is_answered_with_its_id_too(frame: Any) -> None:
    assert bench().send(frame)[0]["id"] == 5


@pytest.mark.clause("M5", "M2")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "connect", "token": "nonsense"},
        {"type": "subscribe", "channel": "nowhere"},
        {"type": "unsubscribe"},
        {"type": "publish", "channel": "nowhere", "event": "x"},
        {"type": "emit", "event_type": "x", "vector": VECTOR},
        {"type": "get_reconnection_token", "id": []},
        {"type": "ping", "t": []},
    ],
)
def test_an_error_without_id_names_the_type_it_answers(message: dict[str, Any]) -> None:
    """So that no answer can be taken for the push of E4."""
    answer = bench(ANONYMOUS).send(message)[0]
    assert ("id" in answer, answer["re"]) == (False, message["type"])


@pytest.mark.clause("M6")
def test_an_id_that_still_awaits_its_answer_keeps_its_single_answer() -> None:
    peer = bench(admin())
    publish = {"type": "publish", "id": 1, "channel": "logs", "event": "x"}
    first, *refused = peer.send(
        publish, {"type": "ping", "id": 1}, {"type": "nonsense", "id": 1}, {"type": "ping", "id": "1"}
    )
    assert isinstance(first, Publish)
    assert [("id" in answer, answer.get("duplicate_of")) for answer in refused] == [
        (False, 1),
        (False, 1),
        (True, None),
    ]
    assert errors(refused) == [(409, "duplicate_id"), (400, "unknown_type")]
    peer.session.answered(first.ticket, {"type": "ack"})
    assert peer.send({"type": "ping", "id": 1})[0]["type"] == "pong"


@pytest.mark.clause("M6", "L14")
def test_at_most_256_ids_await_their_answer() -> None:
    peer = bench(admin(), max_in_flight=2)
    publishes = [{"type": "publish", "id": number, "channel": "logs", "event": "x"} for number in range(3)]
    *sent, refused = peer.send(*publishes)
    assert (refused["id"], refused["code"], refused["error"], refused["limit"]) == (2, 429, "too_many_in_flight", 2)
    peer.session.failed(sent[0].ticket, errors_of_the_broker())
    assert peer.send({"type": "ping", "id": 3})[0]["type"] == "pong"


def errors_of_the_broker() -> Any:
    from channels.errors import LogUnavailable

    return LogUnavailable("not now")


# --- size -------------------------------------------------------------------------------------------------------------


def padded(message: dict[str, Any], size: int) -> bytes:
    text = json.dumps(message)
    return text.encode() + b" " * (size - len(text))


@pytest.mark.clause("L7", "L8", "E6")
def test_only_publish_and_emit_may_be_larger_than_a_control_message() -> None:
    peer = bench(admin())
    large = 70_000
    publish = padded({"type": "publish", "channel": "logs", "event": "x"}, large)
    emit = padded({"type": "emit", "event_type": "x", "vector": VECTOR}, large)
    answers = peer.send(
        publish, emit, padded({"type": "subscribe", "channel": "logs", "id": 1}, large), padded({}, large)
    )
    assert [type(answer) for answer in answers[:2]] == [Publish, Emit]
    assert [(answer.get("id"), answer["code"], answer["limit"]) for answer in answers[2:]] == [
        (1, 413, 65_536),
        (None, 413, 65_536),
    ]


@pytest.mark.clause("L7", "M41")
def test_a_channel_may_have_a_limit_of_its_own_below_and_above_the_common_one() -> None:
    tables = {
        "small": {"broadcast": ["admin"], "max_message": 2_000},
        "big": {"broadcast": ["admin"], "max_message": 2_000_000},
    }
    peer = bench(admin(), tables=tables, smallest_limit=2_000, largest_message=2_000_000)
    base = {"type": "publish", "event": "x"}
    frames = [
        padded({**base, "channel": channel}, size)
        for channel, size in (("small", 2_001), ("big", 1_500_000), ("logs", 1_500_000))
    ]
    small, big, common = peer.send(*frames)
    assert (small["code"], small["limit"], small["channel"]) == (413, 2_000, "small")
    assert isinstance(big, Publish)
    assert (common["code"], common["limit"]) == (413, 1_048_576)


@pytest.mark.clause("L8")
def test_before_a_required_login_nothing_may_be_large() -> None:
    (answer,) = bench(None).send(padded({"type": "publish", "channel": "logs", "event": "x", "id": 1}, 70_000))
    assert (answer["code"], answer["limit"]) == (413, 65_536)


@pytest.mark.clause("M12", "L8")
def test_in_an_array_each_message_is_measured_alone() -> None:
    peer = bench(subprotocol="ng-ws.v1.json")
    message = json.dumps({"type": "ack", "positions": {}, "pad": "x" * 40_000})
    assert peer.send_frame(f"[{message},{message}]".encode()) == []


# --- order of checks --------------------------------------------------------------------------------------------------


@pytest.mark.clause("E6")
def test_the_first_failure_in_the_order_of_checks_is_the_answer() -> None:
    """Size, form, id, state, rate, existence, right, content: each request fails everything from its own place on."""
    tables = {"closed": {"subscribe": ["admin"]}}
    peer = bench(identity(Role.DEVELOPER), tables=tables, max_in_flight=1, max_control=300, smallest_limit=300)
    bad = {"channel": "nowhere", "filter": {"a": 1}}
    open_request = {"type": "emit", "event_type": "x", "vector": VECTOR, "id": 1}
    peer.send(open_request)
    found = errors(
        [
            *peer.send(padded({"type": "subscribe", "id": 1, **bad, "ack": 0}, 400)),
            *peer.send({"type": "subscribe", "id": 1, **bad, "ack": 0}),
            *peer.send({"type": "subscribe", "id": 2, **bad}),
        ]
    )
    assert found == [(413, "too_large"), (400, "bad_message"), (429, "too_many_in_flight")]
    waiting = bench(None)
    assert errors(waiting.send(*[{"type": "subscribe", **bad}] * 40))[-1] == (401, "login_required")
    limited = bench(identity(Role.DEVELOPER), tables=tables)
    limited.send(*[{"type": "subscribe", "channel": "logs"}] * 30)
    assert errors(limited.send({"type": "subscribe", **bad})) == [(429, "rate_limited")]
    rich = bench(identity(Role.DEVELOPER), tables=tables)
    names = ("nowhere", "closed", "logs")
    requests = [{"type": "subscribe", "channel": name, "filter": {"a": 1}} for name in names]
    assert errors(rich.send(*requests)) == [(404, "unknown_channel"), (403, "forbidden"), (422, "filter_invalid")]


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("L22", "L23", "E2")
@pytest.mark.accept("D1", "D2")
@pytest.mark.parametrize(
    ("message", "capacity", "refill"),
    [
        (PING, 120, 2),
        ({"type": "subscribe", "channel": "metrics"}, 30, 1),
        ({"type": "unsubscribe", "channel": "metrics"}, 30, 1),
        ({"type": "publish", "channel": "logs", "event": "x"}, 60, 10),
        ({"type": "emit", "event_type": "x", "vector": VECTOR}, 1_000, 1_000),
        ({"type": "connect"}, 60, 10),
        ({"type": "connect", "resume": "x"}, 60, 10),
        ({"type": "get_reconnection_token"}, 60, 10),
    ],
)
def test_each_kind_of_message_has_its_bucket(message: dict[str, Any], capacity: int, refill: float) -> None:
    peer = bench(admin())
    paid = peer.send(*[message] * capacity)
    (refused,) = peer.send(message)
    assert (429, "rate_limited") not in errors(paid)
    assert (refused["code"], refused["error"]) == (429, "rate_limited")
    assert 1 / refill <= refused["retry_after"] <= 1 / refill + 0.001
    peer.now = refused["retry_after"]
    assert errors(peer.send(message, message))[-1:] == [(429, "rate_limited")]


@pytest.mark.clause("L22")
def test_a_channel_may_have_a_publish_rate_of_its_own() -> None:
    peer = bench(admin(), tables={"slow": {"broadcast": ["admin"], "publish_rate": "2/1"}})
    message = {"type": "publish", "channel": "slow", "event": "x"}
    assert errors(peer.send(*[message] * 3)) == [(429, "rate_limited")]
    assert errors(peer.send({**message, "channel": "logs"})) == []


@pytest.mark.clause("L24")
def test_all_connections_of_a_subject_share_a_bucket_that_reconnecting_does_not_refill() -> None:
    message = {"type": "publish", "channel": "logs", "event": "x"}
    first = bench(admin())
    around = first.session.surroundings
    refused = [errors(bench(admin(), surroundings=around).send(*[message] * 60)) for _ in range(11)]
    assert refused[:10] == [[]] * 10
    assert refused[10] == [(429, "rate_limited")] * 60
    answer = bench(admin(), surroundings=around).send(message)[0]
    assert "over all connections" in answer["message"]


@pytest.mark.clause("L24")
def test_refused_a_hundred_times_the_refill_closes_with_4229() -> None:
    answers = bench(admin()).send(*[{"type": "subscribe", "channel": "metrics"}] * 140)
    assert answers[-1] == Close(4229, "rate_abuse; subscribe")
    assert len(errors(answers)) == 101


@pytest.mark.clause("L23")
def test_acks_are_charged_to_no_bucket() -> None:
    assert bench().send(*[{"type": "ack", "positions": {}}] * 2_000) == []


# --- our own mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.clause("E3", "M4")
def test_a_mistake_of_the_hub_is_answered_by_500_and_told_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = bench(developer())

    def broken(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Session, "look_up", broken)
    fault, answer = peer.send({"type": "subscribe", "id": 3, "channel": "logs"})
    assert (type(fault), str(fault.error)) == (Fault, "a mistake")
    assert (answer["id"], answer["code"], answer["temporary"]) == (3, 500, True)
    monkeypatch.undo()
    assert isinstance(peer.send({"type": "subscribe", "channel": "logs"})[0], Subscribe)


def test_everything_is_counted() -> None:
    peer = bench(identity(Role.VIEWER))
    peer.send(
        PING,
        {},
        {"type": "publish", "channel": "logs", "event": "x"},
        {"type": "subscribe", "channels": ["metrics", "no"]},
    )
    tally = peer.session.surroundings.tally
    assert tally.messages_received == {("ping",): 1, ("unreadable",): 1, ("publish",): 1, ("subscribe",): 1}
    assert tally.errors == {("message", "bad_message"): 1, ("auth", "forbidden"): 1}
    assert tally.subscriptions == {("metrics", "ok"): 1, ("unknown", "unknown_channel"): 1}
    assert tally.messages_sent == {("welcome",): 1, ("pong",): 1, ("error",): 2}


def test_a_bench_begins_at_a_known_time() -> None:
    assert Bench(bench().session).moment == START
