"""Events and gaps as lines, one renderer per format."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from neurograph_ws_client import Event, Gap

from .escape import escaped, json_line
from .settings import Format, Settings

Item = Event[Any] | Gap
Renderer = Callable[[Item], bytes]


def renderer(settings: Settings, width: int | None = None, fields: tuple[str, ...] = ()) -> Renderer:
    """The renderer for the settings; lines are cut to `width`, by default that of the terminal.

    With `fields`, of an event only these: as an object, or between tabs.
    """
    if fields:
        from .picking import picker  # noqa: PLC0415 - most want everything

        return picker(fields, is_json=settings.format is Format.JSON)
    match settings.format:
        case Format.JSON:
            return as_json
        case Format.RAW:
            return as_raw
        case Format.COMPACT:
            columns = width or _terminal_width()
            return lambda item: as_compact(item, columns)
        case Format.PRETTY:
            from .pretty import Pretty  # noqa: PLC0415 - rich is only loaded where it draws

            return Pretty(has_color=settings.has_color).render


def as_json(item: Item) -> bytes:
    """The object as it came, on one line."""
    return json_line(item.wire) + b"\n"


def as_raw(item: Item) -> bytes:
    """The data alone: a text as it is, anything else as JSON; gaps are told on stderr only."""
    if isinstance(item, Gap):
        return b""
    data = item.data
    return (data if isinstance(data, str) else compact_json(data)).encode(errors="surrogatepass") + b"\n"


def as_compact(item: Item, width: int | None) -> bytes:
    """`time channel event key data`, cut to the width."""
    if isinstance(item, Gap):
        line = escaped(f"-- {item}")
    else:
        words = (clock(item.ts), item.channel, item.event, item.key or "-", compact_json(item.data))
        line = " ".join(map(escaped, words))
    if width is not None and len(line) > width:
        line = line[: width - 1] + "…"
    return line.encode() + b"\n"


def clock(ts: float) -> str:
    """The time of day of an event, to the millisecond."""
    try:
        return datetime.fromtimestamp(ts).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "--:--:--.---"


def compact_json(value: Any) -> str:
    """A JSON value on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def object_line(members: Mapping[str, Any]) -> bytes:
    """An object of our own as a line of JSON."""
    return json_line(compact_json(members).encode()) + b"\n"


def _terminal_width() -> int | None:
    columns = shutil.get_terminal_size((0, 0)).columns
    return columns or None
