"""Vectors as callers have them (lists, arrays, buffers) to the lists of numbers that go on the wire."""

from collections.abc import Iterable, Mapping, Sequence, Set
from math import isfinite
from typing import Any

from .errors import BadRequest
from .fitness import shown

DIMENSIONS = 8

Vector = Sequence[float]


# What can be gone through, and is no row of numbers.
_NO_ROW = (str, bytes, bytearray, Mapping, Set)


def as_numbers(vector: Any, path: str = "vector") -> list[float]:
    """Plain numbers from a sequence or buffer; that there are 8 is the hub's to judge.

    BadRequest names what is no finite number by its place, as the hub does (M32, M33).
    """
    return [as_number(f"{path}.{place}", number) for place, number in enumerate(_members(path, vector, "8 numbers"))]


def as_rows(vectors: Any) -> list[list[float]]:
    """Rows of 8 from a sequence of vectors, or from a buffer of numbers of one or two dimensions; else BadRequest."""
    members = _members("vectors", vectors, "vectors of 8 numbers")
    try:
        view = memoryview(vectors)
    except TypeError:
        return [as_numbers(vector, f"vectors.{row}") for row, vector in enumerate(members)]
    if view.ndim == 2:
        return [as_numbers(vector, f"vectors.{row}") for row, vector in enumerate(view.tolist())]
    numbers = as_numbers(view.tolist(), "vectors")
    if len(numbers) % DIMENSIONS:
        raise refused("vectors", f"a multiple of {DIMENSIONS} numbers", len(numbers))
    return [numbers[start : start + DIMENSIONS] for start in range(0, len(numbers), DIMENSIONS)]


def _members(path: str, value: Any, expected: str) -> Iterable[Any]:
    if isinstance(value, _NO_ROW) or not isinstance(value, Iterable | Sequence):
        raise refused(path, expected, value)
    return value


def as_number(path: str, value: Any) -> float:
    """A finite number; BadRequest where it is none."""
    if type(value) is not float:
        if isinstance(value, bool | str | bytes | bytearray):
            raise refused(path, "a finite number", value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as fault:
            raise refused(path, "a finite number", value) from fault
    else:
        number = value
    if not isfinite(number):
        raise refused(path, "a finite number", value)
    return number


def refused(path: str, expected: str, came: object) -> BadRequest:
    """What a caller gave has no such form."""
    return BadRequest(f"{path}: expected {expected}, got {shown(came)}", error="bad_message", path=path)
