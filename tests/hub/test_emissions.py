"""The emits of a turn go to the SignalSystem in one call, and each is answered for itself."""

import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.errors import LogUnavailable
from channels.permissions import Role
from hub.auth import Identity
from hub.protocol.errors import Refusal
from hub.session import Emit, Ticket
from tests.support.node import Node, Peer

BOT = Identity("b7", Role.BOT)
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


def request(
    ident: int | None = 1, *, count: int = 1, mid: str | None = None, owner: str = "b7", **members: Any
) -> Emit:
    values: dict[str, Any] = {
        "event_type": "a.b",
        "vectors": struct.pack("<8f", *VECTOR) * count,
        "is_batch": count > 1,
        "priority": 128,
        "key": None,
        "tags": None,
        "payload": None,
        "traceparent": None,
        "tracestate": None,
        "owner": owner,
        "ticket": Ticket("emit", ident, None, mid),
    }
    return Emit(**{**values, **members})


def run(node: Node, peer: Peer, *requests: Emit) -> list[Any]:
    """The answers to `requests`, all of one turn."""
    for one in requests:
        node.emissions.add(peer.connection, one)
    return [answer for _, _, answer in node.emissions.run()]


def errors(answers: list[Any]) -> list[str]:
    return [answer.error for answer in answers if not isinstance(answer, dict)]


@pytest.mark.clause("M46")
async def test_a_single_signal_and_a_batch_have_their_forms(node: Node) -> None:
    single, batch = run(node, node.peer(BOT), request(1), request(2, count=2))
    assert single.keys() == {"type", "id", "token_id", "is_novel", "neighbors", "processing_time_us"}
    assert batch.keys() == {"type", "id", "results", "processing_time_us"}
    assert (single["id"], batch["id"], len(batch["results"])) == (1, 2, 2)


@pytest.mark.clause("M5")
async def test_without_an_id_only_refusals_are_told(node: Node) -> None:
    answers = run(node, node.peer(BOT), request(None), request(None, event_type="not an event"))
    assert errors(answers) == ["bad_message"]


async def test_a_turn_without_emits_costs_no_call(node: Node) -> None:
    assert run(node, node.peer(BOT)) == []


@pytest.mark.clause("M34")
async def test_where_there_is_no_room_an_emit_is_refused_before_it_is_processed() -> None:
    async with Node(signals={"queue_size": 64}) as node:
        node.pump.stop()
        peer = node.peer(BOT)
        answers = run(node, peer, request(1, count=64), request(2), request(3, mid="m"))
        assert errors(answers) == ["overloaded", "overloaded"]
        assert node.signals.count_tokens() == 64
        node.pump.deliver_waiting()
        (again,) = run(node, peer, request(4, mid="m"))
        assert ("duplicate" in again, again["token_id"]) == (False, 65)


@pytest.mark.clause("M35", "M31")
async def test_a_mid_is_processed_once_in_its_window_and_its_scope(node: Node) -> None:
    peer = node.peer(BOT)
    first, repeat = run(node, peer, request(1, mid="m"), request(2, mid="m"))
    (later,) = run(node, peer, request(3, mid="m"))
    (other,) = run(node, peer, request(4, mid="m", owner="b8"))
    (conflict,) = run(node, peer, request(5, mid="m", priority=1))
    node.now += 301
    (anew,) = run(node, peer, request(6, mid="m"))
    assert {**first, "id": 2, "duplicate": True} == repeat
    assert {**first, "id": 3, "duplicate": True} == later
    assert [answer["token_id"] for answer in (first, other, anew)] == [1, 2, 3]
    assert errors([conflict]) == ["mid_conflict"]


@pytest.mark.clause("M35")
async def test_the_position_is_that_of_the_last_entry_whatever_else_waits(node: Node) -> None:
    peer = node.peer(BOT)
    await peer.next("welcome")
    answers = run(node, peer, request(1), request(2, count=3, mid="m"), request(3, count=2))
    epoch, offset = answers[1]["position"].split(":")
    head = node.broker.status("signals")
    assert head is not None
    assert (int(offset), head.position) == (4, f"{epoch}:6")


@pytest.mark.clause("M35", "E3")
async def test_what_is_processed_and_not_stored_yet_is_outcome_unknown_and_never_processed_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_channel: str, _batch: Any, done: Any) -> None:
        done(LogUnavailable("not now"))

    peer = node.peer(BOT)
    with monkeypatch.context() as patch:
        patch.setattr(node.broker, "append_signals", refuse)
        unknown = run(node, peer, request(1, mid="m"), request(2, mid="m"))
        unknown += run(node, peer, request(3, mid="m"), request(4, mid="other"))
        node.pump.deliver_waiting()
        assert node.emissions.statistics() == {"mids": 2, "mids_refused": 0, "results_dropped": 0, "owed": 2}
    node.pump.deliver_waiting()
    assert node.emissions.statistics()["owed"] == 0
    again = run(node, peer, request(5, mid="other"), request(6, mid="m"))
    assert errors(unknown) == ["outcome_unknown"] * 4
    told = [(answer["duplicate"], answer["position"].split(":")[1], answer["token_id"]) for answer in again]
    assert (told, node.signals.count_tokens()) == ([(True, "2", 2), (True, "1", 1)], 2)


@pytest.mark.clause("M35")
async def test_what_becomes_no_entry_has_no_position_and_is_no_doubt_either() -> None:
    async with Node(signals={"publish": "novel"}) as node:
        peer = node.peer(BOT)
        first, known = run(node, peer, request(1, mid="m"), request(2, mid="n"))
        (again,) = run(node, peer, request(3, mid="n"))
    assert ["position" in answer for answer in (first, known, again)] == [True, False, False]
    assert again == {**known, "id": 3, "duplicate": True}


async def test_a_system_that_does_not_work_answers_500(node: Node) -> None:
    node.signals.close()
    answers = run(node, node.peer(BOT), request(1), request(2, mid="m"))
    assert errors(answers) == ["internal", "internal"]


@pytest.mark.clause("M32")
async def test_a_refusal_of_the_signal_system_keeps_its_name_and_path(node: Node) -> None:
    (refusal,) = run(node, node.peer(BOT), request(1, tags={"bad name": "x"}))
    assert isinstance(refusal, Refusal)
    assert (refusal.error, refusal.path) == ("bad_message", "tags")


@pytest.mark.clause("M34")
async def test_what_is_processed_is_processed_even_if_the_connection_has_gone(node: Node) -> None:
    peer = node.peer(BOT)
    node.plane.feed_close(peer.number, 1000, "")
    node.plane.flush()
    await peer.gone()
    assert len(run(node, peer, request(1))) == 1
    assert node.signals.count_tokens() == 1
