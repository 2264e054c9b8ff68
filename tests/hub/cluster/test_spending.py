"""A subject has one bucket over all nodes, as far as 0.2 s allow (L24)."""

import asyncio
from typing import Any

import pytest

from channels.buckets import Rate, SubjectBuckets
from hub.cluster.spending import Spending
from hub.counters import Counters
from tests.support.bus import Wire, WireBus
from tests.support.town import until

RATE = Rate(10, 1)


class Node:
    def __init__(self, wire: Wire, name: str) -> None:
        self.now = 100.0
        self.counters = Counters()
        self.bus: WireBus = wire.bus(name)
        self.subjects = SubjectBuckets({"publish": RATE})
        self.spending = Spending(self.bus, self.subjects, self.counters, monotonic=lambda: self.now)

    def take(self, cost: float, subject: str = "ann") -> float:
        bucket = self.subjects.bucket(subject, "publish", self.now)
        assert bucket is not None
        return bucket.take(cost, self.now)

    def level(self, subject: str = "ann") -> float:
        bucket = self.subjects.bucket(subject, "publish", self.now)
        assert bucket is not None
        return bucket.level(self.now)


@pytest.fixture
def nodes() -> tuple[Node, Node]:
    wire = Wire()
    return Node(wire, "n1"), Node(wire, "n2")


@pytest.mark.clause("L24")
async def test_what_was_paid_on_one_node_is_missing_on_the_other(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    assert [one.take(3.0), one.take(4.0)] == [0.0, 0.0]
    one.take(2.0, subject="bob")
    one.spending.tell()
    await until(lambda: two.level() == 3.0)
    assert (two.level("bob"), two.take(4.0)) == (8.0, 1.0)
    assert one.bus.messages == [("spent", {"spent": [["ann", "publish", 7.0], ["bob", "publish", 2.0]]})]


@pytest.mark.clause("L24")
async def test_what_two_nodes_granted_at_once_is_paid_back_before_anything_more(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    assert (one.take(10.0), two.take(10.0)) == (0.0, 0.0)
    one.spending.tell()
    two.spending.tell()
    await until(lambda: one.level() == two.level() == -10.0)
    assert one.take(1.0) == 11.0
    one.now += 11.0
    assert one.take(1.0) == 0.0


@pytest.mark.clause("L24")
async def test_what_five_nodes_granted_at_once_is_paid_back_whole() -> None:
    """Else who comes to all of them at once, again and again, has half as many rates as there are nodes."""
    wire = Wire()
    nodes = [Node(wire, f"n{number}") for number in range(5)]
    start, granted = nodes[0].now, 0.0
    for _ in range(10):
        for node in nodes:
            while node.take(1.0) == 0.0:
                granted += 1.0
        for node in nodes:
            node.spending.tell()
        await turn()
        wait = -min(node.level() for node in nodes) + RATE.capacity
        for node in nodes:
            node.now += wait / RATE.refill
    assert granted <= RATE.capacity * len(nodes) + RATE.refill * (nodes[0].now - start)


async def turn() -> None:
    """What was paid is told, and heard."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.clause("L24")
async def test_who_pays_much_is_told_of_at_once_and_has_a_quarter_too_much_for_each_further_node() -> None:
    """Nothing rings here: without that, it would be one capacity for each."""
    wire = Wire()
    nodes = [Node(wire, f"n{number}") for number in range(5)]
    granted = 0
    for _ in range(2 * int(RATE.capacity)):
        for node in nodes:
            granted += node.take(1.0) == 0.0
        await turn()
    quarter = RATE.capacity / 4 + 1  # what is paid in one turn goes along
    assert granted <= RATE.capacity + quarter * (len(nodes) - 1)
    assert granted >= RATE.capacity


@pytest.mark.clause("L24")
async def test_who_pays_little_is_told_of_with_the_others(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    one.take(2.0)
    one.take(2.0, subject="bob")
    await turn()
    assert one.bus.messages == []
    one.take(1.0)
    one.take(1.0)
    await turn()
    assert one.bus.messages == [("spent", {"spent": [["ann", "publish", 4.0], ["bob", "publish", 2.0]]})]


@pytest.mark.clause("L24")
async def test_over_time_a_subject_gets_its_rate_once() -> None:
    wire = Wire()
    nodes = [Node(wire, f"n{number}") for number in range(3)]
    granted = 0
    for step in range(500):
        for node in nodes:
            node.now = 100.0 + step * 0.2
            granted += node.take(1.0) == 0.0
        for node in nodes:
            node.spending.tell()
        await asyncio.sleep(0)  # the wire takes one turn
    assert granted <= RATE.capacity * len(nodes) + RATE.refill * 100.0
    assert granted >= RATE.capacity + RATE.refill * 90.0


@pytest.mark.clause("L24")
async def test_what_has_no_name_and_what_nobody_hears_is_not_told(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.take(1.0, subject="\x00192.0.2.1")
    one.spending.tell()
    two.bus.is_cut = True
    one.take(1.0)
    one.spending.tell()
    assert one.bus.messages == []


@pytest.mark.clause("N17")
@pytest.mark.parametrize("spent", [None, [["ann", "publish"]], [["ann", "publish", -1]], [[1, "publish", 1]], ["ann"]])
async def test_what_cannot_be_read_is_dropped_and_counted(nodes: tuple[Node, Node], spent: Any) -> None:
    one, two = nodes
    one.bus.tell("spent", {"spent": spent})
    await until(lambda: two.counters.values["errors"]["bus", "unreadable"] == 1)
    assert two.level() == 10.0


async def test_a_bucket_that_nobody_has_is_ignored(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.bus.tell("spent", {"spent": [["ann", "cake", 5], ["ann", "publish", 5]]})
    await until(lambda: two.level() == 5.0)
    assert two.counters.values["errors"] == {}


async def test_it_is_told_by_itself(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.spending.start()
    one.take(5.0)
    await until(lambda: two.level() == 5.0)
    one.spending.stop()
