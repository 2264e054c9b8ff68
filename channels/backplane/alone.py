"""The bus of a node that is alone: nobody to tell, and everything counted here."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from channels.backplane.bus import Departed, Heard, Member


class AloneBus:
    """`Bus` without other nodes."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._claims = count(1)
        self._members: dict[tuple[str, str], float] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        """Nobody hears it."""

    def listen(self, kind: str, heard: Heard) -> None:
        """Nothing will come."""

    def nodes(self) -> Mapping[str, float]:
        """None."""
        return {}

    def on_silent(self, told: Callable[[str], None]) -> None:
        """Nobody is there to fall silent."""

    def on_returned(self, told: Callable[[Sequence[Departed]], None]) -> None:
        """Nobody takes it for gone."""

    async def claim(self, session: str) -> int:
        """One number after the other, whatever the session."""
        return next(self._claims)

    async def joined(self, channel: str, subject: str, since: float) -> Member:
        """See `Bus`."""
        key = channel, subject
        self._counts[key] += 1
        return Member(self._counts[key] == 1, self._members.setdefault(key, since), self._counts[key])

    async def left(self, channel: str, subject: str) -> Member:
        """See `Bus`."""
        key = channel, subject
        self._counts[key] -= 1
        if self._counts[key] > 0:
            return Member(False, self._members[key], self._counts[key])
        del self._counts[key]
        return Member(True, self._members.pop(key), 0)

    async def bury(self, node: str) -> Sequence[Departed]:
        """What this node had told in a former life went with that."""
        return ()
