"""Vectors as callers have them (lists, arrays, buffers) to the lists of numbers that go on the wire."""

from collections.abc import Sequence
from typing import Any

DIMENSIONS = 8

Vector = Sequence[float]


def as_numbers(vector: Any, path: str = "vector") -> list[float]:
    """Plain numbers from a sequence or buffer; that there are 8 and that they are finite is the hub's to judge.

    NaN and infinities are refused here, since JSON cannot carry them: ValueError names the place.
    """
    numbers = [float(number) for number in vector]
    for place, number in enumerate(numbers):
        if number - number != 0.0:
            raise ValueError(f"{path}.{place}: expected a finite number, got {number}")
    return numbers


def as_rows(vectors: Any) -> list[list[float]]:
    """Rows of 8 from a sequence of vectors, or from a buffer of numbers of one or two dimensions."""
    try:
        view = memoryview(vectors)
    except TypeError:
        return [as_numbers(vector, f"vectors.{row}") for row, vector in enumerate(vectors)]
    if view.ndim == 2:
        return [as_numbers(vector, f"vectors.{row}") for row, vector in enumerate(view.tolist())]
    numbers = as_numbers(view.tolist(), "vectors")
    if len(numbers) % DIMENSIONS:
        raise ValueError(f"vectors: expected a multiple of {DIMENSIONS} numbers, got {len(numbers)}")
    return [numbers[start : start + DIMENSIONS] for start in range(0, len(numbers), DIMENSIONS)]
