"""Filters of subscriptions (section 9 of the protocol), as applications write them."""

from collections.abc import Mapping
from typing import Any

from .encoder import encode_text
from .vectors import Vector, as_numbers

Filter = Mapping[str, Any]
"""A JSON object: fields with conditions, and the combinators `all`, `any`, `not`; checked by the hub alone (F9)."""


def near(vector_or_text: Vector | str, radius: float) -> dict[str, Any]:
    """Events whose `data.vector` is no further than `radius` from a vector of 8, or from that of a text (F7)."""
    is_text = isinstance(vector_or_text, str)
    vector = encode_text(vector_or_text) if is_text else vector_or_text  # type: ignore[arg-type]  # one or the other
    return {"data.vector": {"near": {"center": as_numbers(vector, "center"), "radius": radius}}}
