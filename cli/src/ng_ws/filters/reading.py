"""From the text of an option to the JSON of a filter."""

import json
from pathlib import Path
from typing import Any

from neurograph_ws_client import near as near_to
from neurograph_ws_client.expressions import ExpressionError
from neurograph_ws_client.expressions import filter_of as filter_of_expression

from ..exits import Exit, Failed, misused

Filter = dict[str, Any]


def filter_of(text: str) -> tuple[Filter, list[str]]:
    """Read `--filter`: an expression, a JSON object, or `@FILE` with one of these. Also the bare names in it."""
    if text.startswith("@"):
        text = _content(Path(text[1:]))
    if text.lstrip().startswith("{"):
        return _object(text), []
    try:
        return filter_of_expression(text)
    except ExpressionError as fault:
        raise Failed(Exit.USAGE, f"--filter: {fault.message}", fault.hint) from fault


def near(text: str, radius: float) -> Filter:
    """Signals within `radius` of a text, or of 8 numbers between commas."""
    from ..emit import vector_of  # noqa: PLC0415 - the reader of vectors

    vector = vector_of(text)
    return near_to(text if vector is None else vector, radius)


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "not UTF-8"
        raise Failed(Exit.USAGE, f"--filter: expected a readable file, got {path}: {reason}") from fault


def _object(text: str) -> Filter:
    try:
        found = json.loads(text)
    except ValueError as fault:
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise misused("--filter", "a JSON object, or an expression", shown, str(fault)) from fault
    return dict(found)
