"""Rows as a table: HTML for notebooks, text for terminals. Everything that came from elsewhere is escaped."""

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

BARS = "▁▂▃▄▅▆▇█"
MAX_TEXT = 80
"""Characters of one cell."""
TIMES = frozenset({"ts", "created"})
"""Columns of seconds since 1970."""

_HEAD = "padding:6px 12px;text-align:left;white-space:nowrap;color:#fff;font-weight:600;border:0;background:transparent"
_CELL = "padding:5px 12px;text-align:{};white-space:nowrap;border:0;border-bottom:1px solid rgba(128,128,128,.22)"
_TABLE = (
    "border-collapse:separate;border-spacing:0;border:1px solid rgba(128,128,128,.3);border-radius:8px;overflow:hidden;"
    "font:13px/1.45 system-ui,sans-serif;margin:0"
)
GRADIENT = "linear-gradient(90deg,#4338ca,#0e7490)"

Rows = Sequence[Mapping[str, Any]]


def html_table(title: str, columns: Sequence[str], rows: Rows, most: int, note: str = "") -> str:
    """A table of the first `most` rows with a gradient header, and how many more there are."""
    head = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in columns)
    numeric = {name for name in columns if all(_is_number(row.get(name)) for row in rows[:most])}
    cells = ([_cell(name, row.get(name), is_number=name in numeric) for name in columns] for row in rows[:most])
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    caption = f'<div style="font-weight:600;margin:2px 0 6px">{escape(title)}</div>' if title else ""
    foot = f'<div style="opacity:.7;margin:6px 0 2px;font-size:12px">{escape(_foot(len(rows), most, note))}</div>'
    # The gradient is the row's and the table's head's: some notebooks give cells a background of their own.
    table = (
        f'<table style="{_TABLE}"><thead style="background:{GRADIENT}"><tr style="background:{GRADIENT}">{head}</tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )
    return f'<div style="max-width:100%;overflow-x:auto">{caption}{table if columns else ""}{foot}</div>'


def text_table(title: str, columns: Sequence[str], rows: Rows, most: int, note: str = "") -> str:
    """The same for a terminal."""
    lines = [list(columns), *([shown(name, row.get(name)) for name in columns] for row in rows[:most])]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*([title] if title else []), *(table if columns else []), _foot(len(rows), most, note)])


def shown(name: str, value: Any) -> str:
    """A value in a few characters, on one line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float() if name in TIMES:
            return datetime.datetime.fromtimestamp(value).strftime("%H:%M:%S.%f")[:-3]
        case float():
            return f"{value:.4g}"
        case list() | tuple() if is_vector(value):
            return bars(value)
        case bytes():
            return f"{len(value)} bytes"
        case list() | tuple() | dict():
            return _cut(json.dumps(value, ensure_ascii=False, default=str))
    return _cut(str(value))


def is_vector(value: Any) -> bool:
    """Eight numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 8
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )


def bars(vector: Sequence[float]) -> str:
    """A vector as eight bars between 0 and 1."""
    return "".join("?" if math.isnan(number) else BARS[int(min(7.0, max(0.0, number * 8)))] for number in vector)


def _is_number(value: Any) -> bool:
    """One that is absent does not keep a column from being one of numbers."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(name: str, value: Any, *, is_number: bool) -> str:
    numbers = ", ".join(f"{number:.4g}" for number in value) if is_vector(value) else ""
    hint = f' title="{escape(numbers)}"' if numbers else ""
    style = _CELL.format("right" if is_number else "left")
    return f'<td style="{style}"{hint}>{escape(shown(name, value))}</td>'


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def _foot(count: int, most: int, note: str) -> str:
    rest = f"{count - most:,} more of {count:,} rows" if count > most else f"{count:,} row{'' if count == 1 else 's'}"
    return f"{rest}; {note}" if note else rest
