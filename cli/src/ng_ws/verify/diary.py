"""What one subscriber's handlers were given, in the words of the history, and where it stands by them."""

import asyncio
from typing import Any, NamedTuple

from neurograph_ws_client import Event, Gap
from neurograph_ws_client.positions import Position

from .history import History
from .payload import known

# By this reason the client itself says that it did not start where it had stopped.
_NOT_RESUMED = "reconnect"


class Way(NamedTuple):
    """How a subscriber comes back: having asked for its place, or resumed without its cursor."""

    has_asked: bool
    is_without_cursor: bool


class Diary:
    """Writes `sub`, `msg`, `gap`, `end` and `fin` of one subscriber."""

    def __init__(self, name: str, run: str, history: History, channels: tuple[str, ...]) -> None:
        self.cursors: dict[str, Position] = {}
        self._name = name
        self._run = run
        self._history = history
        self._moved = {channel: asyncio.Event() for channel in channels}
        self._starts = dict.fromkeys(channels, 0)
        self._begun: set[str] = set()
        # Channels that start anew: what came before was the subscriber's own choice, or its process's death.
        self._fresh: set[str] = set()

    def has_begun(self, channel: str) -> bool:
        """Whether its present start was told."""
        return channel in self._begun

    def starts_anew(self, channel: str) -> None:
        """The next start is one of a new subscription."""
        self._fresh.add(channel)

    async def moves(self, channel: str, longest: float) -> bool:
        """Whether the cursor moves within so many seconds."""
        self._moved[channel].clear()
        try:
            async with asyncio.timeout(longest):
                await self._moved[channel].wait()
        except TimeoutError:
            return False
        return True

    def handled(self, channel: str, item: Event[Any] | Gap, way: Way) -> None:
        """The handler ran."""
        if channel not in self._begun:
            self._begin_with(channel, item, way)
        if isinstance(item, Gap):
            ends = {"from": item.from_, "to": item.to}
            self._history.write("gap", **self._told(channel), **ends, missed=item.missed, reason=item.reason)
            self._stand(channel, Position.parse(item.to))
        else:
            place = Position(item.epoch, item.offset)
            name, named = known(self._run, item)
            self._history.write("msg", **self._told(channel), id=name, sum=named, off=place.offset, ep=place.epoch)
            self._stand(channel, place)

    def begin(self, channel: str, start: Position, way: Way, *, is_granted: bool) -> None:
        """Delivery starts after `start`."""
        self._begun.add(channel)
        self._starts[channel] += 1
        cursor, is_fresh = self.cursors.get(channel), channel in self._fresh
        self._fresh.discard(channel)
        asked, granted, lost = cursor, is_granted if cursor else None, {}
        if is_fresh and cursor is not None:
            if way.is_without_cursor:
                asked, granted, lost = None, None, {"lost": True}
            elif start != cursor and not way.has_asked:
                granted = False
        elif cursor is not None:
            # The stream goes on after what was handled; a refused recovery is told by the gap that stands in it.
            start = cursor
        place = {"off": start.offset, "ep": start.epoch}
        self._history.write(
            "sub", **self._told(channel), req=str(asked) if asked else None, rec=granted, **place, **lost
        )
        self._stand(channel, start)

    def ended(self, channel: str) -> None:
        """The subscription is away."""
        if channel in self._begun:
            self._begun.discard(channel)
            self._history.write("end", **self._told(channel))

    def confirmed(self, channel: str, head: Position) -> None:
        """It knows that this is the head."""
        self._history.write("fin", s=self._name, ch=channel, off=head.offset, ep=head.epoch)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _begin_with(self, channel: str, item: Event[Any] | Gap, way: Way) -> None:
        """The first item tells where it began, unless it is one that waited for its handler since before the cut."""
        if isinstance(item, Gap):
            self.begin(channel, Position.parse(item.from_), way, is_granted=item.reason != _NOT_RESUMED)
        elif channel in self._fresh:
            self.begin(channel, Position(item.epoch, item.offset - 1), way, is_granted=True)

    def _told(self, channel: str) -> dict[str, Any]:
        return {"s": self._name, "ch": channel, "n": self._starts[channel]}

    def _stand(self, channel: str, place: Position) -> None:
        self.cursors[channel] = place
        self._moved[channel].set()
