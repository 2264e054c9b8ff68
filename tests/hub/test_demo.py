"""hub/demo.py: where the demo's lines come from."""

import asyncio
import io
import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from channels import SignalSystem
from hub import demo
from hub.demo import PHRASES, Demo, Lines, line_of


def test_there_are_a_thousand_phrases_and_no_two_are_alike() -> None:
    assert len(PHRASES) == len(set(PHRASES)) == 1_000


def test_a_log_record_is_said_in_words() -> None:
    assert line_of({"event": "auth.refused", "reason": "token_expired", "ts": 1.0}) == "auth.refused token_expired"


def test_an_anomaly_is_a_line_that_is_no_phrase() -> None:
    rare, common = Demo(chance=itertools.cycle([0.0, 0.5]).__next__), Demo(chance=itertools.repeat(0.5).__next__)
    line, is_anomaly = rare._phrase()
    assert is_anomaly
    assert line not in PHRASES
    assert common._phrase() == (PHRASES[500], False)


async def test_a_source_that_is_faster_than_the_core_loses_lines_and_a_pipe_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "MAX_LINES", 2)
    lines = Lines(asyncio.get_running_loop())
    for text in ("a", "b", "c"):
        lines.offer(text)
    piped = asyncio.create_task(asyncio.to_thread(lines.put, None))
    assert [line async for line in lines] == ["a", "b"]
    await piped


@pytest.mark.accept("J6", "J7", "K8")
async def test_every_kind_of_line_becomes_a_signal() -> None:
    system = SignalSystem()
    hub: Any = SimpleNamespace(signals=system, log_listeners=[])
    bots = asyncio.create_task(Demo(1_000.0, source=io.StringIO("one\n\n  two  \n")).run(hub))
    while system.get_stats().emits < 100:
        await asyncio.sleep(0)
        if hub.log_listeners:
            hub.log_listeners[0]({"event": "hub.started"})
        assert not bots.done()
    bots.cancel()
    await asyncio.gather(bots, return_exceptions=True)
    system.close()
