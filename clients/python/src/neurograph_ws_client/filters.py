"""Filters of subscriptions (section 9 of the protocol), as applications write them."""

from collections.abc import Mapping
from typing import Any

from .vectors import Vector, as_number, as_numbers, refused

Filter = Mapping[str, Any]
"""A JSON object: fields with conditions, and the combinators `all`, `any`, `not`; checked by the hub alone (F9)."""


def near(vector_or_text: Vector | str, radius: float) -> dict[str, Any]:
    """Events whose `data.vector` is no further than `radius` from a vector of 8, or from that of a text (F7).

    BadRequest where the vector is no row of finite numbers, or the radius none from 0 on.
    """
    reach = as_number("radius", radius)
    if reach < 0:
        raise refused("radius", "a number of at least 0", radius)
    vector = vector_or_text
    if isinstance(vector, str):
        from .encoder import encode_text  # noqa: PLC0415 - its table of characters is large

        vector = encode_text(vector)
    return {"data.vector": {"near": {"center": as_numbers(vector, "center"), "radius": reach}}}
