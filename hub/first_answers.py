"""What an `emit` with a `mid` was answered the first time, for as long as a repeat counts as one (M31, M35)."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from channels.dedup import MidKey, MidWindow

KEPT_RESULTS = 16 * 1_048_576
"""Bytes of results that are kept for repeats; beyond, the oldest are told by their position only."""


class Remembered:
    """Where the last entry was stored (None: nowhere), the time it took, and the results as JSON while kept.

    `token`: that of the last entry; None: there is none. `waiting`: who is to be answered once the log has stored it.
    `is_lost`: the log has taken it or has not, and will not say.
    """

    __slots__ = ("__weakref__", "is_lost", "position", "texts", "time_us", "token", "waiting")

    def __init__(self, position: str | None, time_us: float, texts: Sequence[bytes], token: int | None = None) -> None:
        self.position = position
        self.token = token
        self.time_us = time_us
        self.texts = texts
        self.waiting: list[Any] = []
        self.is_lost = False

    @property
    def size(self) -> int:
        """Bytes of the results."""
        return sum(len(text) for text in self.texts)

    @property
    def is_owed(self) -> bool:
        """There is an entry, and no log has it yet."""
        return self.token is not None and self.position is None

    def members(self) -> dict[str, Any]:
        """What the answer says besides the results."""
        members: dict[str, Any] = {"processing_time_us": self.time_us}
        return members if self.position is None else {**members, "position": self.position}


class FirstAnswers:
    """Bounded twice: by the number of `mid`s (`MidWindow`) and by the bytes of the results."""

    def __init__(self, kept: int = KEPT_RESULTS) -> None:
        self._window: MidWindow[Remembered] = MidWindow()
        self._kept = kept
        self._size = 0
        self._results: deque[Remembered] = deque()
        self._dropped = 0

    def statistics(self) -> dict[str, int]:
        """`mids` that are remembered, `mids_refused` for want of room, `results_dropped`: told by position only."""
        return {"mids": len(self._window), "mids_refused": self._window.refused, "results_dropped": self._dropped}

    def find(self, key: MidKey, digest: bytes, now: float) -> Remembered | None:
        """The first answer; None if there was none, and there is room for one. Raises `MidConflict`, `Overloaded`."""
        known = self._window.find(key, digest, now)
        if known is None:
            self._window.reserve(key, now)
        return known

    def remember(self, key: MidKey, digest: bytes, answer: Remembered, now: float) -> None:
        """`answer` was given to `key`."""
        self._window.remember(key, digest, answer, now)
        self._results.append(answer)
        self._size += answer.size
        while self._size > self._kept:
            oldest = self._results.popleft()
            self._size -= oldest.size
            oldest.texts = ()
            self._dropped += 1
