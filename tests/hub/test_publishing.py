"""Publishes that come together: what is observable of them is what would be if each had come alone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.broker import Position
from channels.buckets import DEFAULT_RATES, Rate
from channels.errors import LogUnavailable
from channels.permissions import Role
from hub.auth import Identity
from tests.support.burst import Burst, documents, split_runs
from tests.support.node import Node
from tests.support.store import RemoteBackplane, Store

ADMIN = Identity("root", Role.ADMIN)
VIEWER = Identity("vic", Role.VIEWER)
TABLES: dict[str, Any] = {
    "room:*": {"subscribe": ["viewer"], "broadcast": ["admin", "viewer"], "presence": True},
    "slow": {"broadcast": ["admin"], "publish_rate": "2/1"},
    "quiet": {"broadcast": ["admin"], "trace": False, "subscribe": ["admin"]},
}


def publish(number: int | str | None = None, channel: str = "actions", **members: Any) -> dict[str, Any]:
    message = {"type": "publish", "channel": channel, "event": "e", "data": {"n": number}, **members}
    return message if number is None else {**message, "id": number}


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node(TABLES) as running:
        yield running


@pytest.fixture
def stored(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Channel and length of each append of publishes that came together."""
    batches: list[tuple[str, int]] = []
    store = node.broker.publish_batch

    def spied(channel: str, batch: Any, done: Any) -> None:
        batches.append((channel, len(batch)))
        store(channel, batch, done)

    monkeypatch.setattr(node.broker, "publish_batch", spied)
    return batches


def offsets(answers: list[bytes], channel: str = "actions") -> list[tuple[Any, int]]:
    """(id, offset) of each ack."""
    acks = [one for one in documents(answers) if one["type"] == "ack"]
    return [(one["id"], Position.parse(one["positions"][channel]).offset) for one in acks]


@pytest.mark.clause("M30", "M5", "C14", "P1")
async def test_what_comes_together_is_stored_at_once_and_answered_each(
    node: Node, stored: list[tuple[str, int]]
) -> None:
    async with Burst(node, ADMIN) as peer:
        answers = await peer.ask(publish(1), publish(), publish("x"), publish(2**53 - 1))
    assert stored == [("actions", 4)]
    assert offsets(answers) == [(1, 1), ("x", 3), (2**53 - 1, 4)]
    entries = [one["data"]["n"] for one in documents(node.broker.history("actions"))]
    assert entries == [1, None, "x", 2**53 - 1]
    received = node.counters.values["messages_received"]["publish",]
    assert (received, node.counters.values["messages_sent"]["ack",]) == (4, 3)
    assert node.broker.statistics()["stored"] >= 4


@pytest.mark.clause("C14", "M3", "M10", "E3")
async def test_a_bad_one_in_the_middle_is_refused_in_its_place(node: Node, stored: list[tuple[str, int]]) -> None:
    bad = [publish(2, key=""), b'{"type":"publish","id":3,"data":1e400}', b'{"type":"publish","id":4', publish(5)]
    async with Burst(node, ADMIN) as peer:
        answers = documents(await peer.ask(publish(1), *bad))
    assert stored == [("actions", 1), ("actions", 1)]
    assert [(one["type"], one.get("id"), one.get("error")) for one in answers] == [
        ("ack", 1, None),
        ("error", 2, "bad_message"),
        ("error", None, "bad_json"),
        ("error", None, "bad_json"),
        ("ack", 5, None),
    ]
    assert peer.connection.session.unreadable == 0


@pytest.mark.clause("L22", "L23", "L24")
async def test_what_the_bucket_cannot_pay_is_refused_each_with_a_time(
    node: Node, stored: list[tuple[str, int]]
) -> None:
    async with Burst(node, ADMIN) as peer:
        answers = documents(await peer.ask(*map(publish, range(64))))
    assert stored == [("actions", 60)]
    assert [one["id"] for one in answers] == list(range(64))
    assert [one.get("retry_after") for one in answers] == [None] * 60 + [pytest.approx(0.1, abs=0.002)] * 4
    assert node.counters.values["rate_limited"]["publish",] == 4


@pytest.mark.clause("L22")
async def test_a_channel_with_a_bucket_of_its_own_is_paid_from_that(node: Node) -> None:
    async with Burst(node, ADMIN) as peer:
        answers = documents(await peer.ask(*(publish(number, "slow") for number in range(3)), publish(3)))
    assert [one["type"] for one in answers] == ["ack", "ack", "error", "ack"]


@pytest.mark.clause("C14", "P1")
async def test_two_channels_in_turn_keep_the_order_of_the_messages(node: Node, stored: list[tuple[str, int]]) -> None:
    async with Burst(node, ADMIN) as peer:
        said = [publish(number, ("actions", "logs")[number // 2 % 2]) for number in range(6)]
        answers = documents(await peer.ask(*said))
    assert stored == [("actions", 2), ("logs", 2), ("actions", 2)]
    assert [one["id"] for one in answers] == list(range(6))


@pytest.mark.clause("M4", "M6")
async def test_an_id_that_was_answered_may_come_again_in_the_same_breath(node: Node) -> None:
    async with Burst(node, ADMIN) as peer:
        answers = await peer.ask(publish(1), publish(1), publish(1))
    assert offsets(answers) == [(1, 1), (1, 2), (1, 3)]


@pytest.mark.clause("M31")
async def test_a_mid_that_comes_twice_is_stored_once(node: Node) -> None:
    same: dict[str, Any] = {"mid": "m1", "data": 7}
    async with Burst(node, ADMIN) as peer:
        said = [publish(1, **same), publish(2), publish(3, **same), publish(4, mid="m1", data=8)]
        first, other, again, conflict = documents(await peer.ask(*said))
    assert (first["positions"], again["duplicate"]) == (again["positions"], True)
    assert (other["id"], conflict["error"]) == (2, "mid_conflict")
    assert len(node.broker.history("actions")) == 2


@pytest.mark.clause("C17", "E6", "M30")
async def test_a_right_that_is_withdrawn_holds_for_what_comes_after_it(
    node: Node, stored: list[tuple[str, int]]
) -> None:
    async with Burst(node, ADMIN) as peer:
        before = documents(await peer.ask(publish(1), publish(2)))
        node.connections.change_role(peer.connection.session.conn, Role.VIEWER)
        after = documents(await peer.ask(publish(3), publish(4)))
    assert [one["type"] for one in before] == ["ack", "ack"]
    assert [(one["id"], one["code"]) for one in after if one["type"] == "error"] == [(3, 403), (4, 403)]
    assert stored == [("actions", 2)]


@pytest.mark.clause("E5", "E6", "C25")
async def test_what_no_right_or_no_channel_allows_is_refused_each(node: Node, stored: list[tuple[str, int]]) -> None:
    async with Burst(node, VIEWER) as peer:
        said = [publish(1), publish(2, "nowhere"), publish(3, "room:1/presence"), publish(4, "room:1")]
        answers = documents(await peer.ask(*said))
    assert [one.get("code") for one in answers] == [403, 404, 403, None]
    assert stored == [("room:1", 1)]


@pytest.mark.clause("L7", "L8", "E6")
async def test_sizes_are_judged_by_the_limit_of_the_channel() -> None:
    tables = {"small": {"broadcast": ["admin"], "max_message": "1KiB"}}
    async with Node(tables, smallest_limit=1_024) as node, Burst(node, ADMIN) as peer:
        large = publish(2, "small", data="x" * 1_200)
        answers = documents(
            await peer.ask(publish(1, "small"), large, publish(3, "small"), publish(4, data="x" * 1_200))
        )
    assert [(one["id"], one.get("limit")) for one in answers] == [(1, None), (2, 1_024), (3, None), (4, None)]


@pytest.mark.clause("M17")
async def test_trace_contexts_are_kept_from_subscribers_where_the_channel_says_so(node: Node) -> None:
    trace = {"traceparent": "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"}
    async with Burst(node, ADMIN) as peer:
        await peer.ask(publish(1, "quiet", **trace), publish(2, **trace))
    assert "traceparent" not in documents(node.broker.history("quiet"))[0]
    assert documents(node.broker.history("actions"))[0]["traceparent"] == trace["traceparent"]


@pytest.mark.clause("C14", "M30")
async def test_publishers_of_one_channel_share_an_append_and_no_answers(
    node: Node, stored: list[tuple[str, int]]
) -> None:
    async with Burst(node, ADMIN) as one, Burst(node, ADMIN) as other:
        node.connections._turns.stop()
        await one.say(publish(1), publish(2))
        await other.say(publish(1), publish("b"))
        events: list[Any] = []
        while sum(len(event[2]) for event in events) < 4:
            events += node.plane.drain()
        for event in events:
            node.connections._handle(event, node.connections.moment())
        node.connections._performer.finish()
        answers = [offsets(await peer.answers(2)) for peer in (one, other)]
    assert stored == [("actions", 4)]
    assert sorted(offset for told in answers for _, offset in told) == [1, 2, 3, 4]
    assert [[number for number, _ in told] for told in answers] == [[1, 2], [1, "b"]]


@pytest.mark.clause("E3", "M30")
async def test_what_the_log_does_not_take_is_refused_each(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    error = LogUnavailable("not now", channel="actions")
    monkeypatch.setattr(node.broker, "publish_batch", lambda _channel, _batch, done: done(error))
    async with Burst(node, ADMIN) as peer:
        answers = documents(await peer.ask(publish(1), publish(), publish("x")))
    assert [(one.get("id"), one.get("re"), one["error"]) for one in answers] == [
        (1, None, "log_unavailable"),
        (None, "publish", "log_unavailable"),
        ("x", None, "log_unavailable"),
    ]


async def test_a_mistake_over_an_append_ends_those_who_are_in_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(node.broker, "publish_batch", fail)
    async with Burst(node, ADMIN) as peer, Burst(node, ADMIN) as other:
        await peer.ask(publish(1), publish(2))
        assert peer.closed == 4250
        monkeypatch.undo()
        assert offsets(await other.ask(publish(1))) == [(1, 1)]


@pytest.mark.clause("X6", "M15")
async def test_nothing_is_taken_after_the_connection_was_closed_in_between(node: Node) -> None:
    """Ten unreadable ones end it: what came before is stored and answered, what came after is neither."""
    async with Burst(node, ADMIN) as peer:
        answers = await peer.ask(publish(1), *[{"type": "?"}] * 10, publish(2), publish(3))
        assert peer.closed == 4000
    assert offsets(answers) == [(1, 1)]
    assert len(node.broker.history("actions")) == 1


class TestAnswersLater:
    """As a store elsewhere, or a disk, answers."""

    @pytest.fixture
    def store(self) -> Store:
        return Store()

    @pytest.fixture
    async def remote(self, store: Store) -> AsyncIterator[Node]:
        backplane = RemoteBackplane(store)
        async with Node(backplane=backplane, max_in_flight=5) as running:
            yield running

    @staticmethod
    def backplane(node: Node) -> RemoteBackplane:
        backplane = node.broker.backplane
        assert isinstance(backplane, RemoteBackplane)
        return backplane

    @pytest.mark.clause("M6", "L14", "M30")
    async def test_ids_await_their_answers_until_the_places_are_known(self, remote: Node) -> None:
        backplane = self.backplane(remote)
        backplane.is_slow = True
        async with Burst(remote, ADMIN) as peer:
            said = [publish(1), publish(2), publish(1), publish(), publish(3), publish(4), publish(5), publish(6)]
            await peer.say(*said)
            refused = documents(await peer.answers(2))
            shown = [(one.get("id"), one.get("duplicate_of"), one["error"]) for one in refused]
            assert shown == [(None, 1, "duplicate_id"), (6, None, "too_many_in_flight")]
            assert peer.connection.session.in_flight == {1, 2, 3, 4, 5}
            backplane.is_slow = False
            backplane.answer(len(backplane.waiting))
            assert offsets(await peer.answers(5)) == [(1, 1), (2, 2), (3, 4), (4, 5), (5, 6)]
            assert peer.connection.session.in_flight == set()

    @pytest.mark.clause("R12", "X6")
    async def test_who_has_been_closed_meanwhile_is_told_nothing(self, remote: Node) -> None:
        backplane = self.backplane(remote)
        backplane.is_slow = True
        async with Burst(remote, ADMIN) as peer:
            await peer.ask(publish(1), publish(2))
            remote.connections.kick(peer.connection.session.conn)
            backplane.is_slow = False
            backplane.answer(len(backplane.waiting))
            assert [one for one in documents(await peer.answers(1)) if one["type"] == "ack"] == []
            assert peer.closed == 4010
        assert remote.counters.values["messages_sent"]["ack",] == 0

    @pytest.mark.clause("N2")
    @pytest.mark.parametrize("most", [100, 300])
    async def test_an_append_holds_no_more_than_the_store_takes(self, store: Store, most: int) -> None:
        rates = {**DEFAULT_RATES, "publish": Rate(1_000, 1)}
        backplane = RemoteBackplane(store, max_signals=most)
        async with Node(backplane=backplane, rates=rates) as node, Burst(node, Identity(None, Role.ADMIN)) as peer:
            await peer.ask(*(publish() for _ in range(700)))
        sizes = [count for channel, count in store.calls if channel == "actions"]
        assert (sum(sizes), max(sizes)) == (700, min(most, 256))


async def test_the_double_that_takes_runs_apart_takes_them_apart(node: Node, stored: list[tuple[str, int]]) -> None:
    """Or the comparison of both ways (tests/property/test_publishing.py) would compare one with itself."""
    split_runs(node)
    async with Burst(node, ADMIN) as peer:
        assert offsets(await peer.ask(publish(1), publish(2))) == [(1, 1), (2, 2)]
    assert stored == []


async def test_a_turn_wakes_the_io_threads_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    woken, turns = 0, 0
    flush, take = node.broker.flush, node.connections._turns._performer.begin

    def counted_flush() -> None:
        nonlocal woken
        woken += 1
        flush()

    def counted_turn() -> None:
        nonlocal turns
        turns += 1
        take()

    monkeypatch.setattr(node.broker, "flush", counted_flush)
    monkeypatch.setattr(node.connections._turns._performer, "begin", counted_turn)
    async with Burst(node, VIEWER) as peer:
        woken = turns = 0
        await peer.ask(*(publish(number, f"room:{number % 3}") for number in range(9)))
        await peer.ask({"type": "ping", "id": 1})
        assert woken == turns > 0
