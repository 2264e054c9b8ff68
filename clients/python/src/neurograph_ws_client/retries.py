"""When the next connection is opened: the back-off of one client, with `now` given by the caller (X4, X5)."""

from collections.abc import Callable

from .closing import DEFAULT_WINDOW, Remedy
from .policy import Backoff


class Retries:
    """Attempts in a row, and the time of the next one."""

    def __init__(self, backoff: Backoff, draw: Callable[[], float]) -> None:
        self.reopen_at: float | None = None
        self._backoff = backoff
        self._draw = draw
        self._attempt = 0
        self._connected_at: float | None = None

    def reset(self) -> None:
        """The application starts anew, or has ended it."""
        self.reopen_at = self._connected_at = None
        self._attempt = 0

    def connected(self, now: float) -> None:
        """A connection is in order from now on."""
        self._connected_at = now

    def parted(self, now: float) -> None:
        """It is gone; only one that was in order for long enough starts the count again."""
        if self._connected_at is not None and now - self._connected_at >= self._backoff.stable_after:
            self._attempt = 0
        self._connected_at = None

    def plan(self, now: float, remedy: Remedy, at_least: float = 0.0, drawn: float | None = None) -> float | None:
        """Set the time of the next attempt; the wait in seconds, or None when the attempts are used up.

        `drawn` is what a `goaway` left of its window; without one the default window holds (X5).
        """
        if self._backoff.is_used_up(self._attempt):
            return None
        if remedy is Remedy.WINDOW:
            low, high = DEFAULT_WINDOW
            at_least = max(at_least, low + self._draw() * (high - low) if drawn is None else drawn)
        # A new credential is tried at once, unless the hub took it before and threw us out all the same.
        is_at_once = remedy is Remedy.NEW_CREDENTIAL and self._attempt == 0
        wait = 0.0 if is_at_once else self._backoff.delay(self._attempt, self._draw(), at_least)
        self._attempt += 1
        self.reopen_at = now + wait
        return wait

    def hasten(self, now: float) -> bool:
        """What waits for its time is due now; whether anything does."""
        if self.reopen_at is None:
            return False
        self.reopen_at = now
        return True

    def is_due(self, now: float) -> bool:
        """Whether the time has come; told once."""
        if self.reopen_at is None or now < self.reopen_at:
            return False
        self.reopen_at = None
        return True
