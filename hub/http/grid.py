"""`/api/v1/grid` and `/api/v1/query`: what lies near a vector, a token or a text (H2, H6)."""

import asyncio
from typing import Any, Literal

from channels._native import Neighbor, encode_text
from hub.http.endpoints import Call
from hub.http.space import Body, asked, body_of, may_read
from hub.matches import similarity
from hub.protocol.errors import Refusal

MAX_TEXT = 65_536
"""Characters of a text that is asked about."""
MAX_RESULTS = 64
"""Most tokens that one question finds."""


class Near(Body):
    """Around a vector or a token; without `radius` however far."""

    vector: list[float] | None = None
    token_id: int | None = None
    k: int = 10
    radius: float | None = None
    event_type: str | None = None
    scope: Literal["window", "all"] = "window"


class Box(Body):
    """Between two corners, borders included."""

    lo: list[float]
    hi: list[float]
    limit: int = 1_000


class Question(Body):
    """About a vector, or a text by the built-in encoder."""

    vector: list[float] | None = None
    text: str | None = None
    limit: int = 10
    radius: float | None = None
    event_type: str | None = None


async def info(call: Call) -> dict[str, Any]:
    """The index as it is now."""
    may_read(call)
    return asked(call.hub.signals.get_grid_info)


async def neighbors(call: Call) -> dict[str, Any]:
    """The nearest live tokens, ascending."""
    may_read(call)
    near = await body_of(call, Near)
    around = _one_of(("vector", near.vector), ("token_id", near.token_id))

    def search() -> list[Neighbor]:
        signals = call.hub.signals
        return asked(
            lambda: signals.find_neighbors(around, near.k, near.radius, event_type=near.event_type, scope=near.scope)
        )

    # All tokens take milliseconds per million: not on the loop.
    found = await asyncio.to_thread(search) if near.scope == "all" else search()
    return {"neighbors": [neighbor.to_dict() for neighbor in found]}


async def inside(call: Call) -> dict[str, Any]:
    """Ids of the live tokens of the window in a box, newest first."""
    may_read(call)
    box = await body_of(call, Box)
    return {"token_ids": asked(lambda: call.hub.signals.range_query(box.lo, box.hi, box.limit))}


async def query(call: Call) -> dict[str, Any]:
    """The most similar tokens of the window."""
    may_read(call)
    question = await body_of(call, Question)
    given = _one_of(("vector", question.vector), ("text", question.text))
    if isinstance(given, str) and len(given) > MAX_TEXT:
        raise Refusal("too_large", f"expected a text of at most {MAX_TEXT} characters, came {len(given)}", path="text")
    if not 1 <= question.limit <= MAX_RESULTS:
        raise Refusal("schema_invalid", f"limit must be 1 to {MAX_RESULTS}, came {question.limit}", path="limit")
    vector = encode_text(given) if isinstance(given, str) else given
    signals = call.hub.signals
    found = asked(
        lambda: signals.find_neighbors(vector, question.limit, question.radius, event_type=question.event_type)
    )
    return {"results": [_result(neighbor) for neighbor in found]}


def _result(neighbor: Neighbor) -> dict[str, Any]:
    return {
        "token_id": neighbor.token_id,
        "similarity": similarity(neighbor.distance),
        "distance": neighbor.distance,
        "event": neighbor.event_type,
    }


def _one_of(*members: tuple[str, Any]) -> Any:
    given = [value for _, value in members if value is not None]
    if len(given) != 1:
        names = " and ".join(name for name, _ in members)
        raise Refusal("bad_message", f"expected exactly one of {names}, came {len(given)}")
    return given[0]
