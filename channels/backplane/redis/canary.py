"""Whether a subscription lives: each second a number goes out on it and has to come back (N9, N10)."""

from channels.histograms import Histogram

ROUNDS = 2
"""Canaries in a row that make a subscription trusted again: the hysteresis of readiness."""
REMEMBERED = 64


class Canary:
    """Of one connection. `now` is an argument: seconds of one monotonic clock."""

    __slots__ = ("_last", "_number", "_opened_at", "_patience", "_rounds", "_seconds", "_sent")

    def __init__(self, seconds: Histogram, patience: float) -> None:
        self._seconds = seconds
        self._patience = patience
        self._number = 0
        self._sent: dict[int, float] = {}
        self._opened_at: float | None = None
        self._last: float | None = None
        self._rounds = 0

    def opened(self, now: float) -> None:
        """A connection listens; those of the former do not count."""
        self._opened_at = now
        self._sent.clear()
        self._rounds = 0

    def closed(self) -> None:
        """The connection has ended."""
        self._opened_at = None
        self._sent.clear()
        self._rounds = 0

    def next(self, now: float) -> int:
        """The number to send."""
        self._number += 1
        self.sent(self._number, now)
        return self._number

    def sent(self, number: int, now: float) -> None:
        """A number that somebody else has chosen goes out."""
        self._sent[number] = now
        if len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def returned(self, number: int, now: float) -> bool:
        """It came back. -> whether it is one of this connection"""
        sent = self._sent.pop(number, None)
        if sent is None:
            return False
        self._last = now
        self._rounds += 1
        self._seconds.observe(now - sent)
        return True

    def is_dead(self, now: float) -> bool:
        """The connection is open and nothing has come back for too long."""
        if self._opened_at is None:
            return False
        return now - max(self._opened_at, self._last or 0.0) > self._patience

    @property
    def is_trusted(self) -> bool:
        """Enough has come back on this connection, one after the other."""
        return self._rounds >= ROUNDS
