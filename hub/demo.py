"""The live demo of `neurograph-hub demo`: bots that turn lines of text into signals, in the hub's own process.

Where the lines come from: the hub's own log, standard input if something is piped into it, and phrases about a made-up
fleet of machines. Every line takes the way of a bot's: text, encoder, SignalSystem, channel `signals`.
"""

import asyncio
import random
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import product
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from channels import SignalPipeline
from channels._native import SignalOverloaded

if TYPE_CHECKING:
    from hub.hub import Hub

TICK = 0.05
"""Seconds between two handfuls of phrases."""
MAX_LINES = 1_000
"""Lines of a source that wait for the SignalSystem; a log that is faster loses lines, a pipe waits."""
ANOMALY = 1 / 250
PRIORITY, ANOMALY_PRIORITY = 120, 220

_MACHINES = [f"{kind}{number}" for kind in ("db", "web", "cache", "queue", "edge") for number in range(1, 9)]
_CONDITIONS = [
    f"{part} {state}"
    for part in ("disk", "memory", "network", "login", "backup")
    for state in ("is fine", "is slow", "is full", "failed once", "recovered")
]
PHRASES = [f"{machine} {condition}" for machine, condition in product(_MACHINES, _CONDITIONS)]
"""1,000 of them. The space around them is soon known, so that what nobody has said before stands out as novel."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

log = structlog.get_logger("hub.demo")


class Lines:
    """A bounded queue of lines, filled from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_LINES)

    def offer(self, line: str) -> None:
        """Take a line if there is room; on the loop."""
        if not self._queue.full():
            self._queue.put_nowait(line)

    def put(self, line: str | None) -> None:
        """Take a line, waiting for room; from another thread. None ends the source."""
        asyncio.run_coroutine_threadsafe(self._queue.put(line), self._loop).result()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._queue.get()) is not None:
            yield line


class Demo:
    """A companion of the hub: runs while it runs."""

    def __init__(
        self, rate: float = 200.0, *, source: TextIO | None = None, chance: Callable[[], float] = random.random
    ) -> None:
        self.rate = rate
        self.description = f"3 bots, {rate:g} signals/s"
        self._source = source if source is not None else _piped_input()
        self._chance = chance

    async def run(self, hub: "Hub") -> None:
        """Emit until cancelled."""
        pipeline = SignalPipeline(core_system=hub.signals, include_text=True)
        async with asyncio.TaskGroup() as bots:
            bots.create_task(self._log_bot(hub, pipeline))
            for name in ("fleet-1", "fleet-2"):
                bots.create_task(self._phrase_bot(pipeline, name, self.rate / 2))
            if self._source is not None:
                bots.create_task(self._input_bot(pipeline, self._source))

    async def _log_bot(self, hub: "Hub", pipeline: SignalPipeline) -> None:
        lines = Lines(asyncio.get_running_loop())
        hub.log_listeners.append(lambda record: lines.offer(line_of(record)))
        async for line in lines:
            await _emit(pipeline, [line], "log-bot", PRIORITY)

    async def _input_bot(self, pipeline: SignalPipeline, source: TextIO) -> None:
        lines = Lines(asyncio.get_running_loop())
        threading.Thread(target=_read, args=(source, lines), name="demo input", daemon=True).start()
        async for line in lines:
            await _emit(pipeline, [line], "input-bot", PRIORITY)

    async def _phrase_bot(self, pipeline: SignalPipeline, name: str, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due, started = 0, loop.time()
        while True:
            await asyncio.sleep(TICK)
            owed = int((loop.time() - started) * rate) - due
            due += owed
            lines = [self._phrase() for _ in range(min(owed, int(rate) + 1))]
            ordinary = [line for line, is_anomaly in lines if not is_anomaly]
            await _emit(pipeline, ordinary, name, PRIORITY)
            await _emit(pipeline, [line for line, is_anomaly in lines if is_anomaly], name, ANOMALY_PRIORITY)

    def _phrase(self) -> tuple[str, bool]:
        """A line, and whether it is one that nobody has said before."""
        if self._chance() >= ANOMALY:
            return PHRASES[int(self._chance() * len(PHRASES))], False
        words = ("".join(_LETTERS[int(self._chance() * 26)] for _ in range(8)) for _ in range(3))
        return " ".join(words), True


def line_of(record: dict[str, Any]) -> str:
    """What a log record says, as a line of words."""
    words = [str(record.get(name, "")) for name in ("event", "reason", "path", "role")]
    return " ".join(word for word in words if word)


async def _emit(pipeline: SignalPipeline, lines: Iterable[str], bot: str, priority: int) -> None:
    """Lines of one turn share one batch; a core that is full loses the demo's lines, not the demo."""
    results = await asyncio.gather(
        *(pipeline.process_text(line, user_id=bot, priority=priority) for line in lines), return_exceptions=True
    )
    for result in results:
        if isinstance(result, SignalOverloaded):
            log.warning("demo.overloaded", bot=bot)
        elif isinstance(result, BaseException):
            raise result


def _piped_input() -> TextIO | None:
    return None if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty() else sys.stdin


def _read(source: TextIO, lines: Lines) -> None:
    try:
        for line in source:
            if text := line.strip():
                lines.put(text[:4_096])
        lines.put(None)
    except (OSError, ValueError, RuntimeError):
        return  # the input or the loop is gone: there is nobody to tell
