"""The pump between the SignalSystem and the log (signals.md 8)."""

import array
import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels import SignalPump, SignalSystem, SignalSystemError, signals
from channels._native import SignalBatch
from channels.errors import LogUnavailable
from channels.publication import Position

VECTOR = [0.5] * 8


class Log:
    """A door whose log keeps what came, and which may be shut."""

    def __init__(self) -> None:
        self.batches: list[SignalBatch] = []
        self.is_shut = False
        self.attempts = 0
        self.changed = asyncio.Event()

    def deliver(
        self, channel: str, batch: SignalBatch, marks: None = None, settled: Callable[..., None] | None = None
    ) -> Position:
        assert channel == "signals"
        self.attempts += 1
        self.changed.set()
        if self.is_shut:
            raise LogUnavailable("shut")
        self.batches.append(batch)
        return Position("epoch", sum(map(len, self.batches)))

    @property
    def token_ids(self) -> list[int]:
        return [json.loads(text)["data"]["token_id"] for batch in self.batches for text in batch.encode()]

    async def has(self, events: int) -> None:
        while sum(map(len, self.batches)) < events:
            await self._change()

    async def was_tried(self, attempts: int) -> None:
        while self.attempts < attempts:
            await self._change()

    async def _change(self) -> None:
        self.changed.clear()
        await asyncio.wait_for(self.changed.wait(), 10)


@pytest.fixture
def system() -> Iterator[SignalSystem]:
    system = SignalSystem()
    yield system
    system.close()


def emit(system: SignalSystem, count: int) -> None:
    system.emit_batch("a", array.array("f", VECTOR * count))


async def test_what_is_emitted_is_delivered_in_order(system: SignalSystem) -> None:
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 3)
    await log.has(3)
    emit(system, 2)
    await log.has(5)
    pump.stop()
    assert log.token_ids == [1, 2, 3, 4, 5]
    assert pump.statistics() == {"batches": 2, "events": 5, "dropped": 0, "retries": 0, "lost": 0, "held": 0}


async def test_other_work_of_the_loop_has_its_turn_between_two_batches(
    system: SignalSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "MAX_EVENTS", 10)
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 100)
    seen = []
    while len(log.batches) < 10:
        seen.append(len(log.batches))
        await asyncio.sleep(0)
    pump.stop()
    assert [len(batch) for batch in log.batches] == [10] * 10
    assert set(range(10)) <= set(seen)


@pytest.mark.clause("M34")
async def test_what_the_log_does_not_take_is_kept_and_tried_again(system: SignalSystem) -> None:
    log = Log()
    log.is_shut = True
    pump = SignalPump(system, log, first_retry=0.001, last_retry=0.002)
    pump.start()
    emit(system, 3)
    await log.was_tried(3)
    emit(system, 2)
    assert (pump.statistics()["held"], system.get_stats().queue_depth) == (3, 2)
    log.is_shut = False
    await log.has(5)
    pump.stop()
    assert log.token_ids == [1, 2, 3, 4, 5]
    assert pump.statistics()["held"] == 0
    assert pump.statistics()["retries"] >= 3


@pytest.mark.clause("M35")
async def test_what_waits_can_be_delivered_at_once_and_has_its_position(system: SignalSystem) -> None:
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 3)
    [(batch, last)] = pump.deliver_waiting()
    assert (last, len(batch), batch.index_of(2)) == (Position("epoch", 3), 3, 1)
    assert list(pump.deliver_waiting()) == []
    pump.stop()


@pytest.mark.clause("M35")
async def test_who_wants_to_know_hears_of_each_batch_once_the_log_has_taken_it(system: SignalSystem) -> None:
    log = Log()
    log.is_shut = True
    pump = SignalPump(system, log, first_retry=0.001, last_retry=0.002)
    placed: list[tuple[int, Position]] = []
    pump.on_placed = lambda batch, last: placed.append((len(batch), last))
    pump.start()
    emit(system, 3)
    await log.was_tried(2)
    assert placed == []
    log.is_shut = False
    await log.has(3)
    pump.stop()
    assert placed == [(3, Position("epoch", 3))]


async def test_what_still_waits_at_the_end_is_delivered(system: SignalSystem) -> None:
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 3)
    pump.stop()
    pump.stop()
    assert log.token_ids == [1, 2, 3]


async def test_what_the_log_does_not_take_at_the_end_is_lost_and_counted(
    system: SignalSystem, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log()
    log.is_shut = True
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 3)
    pump.stop()
    assert pump.statistics()["lost"] == 3
    assert "3 events are lost" in caplog.text


async def test_what_was_dropped_is_counted() -> None:
    system = SignalSystem(queue_size=64, overflow="drop_oldest")
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 70)
    pump.stop()
    assert (pump.statistics()["dropped"], pump.statistics()["events"]) == (6, 65)


async def test_a_failed_system_ends_the_pump_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    failed = asyncio.Event()

    class Failed(_Forwarding):
        def take_batch(self, _: int) -> None:
            failed.set()
            raise SignalSystemError("the SignalSystem failed earlier")

    system = SignalSystem()
    pump = SignalPump(Failed(system), Log())  # type: ignore[arg-type]
    pump.start()
    emit(system, 1)
    await asyncio.wait_for(failed.wait(), 10)
    await asyncio.sleep(0)
    assert pump.failure == "the SignalSystem failed earlier"
    assert "no more signals are delivered" in caplog.text
    pump.stop()


class _Forwarding:
    """A SignalSystem (which cannot be subclassed) with one call replaced."""

    def __init__(self, system: SignalSystem) -> None:
        self._system = system

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_one_wake_up_serves_a_burst_on_either_loop(system: SignalSystem) -> None:
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    for _ in range(1_000):
        system.emit("a", VECTOR)
    await log.has(1_000)
    pump.stop()
    assert [len(batch) for batch in log.batches] == [1_000]
