"""`ng-ws emit`: ask the SignalSystem; the answer shows token, novelty and neighbours."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field

from neurograph_ws_client import Emitted, NeurographWSClient, encode_text

from .exits import Exit, Failed, misused
from .hub import connected
from .lines import stdin_lines
from .notes import Notes
from .publish import value_of
from .render import object_line
from .settings import Format, Settings
from .signal_text import signal_line
from .stdout import put

_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Emitting:
    """The options of `emit`; `signal` is 8 numbers, else text, and `-` every line of stdin."""

    event_type: str
    signal: str
    priority: int | None = None
    payload: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def vector_of(text: str) -> list[float] | None:
    """8 numbers, as a JSON array or between commas; None where it is a text."""
    numbers = _numbers(text)
    if numbers is not None and len(numbers) != _DIMENSIONS:
        raise Failed(Exit.USAGE, f"vector: expected {_DIMENSIONS} numbers, got {len(numbers)}: {text:.80}")
    return numbers


def _numbers(text: str) -> list[float] | None:
    if "," not in text and not text.startswith("["):
        return None
    try:
        values = json.loads(text if text.startswith("[") else f"[{text}]")
    except ValueError:
        return None
    is_numbers = isinstance(values, list) and all(isinstance(one, int | float) for one in values)
    return [float(one) for one in values] if is_numbers else None


async def emit(settings: Settings, options: Emitting) -> None:
    """Emit one signal, or one per line of stdin."""
    if options.priority is not None and not 0 <= options.priority <= 255:
        raise misused("--priority", "0 to 255", options.priority)
    async with connected(settings, Notes(settings)) as client:
        async for text in _texts(options):
            _tell(settings, await _emit_one(client, options, text))


async def _texts(options: Emitting) -> AsyncIterator[str]:
    if options.signal != "-":
        yield options.signal
        return
    async for line in stdin_lines():
        yield line


async def _emit_one(client: NeurographWSClient, options: Emitting, text: str) -> Emitted:
    vector = vector_of(text)
    # The documents' defaults: a text is more urgent than a bare vector.
    priority = options.priority if options.priority is not None else (200 if vector is None else 128)
    return await client.emit(
        options.event_type,
        encode_text(text) if vector is None else vector,
        priority=priority,
        payload=value_of(options.payload),
        tags=options.tags or None,
        retry=True,
    )


def _tell(settings: Settings, emitted: Emitted) -> None:
    if settings.format is Format.JSON:
        line = object_line({name: value for name, value in asdict(emitted).items() if value is not None})
    else:
        neighbors = [asdict(one) for one in emitted.neighbors]
        line = f"{signal_line(emitted.token_id, neighbors, is_novel=emitted.is_novel)}\n".encode()
    put(line)
