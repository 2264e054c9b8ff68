"""Emitting over a real connection: what the SignalSystem says, what subscribers see, repeats."""

from collections.abc import Callable
from typing import Any

import pytest

from channels.permissions import DEFAULT_RIGHTS, Right, Role
from tests.support.hub import RunningHub
from tests.support.ws import MSGPACK, Peer

Start = Callable[..., RunningHub]
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]
OTHER = [0.2, 0.1, 0.7, 0.3, 0.5, 0.9, 0.4, 0.6]


def emit(peer: Peer, **members: Any) -> dict[str, Any]:
    return peer.ask(type="emit", event_type="signal.input.text", **members)


@pytest.mark.clause("M32", "M34", "M46", "C21")
@pytest.mark.accept("B5", "K8", "N2")
@pytest.mark.parametrize("subprotocol", [None, MSGPACK])
def test_a_signal_is_answered_and_becomes_one_entry_of_signals(ws_hub: RunningHub, subprotocol: str | None) -> None:
    offers = (subprotocol,) if subprotocol else ()
    with Peer(ws_hub, "bot", subprotocols=offers) as bot, Peer(ws_hub, "developer") as reader:
        reader.ask(type="subscribe", channel="signals")
        first = emit(bot, vector=VECTOR, priority=200, payload={"text": "hello"}, tags={"chat": "c-12"}, key="k")
        second = emit(bot, vector=VECTOR)
        event, again = reader.events("signals", 2)
    assert (first["type"], first["is_novel"], first["neighbors"]) == ("emitted", True, [])
    assert (second["is_novel"], second["neighbors"]) == (False, [{"token_id": first["token_id"], "distance": 0.0}])
    assert first["processing_time_us"] >= 0
    assert (event["event"], event["key"], event["tags"]) == ("signal.input.text", "k", {"chat": "c-12"})
    data = event["data"]
    assert (data["token_id"], data["priority"], data["payload"]) == (first["token_id"], 200, {"text": "hello"})
    assert (data["is_novel"], again["data"]["neighbors"]) == (True, second["neighbors"])
    assert data["vector"] == VECTOR


@pytest.mark.clause("M33", "M46")
def test_a_batch_is_answered_in_the_order_of_its_vectors(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "bot") as bot:
        answer = emit(bot, vectors=[VECTOR, OTHER, VECTOR])
    tokens = [result["token_id"] for result in answer["results"]]
    assert tokens == sorted(tokens)
    assert [result["is_novel"] for result in answer["results"]] == [True, True, False]
    assert answer["results"][2]["neighbors"] == [{"token_id": tokens[0], "distance": 0.0}]


@pytest.mark.clause("M33", "M32")
@pytest.mark.parametrize(
    ("members", "code", "error", "path"),
    [
        ({"vector": VECTOR[:7]}, 422, "vector_invalid", "vector"),
        ({"vectors": [VECTOR, VECTOR, VECTOR, [*VECTOR, 1]]}, 422, "vector_invalid", "vectors.3"),
        ({"vector": VECTOR, "priority": 256}, 422, "schema_invalid", "priority"),
        ({"vectors": [VECTOR] * 1_001}, 413, "too_large", "vectors"),
        ({"vector": VECTOR, "vectors": [VECTOR]}, 400, "bad_message", "vector"),
    ],
)
def test_a_batch_with_a_fault_is_refused_whole(
    ws_hub: RunningHub, members: dict[str, Any], code: int, error: str, path: str
) -> None:
    with Peer(ws_hub, "bot") as bot:
        answer = emit(bot, **members)
        assert (answer["code"], answer["error"], answer["path"]) == (code, error, path)
        assert emit(bot, vector=VECTOR)["token_id"] == 1


@pytest.mark.clause("C19", "C18")
@pytest.mark.accept("C11")
@pytest.mark.parametrize("role", list(Role))
def test_who_may_emit_is_what_the_table_says(ws_hub: RunningHub, role: Role) -> None:
    with Peer(ws_hub, None if role is Role.ANONYMOUS else role.value) as peer:
        assert (emit(peer, vector=VECTOR)["type"] == "emitted") is (Right.EMIT in DEFAULT_RIGHTS["signals"][role])


@pytest.mark.clause("M35", "M31")
def test_with_a_mid_the_answer_has_the_position_and_a_repeat_gets_it_again(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "bot", subject="b7") as bot, Peer(ws_hub, "developer") as reader:
        reader.ask(type="subscribe", channel="signals")
        first = emit(bot, vectors=[VECTOR, OTHER], mid="bot7-118")
        again = emit(bot, vectors=[VECTOR, OTHER], mid="bot7-118")
        conflict = emit(bot, vectors=[VECTOR, VECTOR], mid="bot7-118")
        emit(bot, vector=OTHER)
        events = reader.events("signals", 3)
    assert int(first["position"].split(":")[1]) == events[1]["offset"]
    assert (again["position"], again["duplicate"], again["results"]) == (first["position"], True, first["results"])
    assert (conflict["code"], conflict["error"]) == (409, "mid_conflict")
    tokens = [result["token_id"] for result in first["results"]]
    assert [event["data"]["token_id"] for event in events] == [*tokens, tokens[-1] + 1]


@pytest.mark.clause("M35")
def test_a_repeat_sent_before_the_first_was_answered_is_processed_once(ws_hub: RunningHub) -> None:
    message = {"type": "emit", "event_type": "a.b", "vector": VECTOR, "mid": "m"}
    with Peer(ws_hub, "bot") as bot:
        bot.send({**message, "id": "first"}, {**message, "id": "second"})
        answers = {answer["id"]: answer for answer in (bot.next("emitted"), bot.next("emitted"))}
        assert answers["first"]["token_id"] == answers["second"]["token_id"] == 1
        assert answers["second"]["duplicate"] is True


@pytest.mark.clause("M34")
def test_a_hub_may_publish_novel_signals_only(start: Start) -> None:
    hub = start(signal_publish="novel")
    with Peer(hub, "bot") as bot, Peer(hub, "developer") as reader:
        reader.ask(type="subscribe", channel="signals")
        novel, known = emit(bot, vector=VECTOR, mid="1"), emit(bot, vector=VECTOR, mid="2")
        emit(bot, vector=OTHER)
        events = reader.events("signals", 2)
    assert ("position" in novel, "position" in known) == (True, False)
    assert [event["data"]["token_id"] for event in events] == [novel["token_id"], known["token_id"] + 1]


@pytest.mark.clause("M5")
def test_without_id_nothing_is_answered_but_a_refusal(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "bot") as bot:
        bot.send({"type": "emit", "event_type": "a.b", "vector": VECTOR})
        assert bot.quiet() == []
        bot.send({"type": "emit", "event_type": "a.b", "vector": [1]})
        assert bot.next("error")["re"] == "emit"


@pytest.mark.clause("C14", "M46")
def test_many_emits_in_one_turn_are_answered_each_for_itself(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "bot") as bot:
        bot.send(*[{"type": "emit", "id": number, "event_type": "a.b", "vector": VECTOR} for number in range(200)])
        answers = [bot.next("emitted") for _ in range(200)]
    assert [answer["id"] for answer in answers] == list(range(200))
    assert [answer["token_id"] for answer in answers] == list(range(1, 201))
