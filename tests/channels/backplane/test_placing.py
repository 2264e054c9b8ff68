"""Appends to a durable log: a place at once, an answer when it is stored, and what a failure takes back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from channels.backplane.memory import MemoryBackplane
from channels.dedup import MidKey, MidWindow, digest, mark_of, read_mark
from channels.errors import BrokerError, LogUnavailable, Overloaded
from channels.publication import Position, Publication
from tests.support.backplane import BackplaneContract, Door, answers, publication

LOST = LogUnavailable("no room")


class SlowDoor(Door):
    """A durable log: gives places and settles them when the test says, or at once."""

    def __init__(self, *, at_once: bool = False) -> None:
        super().__init__()
        self.marks: list[bytes | None] = []
        self.waiting: list[Callable[[BrokerError | None], None]] = []
        self._at_once = at_once

    def deliver(
        self,
        channel: str,
        batch: Any,
        marks: Sequence[bytes | None] | None = None,
        settled: Callable[[BrokerError | None], None] | None = None,
    ) -> Position:
        position = super().deliver(channel, batch)
        assert settled is not None
        self.marks += marks or [None] * len(batch)
        self.waiting.append(settled)
        if self._at_once:
            asyncio.get_running_loop().call_soon(self.settle)
        return position

    def settle(self, error: BrokerError | None = None) -> None:
        """The oldest that waits is stored, or is not."""
        if error is not None:
            self.delivered.pop()
        self.waiting.pop(0)(error)


class TestContract(BackplaneContract):
    """`MemoryBackplane` obeys the contract over a durable log, too."""

    @pytest.fixture
    def door(self) -> Door:
        return SlowDoor(at_once=True)

    @pytest.fixture
    async def backplane(self, door: Door) -> MemoryBackplane:
        backplane = MemoryBackplane(is_durable=lambda _: True)
        await backplane.start(door.deliver)
        return backplane


class Node:
    """A backplane before a `SlowDoor`, and what was answered."""

    def __init__(self, mids: MidWindow[str] | None = None) -> None:
        self.door = SlowDoor()
        self.backplane = MemoryBackplane(mids=mids, is_durable=lambda _: True, monotonic=lambda: 1_000.0)
        self.answered: list[list[object]] = []

    def append(self, *publications: Publication, batch_id: str | None = None) -> None:
        self.backplane.append("actions", publications, lambda results: self.answered.append(answers(results)), batch_id)


@pytest.fixture
async def node() -> Node:
    node = Node()
    await node.backplane.start(node.door.deliver)
    return node


@pytest.mark.clause("M30")
async def test_nothing_is_answered_before_it_is_stored(node: Node) -> None:
    node.append(publication(mid="m1"))
    node.append(publication())
    assert node.answered == []
    node.door.settle()
    node.door.settle()
    assert node.answered == [["k3Fq:1"], ["k3Fq:2"]]


@pytest.mark.clause("M31")
async def test_a_repeat_of_what_is_still_written_is_answered_when_that_is_stored(node: Node) -> None:
    node.append(publication(mid="m1"))
    node.append(publication(mid="m1"))
    node.append(publication(mid="m1", event="other"))
    assert node.answered == [["mid_conflict"]]
    node.door.settle()
    assert node.answered[1:] == [["k3Fq:1"], [("k3Fq:1", "duplicate")]]
    assert len(node.door.delivered) == 1


@pytest.mark.clause("E3", "M31")
async def test_what_could_not_be_stored_is_refused_with_its_repeats_and_may_be_sent_again(node: Node) -> None:
    node.append(publication(mid="m1"), publication())
    node.append(publication(mid="m1"))
    node.door.settle(LOST)
    assert node.answered == [["log_unavailable", "log_unavailable"], ["log_unavailable"]]
    node.door.delivered.clear()
    node.append(publication(mid="m1"))
    node.door.settle()
    assert node.answered[2:] == [["k3Fq:1"]]


@pytest.mark.clause("M31")
async def test_a_repeat_of_what_is_still_written_is_answered_then_even_if_the_rest_of_its_append_is_refused(
    node: Node,
) -> None:
    node.append(publication(mid="m1"))
    node.door.refusal = Overloaded("full")
    node.append(publication(mid="m1"), publication(mid="m2"))
    assert node.answered == []
    node.door.settle()
    assert node.answered == [["k3Fq:1"], [("k3Fq:1", "duplicate"), "overloaded"]]


@pytest.mark.clause("M31")
async def test_an_append_of_fresh_and_repeated_waits_for_both(node: Node) -> None:
    node.append(publication(mid="m1"))
    node.append(publication(mid="m1"), publication(mid="m2"))
    first, second = node.door.waiting
    second(None)
    assert node.answered == []
    first(LOST)
    assert node.answered == [["log_unavailable"], ["log_unavailable", "k3Fq:2"]]


async def test_a_batch_that_is_repeated_while_it_is_written_gets_the_first_results(node: Node) -> None:
    node.append(publication(), batch_id="b1")
    node.append(publication(), batch_id="b1")
    node.door.settle()
    node.append(publication(), batch_id="b1")
    assert node.answered == [["k3Fq:1"]] * 3
    assert len(node.door.delivered) == 1


def broken(_results: object) -> None:
    raise RuntimeError("a mistake")


@pytest.mark.clause("M30")
@pytest.mark.parametrize("error", [None, LOST])
async def test_who_makes_a_mistake_over_an_answer_keeps_nobody_else_from_theirs(
    node: Node, error: BrokerError | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Repeats of a `mid` and of a batch hear of the same entry as the first."""
    answer = ["k3Fq:1"] if error is None else ["log_unavailable"]
    node.backplane.append("actions", [publication(mid="m1")], broken)
    node.append(publication(mid="m1"))
    node.door.settle(error)
    assert node.answered == [[("k3Fq:1", "duplicate")] if error is None else answer]
    node.answered.clear()
    node.door.delivered.clear()
    node.backplane.append("actions", [publication()], broken, "b1")
    node.append(publication(), batch_id="b1")
    node.door.settle(error)
    assert node.answered == [answer]
    assert caplog.text.count("RuntimeError: a mistake") == 2


@pytest.mark.clause("M30")
async def test_the_end_waits_for_what_is_written_and_refuses_the_rest(node: Node) -> None:
    node.append(publication())
    ending = asyncio.create_task(node.backplane.stop())
    await asyncio.sleep(0)
    node.append(publication())
    assert (node.answered, ending.done()) == ([["log_unavailable"]], False)
    node.door.settle()
    await ending
    assert node.answered[1:] == [["k3Fq:1"]]


@pytest.mark.clause("M31")
async def test_mids_of_the_last_run_count_as_far_as_their_window_reaches(node: Node) -> None:
    node.append(publication(mid="m1"), publication(), publication(mid="m2"))
    one, none, two = node.door.marks
    assert none is None
    assert one is not None
    assert two is not None
    restarted = Node()
    await restarted.backplane.start(restarted.door.deliver)
    restarted.backplane.recover("actions", [("k3Fq:1", 299.0, one), ("k3Fq:3", 300.0, two)])
    restarted.append(publication(mid="m1"))
    restarted.append(publication(mid="m1", event="other"))
    restarted.append(publication(mid="m2"))
    assert restarted.answered == [[("k3Fq:1", "duplicate")], ["mid_conflict"]]
    assert len(restarted.door.waiting) == 1


@pytest.mark.clause("M31")
async def test_dead_mids_of_the_last_run_take_no_room_from_the_living(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever channel is recovered first, and however many are too old to count."""
    node = Node(MidWindow(most_per_subject=3))
    young = [("k3Fq:9", age, mark_of("ann", f"y{age:g}", b"d" * 16)) for age in (40.0, 30.0)]
    dead = [("k3Fq:1", age, mark_of("ann", f"d{age:g}", b"d" * 16)) for age in (500.0, 400.0, 300.0)]
    node.backplane.recover("actions", young)
    node.backplane.recover("logs", [*dead, ("k3Fq:2", 35.0, mark_of("ann", "y35", b"d" * 16))])
    node.backplane.recover("status", [("k3Fq:3", 299.0, mark_of("ann", "oldest", b"d" * 16))])
    await node.backplane.start(node.door.deliver)
    counted = node.backplane.statistics()
    assert (counted["mids"], counted["mids_forgotten"]) == (3, 1)
    assert "1 mids of the last run had no room" in caplog.text
    node.append(publication(mid="y30"))
    node.append(publication(mid="oldest"))
    node.append(publication(mid="oldest", subject="bob"))
    assert node.answered == [["mid_conflict"], ["overloaded"]]
    assert len(node.door.waiting) == 1
    assert node.backplane.statistics()["mids_refused"] == 1


@pytest.mark.clause("M31")
def test_a_mark_says_where_its_mid_counts() -> None:
    content = digest("e", None, None, b"1")
    for subject in ("ann", "", "s\0x"):
        assert read_mark("logs", mark_of(subject, "m:1", content)) == (MidKey("logs", subject, "m:1"), content)
