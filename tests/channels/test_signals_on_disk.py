"""The pump before a durable log, which says later what it stored: nothing changes places (C14, M34)."""

import asyncio
from collections.abc import Callable, Iterator
from random import Random

import pytest

from channels import SignalPump, SignalSystem, signals
from channels._native import SignalBatch
from channels.errors import LogUnavailable
from channels.publication import Position
from tests.channels.test_signals import Log, emit


@pytest.fixture
def system() -> Iterator[SignalSystem]:
    system = SignalSystem()
    yield system
    system.close()


class Disk(Log):
    """A durable log: places at once, and says what became of it when the test lets it (`tell`).

    A write that fails takes back the places of everything that waits by then, as the writer of the plane does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.waiting: list[tuple[SignalBatch, Callable[..., None]]] = []

    def deliver(
        self, channel: str, batch: SignalBatch, marks: None = None, settled: Callable[..., None] | None = None
    ) -> Position:
        assert settled is not None
        self.attempts += 1
        self.changed.set()
        self.waiting.append((batch, settled))
        return Position("epoch", sum(map(len, [*self.batches, *(one for one, _ in self.waiting)])))

    def tell(self, *, most: int = 1_000) -> None:
        """What waits is stored, at most `most` batches of it; where the disk is full all of it has failed."""
        if self.is_full:
            told, self.waiting = self.waiting, []
        else:
            told, self.waiting = self.waiting[:most], self.waiting[most:]
            self.batches += [batch for batch, _ in told]
        for _, settled in told:
            settled(LogUnavailable("no room") if self.is_full else None)

    async def tell_until(self, events: int) -> None:
        """The disk does its work between turns of the loop, until so much is stored."""
        async with asyncio.timeout(10):
            while sum(map(len, self.batches)) < events:
                self.tell()
                await asyncio.sleep(0)


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MAX_EVENTS", 1)


@pytest.mark.clause("C14", "M34")
@pytest.mark.usefixtures("one_at_a_time")
async def test_many_batches_that_a_disk_could_not_store_keep_their_order(system: SignalSystem) -> None:
    """However often it fails, and however many were on their way at once."""
    disk = Disk()
    pump = SignalPump(system, disk, is_durable=True, first_retry=0.001, last_retry=0.002)
    pump.start()
    emit(system, 5)
    assert len(list(pump.deliver_waiting())) == 5
    disk.is_full = True
    disk.tell()
    emit(system, 5)
    assert pump.statistics()["held"] == 5
    for attempts in (6, 7, 8):
        await disk.was_tried(attempts)
        assert list(pump.deliver_waiting()) == []
        disk.tell()
    disk.is_full = False
    await disk.tell_until(10)
    pump.stop()
    assert disk.token_ids == list(range(1, 11))
    counted = {"batches": 10, "events": 10, "dropped": 0, "lost": 0, "held": 0}
    assert pump.statistics() == counted | {"retries": pump.statistics()["retries"]}


@pytest.mark.clause("C14", "M34")
@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("seed", range(20))
async def test_signals_are_stored_in_their_order_however_the_disk_comes_and_goes(
    system: SignalSystem, seed: int
) -> None:
    random = Random(seed)
    disk = Disk()
    pump = SignalPump(system, disk, is_durable=True, first_retry=0.0001, last_retry=0.0002)
    pump.start()
    for _ in range(60):
        emit(system, random.randrange(3))
        if random.random() < 0.3:
            list(pump.deliver_waiting())
        disk.is_full = random.random() < 0.5
        disk.tell(most=random.randrange(1, 4))
        await asyncio.sleep(random.choice((0, 0, 0.0003)))
    disk.is_full = False
    count = system.get_stats().published
    await disk.tell_until(count)
    pump.stop()
    assert disk.token_ids == list(range(1, count + 1))


@pytest.mark.clause("C14", "M34")
@pytest.mark.usefixtures("one_at_a_time")
async def test_what_comes_between_a_failure_and_its_news_is_not_stored_before_what_failed(system: SignalSystem) -> None:
    """The loop has turns before it hears of the failure, and the disk has room again by then."""
    disk = Disk()
    pump = SignalPump(system, disk, is_durable=True, first_retry=0.001, last_retry=0.002)
    pump.start()
    emit(system, 1)
    await disk.was_tried(1)
    [(_, failed)], disk.waiting = disk.waiting, []
    emit(system, 2)
    for _ in range(5):
        await asyncio.sleep(0)
    failed(LogUnavailable("no room"))
    await disk.tell_until(3)
    pump.stop()
    assert disk.token_ids == [1, 2, 3]


async def test_who_makes_a_mistake_over_a_batch_that_is_stored_keeps_nobody_else_from_hearing(
    system: SignalSystem,
) -> None:
    def broken(_error: object) -> None:
        raise RuntimeError("a mistake")

    disk = Disk()
    pump = SignalPump(system, disk, is_durable=True)
    pump.start()
    emit(system, 1)
    [(batch, _)] = pump.deliver_waiting()
    heard: list[object] = []
    assert pump.when_settled(batch, broken)
    assert pump.when_settled(batch, heard.append)
    disk.tell()
    pump.stop()
    assert heard == [None]


@pytest.mark.usefixtures("one_at_a_time")
async def test_a_disk_has_everything_before_the_end_even_while_it_fails(system: SignalSystem) -> None:
    disk = Disk()
    disk.is_full = True
    pump = SignalPump(system, disk, is_durable=True, first_retry=10.0)
    pump.start()
    emit(system, 3)
    list(pump.deliver_waiting())
    disk.tell()
    emit(system, 1)
    pump.stop()
    disk.is_full = False
    disk.tell()
    assert disk.token_ids == [1, 2, 3, 4]
    assert pump.statistics()["lost"] == 0
