"""hub/reporters/loop_lag.py: how late the event loop is."""

import asyncio
import time

import pytest

from hub.reporters import loop_lag
from hub.reporters.loop_lag import KEPT, Lag, LoopLag


def test_without_samples_the_loop_is_on_time() -> None:
    assert LoopLag().figures() == Lag(0.0, 0.0, 0.0)


def test_figures_are_of_the_last_minute_and_the_histogram_of_all() -> None:
    lag = LoopLag()
    for _ in range(KEPT):
        lag.record(4.0)
    for late in [0.002] * (KEPT - 10) + [0.3] * 10:
        lag.record(late)
    assert lag.figures() == Lag(0.002, 0.3, 0.3)
    assert sum(lag.histogram.counts) == 2 * KEPT


def test_a_timer_that_is_early_is_not_late() -> None:
    lag = LoopLag()
    lag.record(-0.5)
    assert lag.figures().worst == 0.0


async def test_a_loop_that_was_held_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "INTERVAL", 0.005)
    lag = LoopLag()
    sampled = asyncio.Event()
    record = lag.record

    def noticed(late: float) -> None:
        record(late)
        sampled.set()

    monkeypatch.setattr(lag, "record", noticed)
    lag.start()
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is held on purpose: that is what is measured
    await asyncio.wait_for(sampled.wait(), 5)
    lag.stop()
    assert lag.figures().worst >= 0.04
