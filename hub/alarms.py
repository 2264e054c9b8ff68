"""When which connection wants to be called: one heap for all of them, no timer per connection. `now` is an argument."""

import heapq

SLACK = 1_024
"""Entries that may be out of date before the heap is made anew."""


class Alarms:
    """At most one time per key; setting it again takes the place of the earlier one."""

    def __init__(self) -> None:
        self._at: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: int, at: float) -> None:
        """Call `key` at `at`."""
        if self._at.get(key) == at:
            return
        self._at[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            self._heap = [(time, name) for name, time in self._at.items()]
            heapq.heapify(self._heap)

    def forget(self, key: int) -> None:
        """Do not call `key` any more."""
        self._at.pop(key, None)

    def due(self, now: float) -> list[int]:
        """Whoever is to be called by now, each once; they are forgotten."""
        called = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                called.append(key)
        return called

    def take_all(self) -> list[int]:
        """Everybody, whatever the time; they are forgotten."""
        called = list(self._at)
        self._at.clear()
        self._heap.clear()
        return called
