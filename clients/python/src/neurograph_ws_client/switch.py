"""When a connection is replaced before it ends (M50, M51): the time drawn from `goaway`, and the attempts after it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .policy import Backoff

# How long a connection that was replaced may still answer (R12) before it is closed from here (R11).
LEAVE_WITHIN = 5.0


class GoAway(NamedTuple):
    """A hub that goes away (M50) and why; `within` so many seconds another connection is opened, None if none is."""

    reason: str
    within: float | None


class Switched(NamedTuple):
    """Another connection took over; whole where all that was stored until then has come, or was told as a gap."""

    is_whole: bool


class Switch:
    """The way from one connection to the next while the first still works."""

    def __init__(self, backoff: Backoff, draw: Callable[[], float]) -> None:
        self.at: float | None = None
        self._backoff = backoff
        self._draw = draw
        self._attempt = 0

    def plan(self, window: Sequence[float], now: float) -> None:
        """The hub asks to reconnect within `window` seconds from now; what was drawn before stands."""
        low, high = float(window[0]), float(window[1])
        if not 0 <= low <= high:
            raise ValueError(f"reconnect_in: expected two rising numbers, got {window!r:.80}")
        if self.at is None:
            self.at = now + low + self._draw() * (high - low)

    def failed(self, now: float, at_least: float) -> None:
        """The second connection did not come about: the first is kept, and another is tried later."""
        self.at = now + self._backoff.delay(self._attempt, self._draw(), at_least)
        self._attempt += 1

    def is_due(self, now: float) -> bool:
        """Whether the time has come; told once."""
        if self.at is None or now < self.at:
            return False
        self.at = None
        return True

    def left(self, now: float) -> float | None:
        """Seconds to the time that was drawn; None where none was."""
        return None if self.at is None else max(0.0, self.at - now)

    def reset(self) -> None:
        """It is done, or there is nothing to replace any more."""
        self.at = None
        self._attempt = 0
