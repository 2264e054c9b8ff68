"""The circuit around Redis: after some failures in a row nobody tries any longer, except the one that probes."""

from typing import Literal

FAILURES = 3
SUCCESSES = 2

State = Literal["closed", "open"]


class Breaker:
    """Opens after 3 failures in a row, closes after 2 successes of the probe (hardening.md, 5.5)."""

    __slots__ = ("_failures", "_successes", "is_open", "opened")

    def __init__(self) -> None:
        self.is_open = False
        self.opened = 0
        """How often it has opened."""
        self._failures = 0
        self._successes = 0

    def __repr__(self) -> str:
        return f"<Breaker {self.state}, {self._failures} failures>"

    @property
    def state(self) -> State:
        """For operators."""
        return "open" if self.is_open else "closed"

    def failed(self) -> bool:
        """A connection or command failed. -> whether the circuit has opened by it"""
        self._failures += 1
        self._successes = 0
        if self.is_open or self._failures < FAILURES:
            return False
        self.is_open = True
        self.opened += 1
        return True

    def succeeded(self) -> None:
        """A command was answered while the circuit was closed, or the probe while it was open."""
        if self.is_open:
            self._successes += 1
            if self._successes < SUCCESSES:
                return
            self.is_open = False
        self._failures = 0
        self._successes = 0
