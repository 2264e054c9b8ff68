"""Waiting for connections to be gone: all of them, or those that were asked to leave."""

import asyncio
from collections.abc import Iterable


class Departures:
    """Told of each connection that ends; wakes who waits for the last of a set."""

    def __init__(self) -> None:
        self._waiting: list[tuple[set[int], asyncio.Event]] = []

    def ended(self, number: int) -> None:
        """Connection `number` is gone."""
        for left, done in self._waiting:
            left.discard(number)
            if not left:
                done.set()

    async def gone(self, numbers: Iterable[int], patience: float) -> int:
        """Wait until all of `numbers` are gone, for `patience` seconds at most. -> how many are left"""
        left = set(numbers)
        if not left:
            return 0
        waiting = (left, asyncio.Event())
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(patience):
                await waiting[1].wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.remove(waiting)
        return len(left)
