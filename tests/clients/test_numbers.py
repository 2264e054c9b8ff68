"""Vectors from what callers have."""

import math
from array import array

import pytest
from neurograph_ws_client.vectors import as_numbers, as_rows


def test_a_flat_buffer_is_cut_into_rows_of_eight() -> None:
    assert [[float(n) for n in range(8)], [float(n) for n in range(8, 16)]] == as_rows(array("f", range(16)))


def test_a_buffer_of_two_dimensions_keeps_its_rows() -> None:
    table = memoryview(array("d", range(16))).cast("B").cast("d", (2, 8))
    assert [[float(n) for n in range(8)], [float(n) for n in range(8, 16)]] == as_rows(table)


def test_a_sequence_of_sequences_keeps_its_rows_whatever_their_length() -> None:
    assert as_rows([(1,), (2, 3)]) == [[1.0], [2.0, 3.0]]


def test_a_buffer_that_is_no_multiple_of_eight_is_refused() -> None:
    with pytest.raises(ValueError, match="vectors: expected a multiple of 8 numbers, got 9"):
        as_rows(array("f", range(9)))


@pytest.mark.clause("M32")
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_carry_is_named_by_its_place(number: float) -> None:
    with pytest.raises(ValueError, match=r"vector\.1: expected a finite number"):
        as_numbers([0.5, number])
