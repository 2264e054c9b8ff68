"""What a session knows of its reconnection tokens between two of them."""

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.session.effects import Ticket


class TokenState:
    """Where a session stands with its reconnection tokens (R1, R4); times are of the monotonic clock."""

    __slots__ = ("asked", "due_at", "farewell", "generation", "is_held", "is_pushing", "pushed_at")

    def __init__(self) -> None:
        self.generation = 0
        self.is_held = False
        """The client has a token, so that fresh ones are pushed."""
        self.asked: deque[Ticket] = deque()
        """Requests that wait for the plane to tell positions, at most as many as ids may be in flight."""
        self.is_pushing = False
        self.pushed_at = float("-inf")
        self.due_at: float | None = None
        self.farewell: dict[str, Any] | None = None
        """The `goaway` that goes behind the next push (M50)."""
