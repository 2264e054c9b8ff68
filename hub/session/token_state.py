"""What a session knows of its reconnection tokens between two of them."""

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from channels.broker import Position
    from hub.session.effects import Ticket


NOTE_INTERVAL = 1.0
"""Seconds between two questions that an acknowledgement has caused."""
MAX_ACKS = 8
"""Acknowledgements of a channel that wait for the plane: of a client that obeys M36 the last one counts."""


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
        self.asked: tuple[Ticket, ...] = ()
        """Requests that wait for the plane to tell positions, at most as many as ids may be in flight.

        A tuple, as `questions` is: nearly always empty, and nothing is smaller than that."""
        self.revision = 0
        """Raised by each change of subscriptions: where the plane's answer is older than one, it is asked again."""
        self.questions: tuple[int, ...] = ()
        """The revision at each question to the plane that it has not answered yet."""
        self.acks: dict[str, deque[Position]] | None = None
        """Acknowledged by the client, by channel; the plane has not confirmed yet that so much was sent (M36). The last
        few, for which of them are to be ignored is not known before."""
        self.noted_at = float("-inf")
        self.is_pushing = False
        self.pushed_at = float("-inf")
        self.due_at: float | None = None
        self.farewell: dict[str, Any] | None = None
        """The `goaway` that goes behind the next push (M50)."""

    def acknowledged(self, positions: "Mapping[str, Position]") -> None:
        """The client's word."""
        if self.acks is None:
            self.acks = {}
        for channel, position in positions.items():
            self.acks.setdefault(channel, deque(maxlen=MAX_ACKS)).append(position)

    def unfollowed(self, channel: str) -> None:
        """What was acknowledged of that subscription says nothing of later ones."""
        if self.acks is not None:
            self.acks.pop(channel, None)

    def take_acks(self, told: "Mapping[str, Position]") -> "dict[str, Position]":
        """What was acknowledged and, as the plane has `told`, was sent; the rest is dropped (M36)."""
        sent: dict[str, Position] = {}
        for channel, acked in (self.acks or {}).items():
            known = [position for position in acked if channel in told and told[channel].reaches(position)]
            if known:
                sent[channel] = max(known)
        self.acks = None
        return sent

    @property
    def ask_at(self) -> float | None:
        """When the plane is to be asked about acknowledgements; None while there are none, or it is asked already."""
        return self.noted_at + NOTE_INTERVAL if self.acks and not self.questions else None
