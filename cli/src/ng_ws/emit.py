"""`ng-ws emit`: ask the SignalSystem; the answer shows token, novelty and neighbours."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from neurograph_ws_client import Emitted, NeurographWSClient, encode_text

from .exits import Exit, Failed, misused
from .hub import connected
from .lines import stdin_lines
from .notes import Notes
from .render import object_line
from .settings import Format, Settings
from .signal_text import signal_line
from .stdout import put

DIMENSIONS = 8
_IF_TEXT = "next: --as-text, if it is a text"


@dataclass(frozen=True, slots=True)
class Emitting:
    """The options of `emit`; `signal` is 8 numbers, else text, and `-` every line of stdin.

    A text goes along as the member `text` of the payload, unless that is taken, or the payload is no object.
    """

    event_type: str
    signal: str
    priority: int | None = None
    payload: Any = None
    takes_text_along: bool = True
    is_text: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def vector_of(text: str) -> list[float] | None:
    """8 numbers between commas, with or without brackets; None where it is a text.

    What starts with a bracket, or has a number between commas, is meant as a vector: read as a text it would become
    a signal that nobody sent.
    """
    elements = _elements(text.strip())
    if elements is None:
        return None
    numbers = [_finite(place, element) for place, element in enumerate(elements)]
    if len(numbers) != DIMENSIONS:
        raise Failed(Exit.USAGE, f"vector: expected {DIMENSIONS} numbers, got {len(numbers)}: {text:.80}", _IF_TEXT)
    return numbers


def _elements(text: str) -> list[str] | None:
    if text.startswith("["):
        if not text.endswith("]"):
            raise misused("vector", "numbers up to a closing ]", f"{text:.80}", _IF_TEXT)
        return [element.strip() for element in text[1:-1].split(",")] if text[1:-1].strip() else []
    elements = [element.strip() for element in text.split(",")]
    is_list = len(elements) > 1 and any(_number(element) is not None for element in elements)
    return elements if is_list else None


def _finite(place: int, element: str) -> float:
    number = _number(element)
    if number is None or not isfinite(number):
        raise misused(f"vector.{place}", "a finite number", f"{element:.80}", _IF_TEXT)
    return number


def _number(element: str) -> float | None:
    try:
        return None if "_" in element else float(element)
    except ValueError:
        return None


async def emit(settings: Settings, options: Emitting) -> None:
    """Emit one signal, or one per line of stdin."""
    if options.signal != "-":
        _signal_of(options, options.signal)
    async with connected(settings, Notes(settings)) as client:
        async for text in _texts(options):
            tell(settings, await _emit_one(client, options, text))


async def _texts(options: Emitting) -> AsyncIterator[str]:
    if options.signal != "-":
        yield options.signal
        return
    async for line in stdin_lines():
        if line.strip():
            yield line


def _signal_of(options: Emitting, text: str) -> list[float] | None:
    """The vector, or None for a text."""
    if not text.strip():
        raise misused("signal", f"{DIMENSIONS} numbers or a text", text)
    return None if options.is_text else vector_of(text)


def payload_of(given: Any, text: str | None, *, takes_text_along: bool) -> Any:
    """The payload, with the text that went in: who sees the signal on the channel could not read it otherwise."""
    if text is None or not takes_text_along:
        return given
    if given is None:
        return {"text": text}
    return {"text": text, **given} if isinstance(given, Mapping) else given


def priority_of(options: Emitting, *, is_text: bool) -> int:
    """The documents' defaults: a text is more urgent than a bare vector."""
    return options.priority if options.priority is not None else 200 if is_text else 128


async def _emit_one(client: NeurographWSClient, options: Emitting, text: str) -> Emitted:
    vector = _signal_of(options, text)
    return await client.emit(
        options.event_type,
        encode_text(text) if vector is None else vector,
        priority=priority_of(options, is_text=vector is None),
        payload=payload_of(
            options.payload, text if vector is None else None, takes_text_along=options.takes_text_along
        ),
        tags=options.tags or None,
        retry=True,
    )


def tell(settings: Settings, emitted: Emitted) -> None:
    """What the SignalSystem said about one signal."""
    if settings.format is Format.JSON:
        line = object_line({name: value for name, value in asdict(emitted).items() if value is not None})
    else:
        neighbors = [asdict(one) for one in emitted.neighbors]
        line = f"{signal_line(emitted.token_id, neighbors, is_novel=emitted.is_novel)}\n".encode()
    put(line)
