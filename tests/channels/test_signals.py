"""The pump between the SignalSystem and the log (signals.md 8)."""

import array
import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from channels import SignalPump, SignalSystem, SignalSystemError, signals
from channels._native import SignalBatch
from channels.backplane import Placed
from channels.errors import BrokerError, LogUnavailable, OutcomeUnknown
from channels.publication import Position

VECTOR = [0.5] * 8


class Log:
    """A door whose log keeps what came, and which may be shut."""

    def __init__(self) -> None:
        self.batches: list[SignalBatch] = []
        self.is_shut = False
        self.attempts = 0
        self.changed = asyncio.Event()
        self.max_signals = 1_000_000

    def append_signals(self, channel: str, batch: SignalBatch, done: Placed) -> None:
        assert channel == "signals"
        self.attempts += 1
        self.changed.set()
        self.answer(batch, done)

    def answer(self, batch: SignalBatch, done: Placed) -> None:
        done(LogUnavailable("shut") if self.is_shut else self.store(batch))

    def store(self, batch: SignalBatch) -> Position:
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
    assert pump.statistics() == {
        "batches": 2,
        "events": 5,
        "dropped": 0,
        "retries": 0,
        "lost": 0,
        "held": 0,
        "in_flight": 0,
    }


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
async def test_what_waits_can_be_handed_over_at_once(system: SignalSystem) -> None:
    log = Log()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 3)
    pump.deliver_waiting()
    assert log.token_ids == [1, 2, 3]
    pump.deliver_waiting()
    pump.stop()
    assert log.attempts == 1


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
    assert "3 events are lost: shut" in caplog.text


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


class SlowLog(Log):
    """A log whose store is elsewhere: it answers when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[SignalBatch, Placed]] = []
        self.max_signals = 2

    def answer(self, batch: SignalBatch, done: Placed) -> None:
        self.waiting.append((batch, done))

    def settle(self, error: BrokerError | None = None) -> None:
        batch, done = self.waiting.pop(0)
        done(self.store(batch) if error is None else error)


@pytest.mark.clause("N2", "M35")
async def test_batches_are_no_larger_than_the_store_takes_and_told_when_they_are_stored(system: SignalSystem) -> None:
    log = SlowLog()
    pump = SignalPump(system, log)
    placed: list[Position] = []
    pump.on_placed = lambda _, last: placed.append(last)
    pump.start()
    emit(system, 5)
    pump.deliver_waiting()
    assert ([len(batch) for batch, _ in log.waiting], placed) == ([2, 2, 1], [])
    assert pump.statistics()["in_flight"] == 5
    for _ in range(3):
        log.settle()
    pump.stop()
    assert [position.offset for position in placed] == [2, 4, 5]
    assert (log.token_ids, pump.statistics()["in_flight"]) == ([1, 2, 3, 4, 5], 0)


@pytest.mark.clause("M34", "C14")
async def test_while_something_is_on_its_way_the_rest_stays_where_it_can_be_refused(system: SignalSystem) -> None:
    log = SlowLog()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 5)
    for attempts, left in ((1, 3), (2, 1), (3, 0)):
        await log.was_tried(attempts)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (log.attempts, system.get_stats().queue_depth) == (attempts, left)
        log.settle()
    pump.stop()
    assert log.token_ids == [1, 2, 3, 4, 5]


@pytest.mark.clause("M34", "N11")
async def test_what_the_store_refuses_is_given_again_in_its_order(system: SignalSystem) -> None:
    log = SlowLog()
    pump = SignalPump(system, log, first_retry=0.001, last_retry=0.002)
    refused: list[str] = []
    pump.on_refused = lambda _, error: refused.append(error.error)
    pump.start()
    emit(system, 5)
    pump.deliver_waiting()
    for _ in range(3):
        log.settle(LogUnavailable("away"))
    assert (pump.statistics()["held"], pump.is_flowing) == (5, False)
    attempts = log.attempts
    for number in range(3):
        await log.was_tried(attempts + number + 1)
        assert len(log.waiting) == 1
        log.settle()
    assert (log.token_ids, refused) == ([1, 2, 3, 4, 5], ["log_unavailable"] * 3)
    assert (pump.statistics()["held"], pump.is_flowing) == (0, True)
    pump.stop()


@pytest.mark.clause("M34", "N11")
async def test_what_is_on_its_way_while_an_older_one_is_held_keeps_nobody_waiting_for_ever(
    system: SignalSystem,
) -> None:
    log = SlowLog()
    pump = SignalPump(system, log, first_retry=0.001, last_retry=0.002)
    pump.start()
    emit(system, 4)
    pump.deliver_waiting()
    log.settle(LogUnavailable("away"))
    await asyncio.sleep(0.01)
    log.settle()
    await log.was_tried(3)
    log.settle()
    pump.stop()
    assert sorted(log.token_ids) == [1, 2, 3, 4]


@pytest.mark.clause("E3", "M34")
async def test_what_may_have_been_stored_is_not_given_again(
    system: SignalSystem, caplog: pytest.LogCaptureFixture
) -> None:
    log = SlowLog()
    pump = SignalPump(system, log)
    pump.start()
    emit(system, 2)
    pump.deliver_waiting()
    log.settle(OutcomeUnknown("the answer was lost"))
    assert (pump.statistics()["lost"], pump.is_flowing, log.waiting) == (2, True, [])
    assert "2 events are lost: the answer was lost" in caplog.text
    pump.stop()


@pytest.mark.clause("N14")
async def test_at_the_end_everything_is_handed_over_and_what_is_refused_then_is_lost(system: SignalSystem) -> None:
    log = SlowLog()
    pump = SignalPump(system, log, first_retry=60.0)
    pump.start()
    emit(system, 4)
    pump.deliver_waiting()
    log.settle(LogUnavailable("away"))
    emit(system, 1)
    pump.stop()
    assert [len(batch) for batch, _ in log.waiting] == [2, 2, 1]
    log.settle()
    log.settle(LogUnavailable("stopped"))
    log.settle()
    assert (pump.statistics()["lost"], pump.statistics()["held"]) == (2, 0)
