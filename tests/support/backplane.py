"""The suite that holds every backplane to its contract (`channels.backplane.Backplane`)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from channels._native import PublishBatch, decode_entries
from channels.backplane import Backplane, Result
from channels.errors import BrokerError, LogUnavailable, MidConflict, Overloaded
from channels.publication import Position, Publication, Stored
from tests.support.publishes import batch_of, text


class Door:
    """What the broker is to a backplane: keeps what was delivered, and gives places like a log does."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, str]] = []
        self.refusal: BrokerError | None = None

    def deliver(
        self,
        channel: str,
        batch: Any,
        marks: Sequence[bytes | None] | None = None,
        settled: Callable[[BrokerError | None], None] | None = None,
    ) -> Position:
        if self.refusal is not None:
            raise self.refusal
        if isinstance(batch, PublishBatch):
            batch = decode_entries(b"".join(batch.encode_entries(1.0)))
        self.delivered += [(channel, entry[0]) for entry in batch]
        return Position("k3Fq", sum(name == channel for name, _ in self.delivered))


def publication(event: str = "e", *, mid: str | None = None, channel: str = "actions", **members: Any) -> Publication:
    return replace(Publication(channel, event, b'{"a":1}', subject="ann", mid=mid), **members)


OTHERS: dict[str, Any] = {"event": "f", "key": "k", "tags": b'{"a":"b"}', "data": b'{"a":2}'}


def answers(results: Sequence[Result]) -> list[object]:
    """Results as they compare: a position, (position, "duplicate"), or the name of the error."""
    shown: list[object] = []
    for result in results:
        if isinstance(result, Stored):
            shown.append((result.position, "duplicate") if result.duplicate else result.position)
        else:
            shown.append(result.error)
    return shown


class BackplaneContract:
    """Subclass with fixtures `door` and `backplane`, started with `door.deliver`."""

    async def append(
        self, backplane: Backplane, *publications: Publication, batch_id: str | None = None
    ) -> list[object]:
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        backplane.append(publications[0].channel, publications, answer.set_result, batch_id)
        return answers(await answer)

    @pytest.mark.clause("M30", "N2", "P1")
    async def test_a_batch_gets_consecutive_places_in_the_order_given(self, backplane: Backplane, door: Door) -> None:
        first = await self.append(backplane, publication("one"))
        then = await self.append(backplane, publication("two"), publication("three"))
        assert (first, then) == (["k3Fq:1"], ["k3Fq:2", "k3Fq:3"])
        assert door.delivered == [("actions", "one"), ("actions", "two"), ("actions", "three")]

    @pytest.mark.clause("N2")
    async def test_every_channel_has_an_order_of_its_own(self, backplane: Backplane) -> None:
        places = [await self.append(backplane, publication(channel=channel)) for channel in ("actions", "logs")]
        assert places == [["k3Fq:1"], ["k3Fq:1"]]

    @pytest.mark.clause("M31")
    async def test_a_repeated_mid_is_stored_once_and_told_the_first_place(
        self, backplane: Backplane, door: Door
    ) -> None:
        results = [await self.append(backplane, publication(mid="m1")) for _ in range(3)]
        assert results == [["k3Fq:1"], [("k3Fq:1", "duplicate")], [("k3Fq:1", "duplicate")]]
        assert len(door.delivered) == 1

    @pytest.mark.clause("M31")
    @pytest.mark.parametrize("other", ["event", "key", "tags", "data"])
    async def test_a_repeat_that_differs_is_a_conflict_and_is_not_stored(
        self, backplane: Backplane, door: Door, other: str
    ) -> None:
        await self.append(backplane, publication(mid="m1"))
        assert await self.append(backplane, publication(mid="m1", **{other: OTHERS[other]})) == ["mid_conflict"]
        assert len(door.delivered) == 1

    @pytest.mark.clause("M31")
    async def test_a_repeat_may_carry_another_trace_and_another_spelling_of_its_data(
        self, backplane: Backplane
    ) -> None:
        await self.append(backplane, publication(mid="m1"))
        repeat = publication(mid="m1", data=b'{ "a" : 1 }', traceparent=f"00-{1:032x}-{1:016x}-01", tracestate="a=1")
        assert await self.append(backplane, repeat) == [("k3Fq:1", "duplicate")]

    @pytest.mark.clause("M31")
    async def test_a_mid_counts_for_one_subject_on_one_channel(self, backplane: Backplane) -> None:
        same = [
            publication(mid="m1"),
            publication(mid="m1", subject="bob"),
            publication(mid="m1", channel="logs"),
        ]
        assert [await self.append(backplane, one) for one in same] == [["k3Fq:1"], ["k3Fq:2"], ["k3Fq:1"]]

    @pytest.mark.clause("M31", "N3")
    async def test_repeats_and_conflicts_within_one_batch_leave_the_others_alone(self, backplane: Backplane) -> None:
        batch = [
            publication("a", mid="m1"),
            publication("b"),
            publication("a", mid="m1"),
            publication("c", mid="m1"),
            publication("d", mid="m2"),
        ]
        results = await self.append(backplane, *batch)
        assert results == ["k3Fq:1", "k3Fq:2", ("k3Fq:1", "duplicate"), "mid_conflict", "k3Fq:3"]

    @pytest.mark.clause("N3")
    async def test_a_batch_that_is_repeated_is_stored_once_and_told_the_same(
        self, backplane: Backplane, door: Door
    ) -> None:
        batch = [publication("a"), publication("b")]
        results = [await self.append(backplane, *batch, batch_id="b1") for _ in range(2)]
        assert results == [["k3Fq:1", "k3Fq:2"], ["k3Fq:1", "k3Fq:2"]]
        assert len(door.delivered) == 2

    @pytest.mark.clause("M30")
    @pytest.mark.parametrize("mid", [None, "m1"])
    async def test_after_the_stop_everything_is_refused(
        self, backplane: Backplane, door: Door, mid: str | None
    ) -> None:
        await backplane.stop()
        assert await self.append(backplane, publication(mid=mid)) == ["log_unavailable"]
        assert door.delivered == []


class LocalContract(BackplaneContract):
    """And what holds where the store is the log of this node, so that what the log refuses is not stored."""

    @pytest.mark.clause("M30")
    async def test_a_door_that_refuses_refuses_all_of_the_batch(self, backplane: Backplane, door: Door) -> None:
        door.refusal = Overloaded("full")
        single = await self.append(backplane, publication())
        batch = await self.append(backplane, publication(mid="m1"), publication())
        assert (single, batch) == (["overloaded"], ["overloaded", "overloaded"])

    @pytest.mark.clause("M30", "M31")
    @pytest.mark.parametrize("batch_id", [None, "b1"])
    async def test_a_door_that_refuses_refuses_what_is_fresh_and_nothing_else(
        self, backplane: Backplane, door: Door, batch_id: str | None
    ) -> None:
        """Repeats and conflicts are what they are; the whole batch may be sent again."""
        await self.append(backplane, publication(mid="m1"))
        batch = [
            publication(mid="m1"),
            publication("f", mid="m1"),
            publication(),
            publication(mid="m2"),
            publication(mid="m2"),
        ]
        known = [("k3Fq:1", "duplicate"), "mid_conflict"]
        door.refusal = LogUnavailable("away")
        refused = await self.append(backplane, *batch, batch_id=batch_id)
        door.refusal = None
        again = await self.append(backplane, *batch, batch_id=batch_id)
        assert refused == [*known, *["log_unavailable"] * 3]
        assert again == [*known, "k3Fq:2", "k3Fq:3", ("k3Fq:3", "duplicate")]
        counted = backplane.statistics()
        assert (counted["refused"], counted["conflicts"], counted["duplicates"], counted["stored"]) == (3, 2, 3, 3)

    @pytest.mark.clause("M31")
    async def test_a_mid_that_was_refused_may_be_sent_again(self, backplane: Backplane, door: Door) -> None:
        door.refusal = LogUnavailable("away")
        refused = await self.append(backplane, publication(mid="m1"), batch_id="b1")
        door.refusal = None
        again = await self.append(backplane, publication(mid="m1"), batch_id="b1")
        assert (refused, again) == (["log_unavailable"], ["k3Fq:1"])

    @pytest.mark.clause("M30", "N2", "P1")
    async def test_publishes_that_came_together_have_consecutive_places_or_none(
        self, backplane: Backplane, door: Door
    ) -> None:
        batch = batch_of(text(event="two"), text(event="three"))
        told: list[Position | BrokerError] = []
        await self.append(backplane, publication("one"))
        backplane.append_publishes("actions", batch, told.append)
        assert door.delivered == [("actions", "one"), ("actions", "two"), ("actions", "three")]
        door.refusal = error = Overloaded("not now")
        backplane.append_publishes("actions", batch, told.append)
        assert told == [Position("k3Fq", 3), error]
        counted = backplane.statistics()
        assert (counted["stored"], counted["refused"]) == (3, 2)
        await backplane.stop()
        backplane.append_publishes("actions", batch, told.append)
        assert isinstance(told[2], LogUnavailable)

    async def test_statistics_count_what_became_of_every_publication(self, backplane: Backplane, door: Door) -> None:
        for one in (publication(), publication(mid="m1"), publication(mid="m1"), publication("f", mid="m1")):
            await self.append(backplane, one)
        door.refusal = MidConflict("any refusal of the door")
        await self.append(backplane, publication())
        counted = {"stored": 2, "duplicates": 1, "conflicts": 1, "refused": 1, "mids": 1}
        unused = {"mids_refused": 0, "mids_forgotten": 0, "batches_refused": 0}
        assert backplane.statistics() == counted | unused
