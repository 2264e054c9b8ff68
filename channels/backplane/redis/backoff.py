"""Pauses between attempts to connect: longer and longer, of random length, and cut short where there is reason to."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress


class Backoff:
    """Full jitter between 0 and a bound that doubles from `first` to `longest` seconds."""

    def __init__(self, first: float, longest: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self.attempts = 0
        """Failed ones since the last success."""
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._hurry = asyncio.Event()

    def failed(self) -> None:
        """One more attempt has failed."""
        self.attempts += 1

    def succeeded(self) -> None:
        """It is as if nothing had ever failed."""
        self.attempts = 0

    def hurry(self) -> None:
        """Another connection to the same server has just been made: do not wait."""
        self._hurry.set()

    def length(self, least: int = 0) -> float:
        """Seconds of the next pause: as long as after so many failures, and at least as after `least`; 0 after none."""
        steps = max(self.attempts, least)
        return self._uniform(0.0, min(self._longest, self._first * 2.0 ** min(steps, 16))) if steps else 0.0

    async def pause(self, least: int = 0) -> None:
        """Wait as long as after so many failures, and at least as long as after `least`; not at all after none."""
        seconds = self.length(least)
        if not seconds:
            return
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
