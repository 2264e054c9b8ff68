"""The pump before a durable log, which says later what it stored: nothing changes places (C14, M34)."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from channels import SignalPump, SignalSystem, signals
from channels._native import SignalBatch
from channels.backplane import Placed
from channels.errors import LogUnavailable
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
        self.waiting: list[tuple[SignalBatch, Placed]] = []

    def answer(self, batch: SignalBatch, done: Placed) -> None:
        self.waiting.append((batch, done))

    def tell(self, *, most: int = 1_000) -> None:
        """What waits is stored, at most `most` batches of it; where the disk is full all of it has failed."""
        if self.is_full:
            told, self.waiting = self.waiting, []
        else:
            told, self.waiting = self.waiting[:most], self.waiting[most:]
        is_full = self.is_full
        for batch, done in told:
            done(LogUnavailable("no room") if is_full else self.store(batch))

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
    pump = SignalPump(system, disk, first_retry=0.001, last_retry=0.002)
    pump.start()
    emit(system, 5)
    pump.deliver_waiting()
    assert len(disk.waiting) == 5
    disk.is_full = True
    disk.tell()
    emit(system, 5)
    assert pump.statistics()["held"] == 5
    for attempts in (6, 7, 8):
        await disk.was_tried(attempts)
        pump.deliver_waiting()
        assert len(disk.waiting) == 1
        disk.tell()
    disk.is_full = False
    await disk.tell_until(10)
    pump.stop()
    assert disk.token_ids == list(range(1, 11))
    counted = {"batches": 10, "events": 10, "dropped": 0, "lost": 0, "held": 0, "in_flight": 0}
    assert pump.statistics() == counted | {"retries": pump.statistics()["retries"]}


@pytest.mark.clause("C14", "M34")
@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("seed", range(20))
async def test_signals_are_stored_in_their_order_however_the_disk_comes_and_goes(
    system: SignalSystem, seed: int
) -> None:
    random = Random(seed)
    disk = Disk()
    pump = SignalPump(system, disk, first_retry=0.0001, last_retry=0.0002)
    pump.start()
    for _ in range(60):
        emit(system, random.randrange(3))
        if random.random() < 0.3:
            pump.deliver_waiting()
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
    pump = SignalPump(system, disk, first_retry=0.001, last_retry=0.002)
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


@pytest.mark.usefixtures("one_at_a_time")
async def test_a_disk_has_everything_before_the_end_even_while_it_fails(system: SignalSystem) -> None:
    disk = Disk()
    disk.is_full = True
    pump = SignalPump(system, disk, first_retry=10.0)
    pump.start()
    emit(system, 3)
    pump.deliver_waiting()
    disk.tell()
    emit(system, 1)
    pump.stop()
    disk.is_full = False
    disk.tell()
    assert disk.token_ids == [1, 2, 3, 4]
    assert pump.statistics()["lost"] == 0
