"""What a session knows of its reconnection tokens between two of them."""

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels.broker import Position
    from hub.session.effects import Ticket


class TokenState:
    """Where a session stands with its reconnection tokens (R1, R4); times are of the monotonic clock."""

    __slots__ = (
        "acks",
        "asked",
        "due_at",
        "farewell",
        "generation",
        "is_held",
        "is_pushing",
        "noted_at",
        "pushed_at",
        "questions",
        "revision",
    )

    def __init__(self) -> None:
        self.generation = 0
        self.is_held = False
        """The client has a token, so that fresh ones are pushed."""
        self.asked: deque[Ticket] = deque()
        """Requests that wait for the plane to tell positions, at most as many as ids may be in flight."""
        self.revision = 0
        """Raised by each change of subscriptions: where the plane's answer is older than one, it is asked again."""
        self.questions: deque[int] = deque()
        """The revision at each question to the plane that it has not answered yet."""
        self.acks: dict[str, Position] = {}
        """Acknowledged by the client, by channel; the plane has not confirmed yet that so much was sent (M36)."""
        self.noted_at = float("-inf")
        self.is_pushing = False
        self.pushed_at = float("-inf")
        self.due_at: float | None = None
        self.farewell: dict[str, Any] | None = None
        """The `goaway` that goes behind the next push (M50)."""
