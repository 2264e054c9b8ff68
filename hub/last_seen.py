"""When a subject was last connected (P12): of those that are not, the last to leave are remembered."""

from collections import OrderedDict

MOST = 10_000


class LastSeen:
    """Wall clock by subject."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: OrderedDict[str, float] = OrderedDict()

    def left(self, subject: object, wall: float) -> None:
        """A connection of `subject` has ended; the anonymous are nobody."""
        if not isinstance(subject, str):
            return
        self._seen[subject] = max(wall, self._seen.pop(subject, wall))
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def of(self, subject: str) -> float | None:
        """When `subject` was seen last, if that is remembered."""
        return self._seen.get(subject)
