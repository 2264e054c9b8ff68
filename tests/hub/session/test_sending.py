"""What a connection sends into the hub: publish, emit, ping."""

import struct
from typing import Any

import pytest

from channels.broker import Publication
from channels.errors import MidConflict, Overloaded
from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.protocol import answers
from hub.session import Emit, Publish, Ticket
from tests.hub.session.support import START, Bench, admin, bench, developer, identity

TRACE = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


def publish(peer: Bench, **members: Any) -> Any:
    (answer,) = peer.send({"type": "publish", "channel": "actions", "event": "deploy.started", **members})
    return answer


def emit(peer: Bench, **members: Any) -> Any:
    (answer,) = peer.send({"type": "emit", "event_type": "signal.input.text", **members})
    return answer


# --- publish ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M29", "M31", "M17")
def test_a_publish_becomes_a_publication_of_its_subject() -> None:
    members = {"data": {"service": "api"}, "key": "api", "tags": {"env": "prod"}, "mid": "b7c1-0042"}
    effect = publish(bench(admin()), id=6, **members, traceparent=TRACE, tracestate="a=b")
    assert effect == Publish(
        Publication(
            channel="actions",
            event="deploy.started",
            data=b'{"service": "api"}',
            key="api",
            tags=b'{"env":"prod"}',
            traceparent=TRACE,
            tracestate="a=b",
            subject="root",
            mid="b7c1-0042",
        ),
        Ticket("publish", 6, "actions", "b7c1-0042"),
    )


@pytest.mark.clause("M11", "M13")
def test_data_reaches_the_log_byte_for_byte() -> None:
    data = b'{ "a":1, "a":2, "big":18446744073709551615,"t":"\\u00e9" }'
    (effect,) = bench(admin()).send(b'{"type":"publish","channel":"logs","event":"x","data":' + data + b"}")
    assert effect.publication.data == data


@pytest.mark.clause("M29", "M3")
@pytest.mark.parametrize("members", [{}, {"data": None}])
def test_data_that_is_absent_is_null(members: dict[str, Any]) -> None:
    assert publish(bench(admin()), **members).publication.data == b"null"


@pytest.mark.clause("M17")
def test_an_invalid_traceparent_is_dropped_not_refused() -> None:
    publication = publish(bench(admin()), traceparent="00-zz", tracestate="a=b").publication
    assert (publication.traceparent, publication.tracestate) == (None, None)


@pytest.mark.clause("M31")
def test_the_mids_of_an_anonymous_connection_are_those_of_its_session() -> None:
    tables = {"wall": {"broadcast": ["anonymous"]}}
    (effect,) = bench(ANONYMOUS, tables=tables).send({"type": "publish", "channel": "wall", "event": "x", "mid": "1"})
    assert effect.publication.subject == "\0s-1"


@pytest.mark.clause("M16", "M29", "M3")
@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"channel": None}, "channel"),
        ({"channel": "a b"}, "channel"),
        ({"event": None}, "event"),
        ({"event": "a..b"}, "event"),
        ({"event": "a" * 129}, "event"),
        ({"event": ".".join("a" * 17)}, "event"),
        ({"key": ""}, "key"),
        ({"key": "a\nb"}, "key"),
        ({"key": "é" * 129}, "key"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"tags": {"a b": "c"}}, "tags.a b"),
        ({"tags": {"a": "x" * 257}}, "tags.a"),
        ({"tags": {f"t{n}": "" for n in range(17)}}, "tags"),
        ({"tags": ["a"]}, "tags"),
        ({"mid": ""}, "mid"),
        ({"mid": "a b"}, "mid"),
        ({"mid": "x" * 65}, "mid"),
        ({"content_type": "image/png"}, "content_type"),
        ({"content_encoding": "gzip"}, "content_encoding"),
        ({"meta": {"format": "png"}}, "meta"),
        ({"traceparent": 7}, "traceparent"),
    ],
)
def test_a_publish_that_is_not_as_the_protocol_says_is_400_with_its_path(members: dict[str, Any], path: str) -> None:
    answer = publish(bench(admin()), id=1, **members)
    assert (answer["id"], answer["code"], answer["error"], answer["path"]) == (1, 400, "bad_message", path)


@pytest.mark.clause("M5", "M30", "E2")
def test_a_publish_without_id_is_answered_only_when_it_fails() -> None:
    peer = bench(identity(Role.VIEWER))
    answer = publish(peer, mid="b7c1-0042")
    assert answer == {
        "type": "error",
        "re": "publish",
        "code": 403,
        "error": "forbidden",
        "message": "role viewer may not broadcast on actions",
        "temporary": False,
        "channel": "actions",
        "mid": "b7c1-0042",
    }
    sent = publish(bench(admin()))
    stored = answers.ack(1, "actions", "k3Fq:1", is_duplicate=False)
    assert bench(admin()).session.answered(sent.ticket, stored) == []


@pytest.mark.clause("E5")
def test_an_unknown_channel_is_404_and_one_without_the_right_403() -> None:
    peer = bench(developer())
    assert [publish(peer, channel=name)["code"] for name in ("nowhere", "logs")] == [404, 403]


@pytest.mark.clause("M30", "M31")
def test_a_stored_publish_is_acknowledged_with_its_position() -> None:
    peer = bench(admin())
    effect = publish(peer, id=6)
    first = answers.ack(6, "actions", "k3Fq:4411", is_duplicate=False)
    again = answers.ack(6, "actions", "k3Fq:4411", is_duplicate=True)
    assert peer.take(peer.session.answered(effect.ticket, first)) == [
        {"type": "ack", "id": 6, "positions": {"actions": "k3Fq:4411"}}
    ]
    assert again == {"type": "ack", "id": 6, "positions": {"actions": "k3Fq:4411"}, "duplicate": True}


@pytest.mark.clause("M31", "E2")
def test_what_the_broker_refuses_is_the_answer() -> None:
    peer = bench(admin())
    effect = publish(peer, id=6, mid="m1")
    (answer,) = peer.take(peer.session.failed(effect.ticket, MidConflict("used before", channel="actions")))
    assert (answer["id"], answer["code"], answer["error"], answer["channel"], answer["mid"]) == (
        6,
        409,
        "mid_conflict",
        "actions",
        "m1",
    )


# --- emit -------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M32")
def test_a_signal_goes_to_the_signal_system_as_32_bit_floats() -> None:
    members = {"priority": 200, "payload": {"text": "hello"}, "tags": {"chat": "c-12"}, "key": "k"}
    effect = emit(bench(identity(Role.BOT, "b7")), id=7, vector=VECTOR, **members)
    assert effect == Emit(
        event_type="signal.input.text",
        vectors=struct.pack("<8f", *VECTOR),
        is_batch=False,
        priority=200,
        key="k",
        tags={"chat": "c-12"},
        payload=b'{"text": "hello"}',
        traceparent=None,
        tracestate=None,
        owner="b7",
        ticket=Ticket("emit", 7),
    )


@pytest.mark.clause("M32", "M33")
def test_a_batch_goes_as_one() -> None:
    effect = emit(bench(developer()), id=8, vectors=[VECTOR, list(reversed(VECTOR))], mid="bot7-118")
    assert (len(effect.vectors), effect.is_batch, effect.priority, effect.ticket.mid) == (64, True, 128, "bot7-118")


@pytest.mark.clause("M32")
def test_an_absent_payload_is_absent_and_null_is_null() -> None:
    peer = bench(developer())
    assert [emit(peer, vector=VECTOR).payload, emit(peer, vector=VECTOR, payload=None).payload] == [None, b"null"]


@pytest.mark.clause("M32", "M33")
@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"vector": VECTOR[:7]}, "vector"),
        ({"vector": [*VECTOR, 1.0]}, "vector"),
        ({"vector": []}, "vector"),
        ({"vector": [*VECTOR[:7], "0.1"]}, "vector"),
        ({"vector": [*VECTOR[:7], None]}, "vector"),
        ({"vector": [*VECTOR[:7], True]}, "vector"),
        ({"vector": [*VECTOR[:7], 3.5e38]}, "vector"),
        ({"vector": [*VECTOR[:7], 10**40]}, "vector"),
        ({"vectors": []}, "vectors"),
        ({"vectors": [VECTOR, VECTOR, VECTOR, VECTOR[:7]]}, "vectors.3"),
        ({"vectors": [VECTOR, 7]}, "vectors.1"),
        ({"vectors": VECTOR}, "vectors.0"),
    ],
)
def test_one_bad_vector_refuses_all_with_its_path(members: dict[str, Any], path: str) -> None:
    answer = emit(bench(developer()), id=1, **members)
    assert (answer["id"], answer["code"], answer["error"], answer["path"]) == (1, 422, "vector_invalid", path)


@pytest.mark.clause("M32", "E2")
@pytest.mark.parametrize(
    ("vector", "came"),
    [
        (VECTOR[:7], "7 elements"),
        ([0, None, *VECTOR[:6]], "null at index 1"),
        ([*VECTOR[:7], True], "true at index 7"),
        ([*VECTOR[:7], "0.1"], "'0.1' at index 7"),
        ([*VECTOR[:7], 3.5e38], "3.5e+38 at index 7"),
    ],
)
def test_what_is_no_vector_is_told_by_index_in_the_words_of_json(vector: list[Any], came: str) -> None:
    answer = emit(bench(developer()), id=1, vector=vector)
    assert answer["message"] == f"vector: expected 8 numbers that are finite as 32-bit floats, came {came}"


@pytest.mark.clause("M32")
@pytest.mark.parametrize("priority", [-1, 256, 1.5, "high", True, [1]])
def test_a_priority_that_is_no_byte_is_422(priority: Any) -> None:
    answer = emit(bench(developer()), vector=VECTOR, priority=priority)
    assert (answer["code"], answer["error"], answer["path"]) == (422, "schema_invalid", "priority")


@pytest.mark.clause("M32", "M3")
@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({}, "vector"),
        ({"vector": VECTOR, "vectors": [VECTOR]}, "vector"),
        ({"vector": "0.1"}, "vector"),
        ({"event_type": None, "vector": VECTOR}, "event_type"),
        ({"event_type": "a..b", "vector": VECTOR}, "event_type"),
        ({"vector": VECTOR, "key": "\x07"}, "key"),
        ({"vector": VECTOR, "mid": ""}, "mid"),
    ],
)
def test_an_emit_that_is_not_as_the_protocol_says_is_400(members: dict[str, Any], path: str) -> None:
    answer = emit(bench(developer()), **members)
    assert (answer["re"], answer["code"], answer["path"]) == ("emit", 400, path)


@pytest.mark.clause("M33", "L15")
def test_more_vectors_than_a_batch_holds_are_413_with_the_limit() -> None:
    answer = emit(bench(developer(), emit_batch=3), id=1, vectors=[VECTOR] * 4)
    assert (answer["code"], answer["error"], answer["limit"], answer["path"]) == (413, "too_large", 3, "vectors")


@pytest.mark.clause("L15")
def test_a_payload_over_its_limit_is_413() -> None:
    answer = emit(bench(developer(), max_payload=100), vector=VECTOR, payload="x" * 99)
    assert (answer["code"], answer["limit"], answer["path"]) == (413, 100, "payload")


@pytest.mark.clause("C19", "E6")
def test_who_may_not_emit_is_403_before_the_vector_is_looked_at() -> None:
    assert emit(bench(identity(Role.VIEWER)), id=1, vector=[1])["code"] == 403


@pytest.mark.clause("L22", "L23", "E6")
def test_each_vector_costs_one_and_a_batch_is_paid_whole_or_refused_whole() -> None:
    peer = bench(developer())
    first = emit(peer, vectors=[VECTOR] * 600)
    refused = emit(peer, id=2, vectors=[VECTOR] * 600)
    paid = emit(peer, vectors=[VECTOR] * 400)
    assert (type(first), type(paid)) == (Emit, Emit)
    assert (refused["code"], refused["error"], refused["retry_after"]) == (429, "rate_limited", 0.2)


@pytest.mark.clause("M34")
def test_an_emit_that_finds_no_room_is_503_and_changes_nothing() -> None:
    peer = bench(developer())
    effect = emit(peer, id=4, vector=VECTOR)
    (answer,) = peer.take(peer.session.failed(effect.ticket, Overloaded("the queue is full")))
    assert (answer["id"], answer["code"], answer["error"], answer["temporary"]) == (4, 503, "overloaded", True)


# --- ping -------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("H4", "M37", "M4")
@pytest.mark.parametrize("t", ["123456", "-1.5e3", '"abc"', '"\\u00e9"', f'"{"x" * 64}"'])
def test_a_ping_is_answered_with_its_t_unchanged(t: str) -> None:
    peer = bench()
    (effect,) = peer.session.received(b'{"type":"ping","id":9,"t":%b}' % t.encode(), START)
    assert effect.data == b'{"type":"pong","id":9,"t":%b,"ts":1767225600.0}' % t.encode()  # type: ignore[union-attr]


@pytest.mark.clause("M37", "M3")
def test_a_ping_without_t_is_answered_without_t() -> None:
    bare = {"type": "pong", "ts": START.wall}
    assert bench().send({"type": "ping"}, {"type": "ping", "t": None}) == [bare, bare]


@pytest.mark.clause("M37")
@pytest.mark.parametrize(
    ("t", "came"),
    [
        ("x" * 65, "65 bytes"),
        ("é" * 33, "66 bytes"),
        (True, "true"),
        (False, "false"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_a_ping_with_any_other_t_is_400_and_told_what_came(t: Any, came: str) -> None:
    (answer,) = bench().send({"type": "ping", "t": t})
    assert (answer["code"], answer["path"]) == (400, "t")
    assert answer["message"].endswith(f"text of at most 64 bytes, came {came}")
