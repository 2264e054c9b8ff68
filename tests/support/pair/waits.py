"""What a hub of several nodes does that one alone never does: wait for the logs of a subscription, perhaps in vain."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from channels.backplane.memory import MemoryBackplane
from channels.errors import LogUnavailable

if TYPE_CHECKING:
    from channels.backplane import Ready
    from channels.publication import Position

WITHIN = 5.0
"""Seconds after which a wait is over (N11, N18)."""


class Wait(NamedTuple):
    """Somebody wants to follow a channel."""

    channel: str
    wanted: "Position | None"
    done: "Ready"
    is_proof: bool
    asked_at: float


class WaitingBackplane(MemoryBackplane):
    """That of a node alone, whose word on a log may be late, or a refusal, as that of a store elsewhere may be."""

    def __init__(self, *, monotonic: Callable[[], float], **settings: Any) -> None:
        super().__init__(monotonic=monotonic, **settings)
        self.is_slow = False
        self.waits: deque[Wait] = deque()
        self._time = monotonic

    def follow(self, channel: str, wanted: "Position | None", done: "Ready", *, is_proof: bool = False) -> bool:
        """As the contract says."""
        if not self.is_slow:
            return super().follow(channel, wanted, done, is_proof=is_proof)
        self.waits.append(Wait(channel, wanted, done, is_proof, self._time()))
        return False

    def answer(self, *, well: bool) -> None:
        """The oldest wait is over."""
        one = self.waits.popleft()
        if not well:
            one.done(LogUnavailable(f"the log of {one.channel} is unreachable", channel=one.channel))
        elif super().follow(one.channel, one.wanted, one.done, is_proof=one.is_proof):
            one.done(None)

    def expire(self) -> None:
        """Refuse what has waited for too long."""
        while self.waits and self._time() >= self.waits[0].asked_at + WITHIN:
            self.answer(well=False)
