"""Numbers and JSON as arguments; a wrong one names its option, what was expected and what came."""

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, NoReturn

from .exits import misused


def whole(option: str, low: int, high: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers from `low` on, or up to `high`."""
    expected = f"a whole number from {low}" if high is None else f"{low} to {high}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise misused(option, expected, text) from None
        if value < low or (high is not None and value > high):
            raise misused(option, expected, value)
        return value

    return read


def above_zero(option: str, what: str, *, or_zero: bool = False) -> Callable[[str], float]:
    """A reader of finite numbers above 0, or not below it."""
    expected = f"{what} of 0 or more" if or_zero else f"{what} above 0"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise misused(option, expected, text) from None
        if not isfinite(value) or value < 0 or (value == 0 and not or_zero):
            raise misused(option, expected, text)
        return value

    return read


def json_of(option: str, text: str) -> Any:
    """A JSON value, and nothing that only looks like one; the mistake is told with its place."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as fault:
        place = str(fault) if isinstance(fault, ValueError) else "nested too deeply"
        hint = f"{place}; a text stands in its own quotes: {option} '\"text\"'"
        raise misused(option, "JSON", text if len(text) <= 80 else f"{text[:80]}…", hint) from fault


def refuse_constant(name: str) -> NoReturn:
    """For `json.loads`: NaN and Infinity are words of Python alone."""
    raise ValueError(f"{name} is no JSON number")


def helped(first: str, second: str, text: str) -> str:
    """The help of a command: two examples, then what it is; `\\b` keeps the lines of the examples."""
    return f"\b\n  $ {first}\n  $ {second}\n\n{text}"
