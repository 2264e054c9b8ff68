"""Text in, what the SignalSystem says about it out."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from time import perf_counter
from types import coroutine
from typing import Any, Protocol

from channels._native import EmitResult, SignalSystem, encode_text

MAX_WAITING = 1_024
"""Batches of results that wait for one processor; what comes on top is dropped and counted."""

Item = tuple[str, Sequence[float], int, None, Mapping[str, str] | None, bytes | None, None, None]

logger = logging.getLogger(__name__)


class Processor(Protocol):
    """The seam to a graph, a model, a rule engine: hears of results once they are known, and never delays them."""

    async def process(self, results: Sequence[EmitResult]) -> None:
        """`results` of one turn, in the order of their texts. What it raises is logged and counted."""
        ...


class SignalPipeline:
    """Turns lines of text into signals: `encoder` gives the eight numbers, the SignalSystem processes them.

    Calls that run side by side share one native call per turn of the loop. `encoder` is called on the loop's thread and
    returns 8 real numbers (the default knows spelling, not meaning: `channels.encoder`). `user_id`, `chat_id` and
    `metadata` become the signal's tags; the text leaves the process only with `include_text`, as `payload.text`.
    """

    def __init__(
        self,
        core_system: SignalSystem,
        *,
        encoder: Callable[[str], Sequence[float]] | None = None,
        processors: Sequence[Processor] = (),
        event_type: str = "signal.input.text",
        include_text: bool = False,
    ) -> None:
        self._system = core_system
        self._encode = encode_text if encoder is None else _of_floats(encoder)
        self._outlets = [_Outlet(processor) for processor in processors]
        self._event_type = event_type
        self._include_text = include_text
        self._turn = _Turn()
        self._counts = {"texts": 0, "novel": 0, "refused": 0, "batches": 0}
        self._encode_seconds = 0.0
        self._core_seconds = 0.0

    async def process_text(
        self,
        text: str,
        *,
        user_id: str | int | None = None,
        chat_id: str | int | None = None,
        priority: int = 200,
        metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Process one text. -> `processing_result`, `stats`, `event`

        Raises what the encoder raises, `TypeError`, `SignalValueError`, `SignalOverloaded` (nothing was processed), and
        `SignalSystemError`.
        """
        start = perf_counter()
        vector = self._encode(text)
        encode_seconds = perf_counter() - start
        if not isinstance(priority, int):
            raise TypeError(f"priority must be an int, got {type(priority).__name__}")
        tags = _tags(user_id, chat_id, metadata)
        payload = _payload(text) if self._include_text else None
        turn = self._turn
        place = len(turn)
        turn.append((self._event_type, vector, priority, None, tags, payload, None, None))
        await _others()
        if not turn.outcomes:  # the first to come back processes all
            self._process(turn)
        outcome = turn.outcomes[place]
        if not isinstance(outcome, EmitResult):
            raise outcome
        result = outcome.to_dict()
        del result["exact"]
        core_seconds = result["processing_time_us"] / 1e6
        self._encode_seconds += encode_seconds
        self._core_seconds += core_seconds
        return {
            "processing_result": result,
            "stats": {
                "core_time_ms": core_seconds * 1e3,
                "encode_time_ms": encode_seconds * 1e3,
                "total_time_ms": (perf_counter() - start) * 1e3,
            },
            "event": {
                "type": self._event_type,
                "user_id": user_id,
                "chat_id": chat_id,
                "priority": priority,
                "vector": vector,
            },
        }

    def get_stats(self) -> dict[str, Any]:
        """Counters since the start, mean times, what processors did, and the figures of the SignalSystem."""
        texts = max(self._counts["texts"], 1)
        return {
            **self._counts,
            "encode_time_ms": self._encode_seconds / texts * 1e3,
            "core_time_ms": self._core_seconds / texts * 1e3,
            "processors": [outlet.statistics() for outlet in self._outlets],
            "core": self._system.get_stats().to_dict(),
        }

    def _process(self, turn: "_Turn") -> None:
        self._turn = _Turn()
        try:
            turn.outcomes, done, novel = self._system.emit_each(turn)
        except Exception as error:  # noqa: BLE001 - everybody of the turn hears of it, not only who came back first
            turn.outcomes = [error] * len(turn)
            return
        self._counts["batches"] += 1
        self._counts["texts"] += done
        self._counts["novel"] += novel
        self._counts["refused"] += len(turn) - done
        if self._outlets and done:
            results = [outcome for outcome in turn.outcomes if isinstance(outcome, EmitResult)]
            for outlet in self._outlets:
                outlet.feed(results)


@coroutine
def _others() -> Generator[None]:
    """Let everybody go first who is about to run in this turn of the loop (`asyncio.sleep(0)`, without a coroutine)."""
    yield


class _Turn(list[Item]):
    """What is emitted in one turn of the loop, and what became of it."""

    outcomes: Sequence[EmitResult | Exception] = ()


class _Outlet:
    """One processor, fed batch after batch by a task that lives while there is something to feed."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._waiting: deque[Sequence[EmitResult]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._counts = {"processed": 0, "errors": 0, "dropped": 0}

    def feed(self, results: Sequence[EmitResult]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._counts["dropped"] += len(results)
            return
        self._waiting.append(results)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            results = self._waiting.popleft()
            try:
                await self._processor.process(results)
            except Exception:
                self._counts["errors"] += 1
                logger.exception("%s failed over %d results", type(self._processor).__name__, len(results))
            else:
                self._counts["processed"] += len(results)

    def statistics(self) -> dict[str, Any]:
        waiting = sum(map(len, self._waiting))
        return {"processor": type(self._processor).__name__, **self._counts, "waiting": waiting}


def _of_floats(encoder: Callable[[str], Sequence[float]]) -> Callable[[str], list[float]]:
    # Numbers of any kind become floats here, so that a bad one concerns its text alone.
    return lambda text: [float(x) for x in encoder(text)]


def _payload(text: str) -> bytes:
    # A lone surrogate has no UTF-8; what takes its place does no harm.
    return json.dumps({"text": text}, ensure_ascii=False).encode(errors="replace")


def _tags(
    user_id: str | int | None, chat_id: str | int | None, metadata: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    if user_id is None and chat_id is None and not metadata:
        return None
    tags = dict(metadata or {})
    for tag, text in tags.items():
        if not isinstance(tag, str) or not isinstance(text, str):
            raise TypeError(f"metadata must map str to str, got {tag!r}: {text!r}"[:200])
    for name, value in (("user_id", user_id), ("chat_id", chat_id)):
        if value is not None:
            tags[name] = str(value)
    return tags
