"""The bus of a node that is alone: nobody to tell, and everything counted here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from channels.backplane.attendance import Attendance
from channels.backplane.bus import Heard, News, Tell, Told


class AloneBus:
    """`Bus` without other nodes."""

    is_contested = False

    def __init__(self, node: str) -> None:
        self.node = node
        self._claims = count(1)
        self._attendance = Attendance()

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        """Nobody hears it."""

    def listen(self, kind: str, heard: Heard) -> None:
        """Nothing will come."""

    def nodes(self) -> Mapping[str, float]:
        """None."""
        return {}

    async def others(self) -> Sequence[str]:
        """None."""
        return ()

    def on_silent(self, told: Callable[[str], None]) -> None:
        """Nobody is there to fall silent."""

    def on_ended(self, told: Callable[[str], None]) -> None:
        """Nor to end."""

    def on_returned(self, told: Callable[[], None]) -> None:
        """Nobody takes it for gone."""

    def on_missed(self, told: Callable[[], None]) -> None:
        """Nothing was kept for it."""

    async def claim(self, session: str) -> int:
        """One number after the other, whatever the session."""
        return next(self._claims)

    async def present(self, channel: str, subjects: Mapping[str, float | None], epoch: str = "") -> Sequence[News]:
        """See `Bus`."""
        return self._attendance.present(self.node, channel, subjects, epoch)

    async def told(self, channel: str, told: Sequence[Told]) -> None:
        """See `Bus`."""
        self._attendance.told(channel, told)

    async def vacate(self, channel: str) -> None:
        """Nothing is kept of it beside who is there."""

    async def former(self) -> Sequence[tuple[str, str]]:
        """What this node had said in a former life went with that."""
        return ()

    async def bury(self, node: str, tell: Tell) -> None:
        """Nobody else has said anything."""
