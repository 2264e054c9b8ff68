"""`ng-ws emit --batch`: many signals from a file, as few messages as the hub takes them in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from math import isfinite
from pathlib import Path
from typing import Any

from neurograph_ws_client import Emitted, NeurographWSClient, encode_text

from . import npy
from .emit import DIMENSIONS, Emitting, payload_of, priority_of, tell
from .exits import Exit, Failed
from .hub import connected
from .notes import Notes
from .settings import Settings

_MEMBERS = ("vector", "text", "event_type", "priority", "payload", "key", "tags")
_EXPECTED = f"an array of {DIMENSIONS} numbers, a text, or an object of {', '.join(_MEMBERS)}"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of a batch; those that share all but the vector go in one message."""

    vector: list[float]
    event_type: str
    priority: int
    payload: Any = None
    key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def shared(self) -> str:
        """All but the vector, comparable."""
        return json.dumps([self.event_type, self.priority, self.payload, self.key, dict(self.tags)], sort_keys=True)


async def emit_file(settings: Settings, options: Emitting, path: Path) -> None:
    """Emit every signal of the file, in its order; a mistake ends it there, and how many went before is told."""
    parts = _parts(options, path)
    first = next(parts, [])  # read before anything is connected
    notes = Notes(settings)
    counts = {"sent": 0, "new": 0}
    try:
        async with connected(settings, notes) as client:
            for part in chain([first], parts):
                for _, group in groupby(part, key=lambda signal: signal.shared):
                    for result in await _emit(client, list(group)):
                        tell(settings, result)
                        counts["sent"] += 1
                        counts["new"] += result.is_novel
    finally:
        notes.say(f"{counts['sent']} signal{'' if counts['sent'] == 1 else 's'} emitted, {counts['new']} of them new")


async def _emit(client: NeurographWSClient, signals: list[Signal]) -> list[Emitted]:
    like = signals[0]
    return await client.emit_batch(
        like.event_type,
        [signal.vector for signal in signals],
        priority=like.priority,
        payload=like.payload,
        key=like.key,
        tags=like.tags or None,
        retry=True,
    )


def _parts(options: Emitting, path: Path) -> Iterator[list[Signal]]:
    if path.suffix == ".npy":
        priority = priority_of(options, is_text=False)
        for rows in npy.rows(path):
            yield [Signal(row, options.event_type, priority, options.payload, None, options.tags) for row in rows]
        return
    part: list[Signal] = []
    for number, line in _lines(path):
        part.append(_signal(options, path, number, line))
        if len(part) == npy.ROWS:
            yield part
            part = []
    if part:
        yield part


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "not UTF-8"
        raise Failed(Exit.USAGE, f"--batch: expected a readable file, got {path}: {reason}") from fault


def _signal(options: Emitting, path: Path, number: int, line: str) -> Signal:
    try:
        found = json.loads(line)
    except ValueError as fault:
        raise _wrong(path, number, _EXPECTED, line) from fault
    about: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    text = found if isinstance(found, str) else about.get("text")
    vector = found if isinstance(found, list) else about.get("vector")
    unknown = [name for name in about if name not in _MEMBERS]
    if unknown or (text is None) == (vector is None) or not isinstance(text, str | None):
        raise _wrong(path, number, f"{_EXPECTED}; either vector or text", line)
    numbers = encode_text(text) if text is not None else _numbers(vector)
    if numbers is None:
        raise _wrong(path, number, f"{DIMENSIONS} numbers", json.dumps(vector))
    priority = about.get("priority", priority_of(options, is_text=text is not None))
    if type(priority) is not int or not 0 <= priority <= 255:
        raise _wrong(path, number, "a priority of 0 to 255", json.dumps(priority))
    given = about.get("payload", options.payload)
    return Signal(
        numbers,
        str(about.get("event_type", options.event_type)),
        priority,
        payload_of(given, text, takes_text_along=options.takes_text_along),
        about.get("key"),
        {**options.tags, **(about.get("tags") or {})},
    )


def _numbers(value: Any) -> list[float] | None:
    is_vector = isinstance(value, list) and len(value) == DIMENSIONS
    if not is_vector or not all(type(one) in (int, float) and isfinite(one) for one in value):
        return None
    return [float(one) for one in value]


def _wrong(path: Path, number: int, expected: str, came: str) -> Failed:
    return Failed(Exit.USAGE, f"--batch {path}:{number}: expected {expected}, got {came.strip():.80}")
