"""What a client is told while the log of a channel cannot be reached, and when it can be again (E4)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.errors import LogUnavailable
from hub.protocol import answers
from hub.session import resuming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from channels.publication import Position
    from hub.session.session import Session

IsStale = Callable[[str], bool]
"""Whether the log of a channel cannot be reached now."""


class Freshness:
    """What one client knows of its channels; made when there is something to know."""

    __slots__ = ("returned", "stale")

    def __init__(self) -> None:
        self.stale: set[str] = set()
        """Channels of which it was told that they are stale."""
        self.returned: set[str] = set()
        """Channels that are back: the plane has been asked where their cursors stand, to tell it by an `ack`."""


def update(session: "Session", is_stale: IsStale) -> None:
    """Tell of each channel once that it is stale; of one that is back, ask where its cursor stands."""
    told = session.freshness
    fresh = [channel for channel in session.subscriptions if is_stale(channel)]
    if told is None:
        if not fresh:
            return
        told = session.freshness = Freshness()
    for channel in fresh:
        if channel not in told.stale:
            told.stale.add(channel)
            told.returned.discard(channel)
            session.send(answers.error(LogUnavailable(f"the log of {channel} is unreachable", channel=channel)))
    back = told.stale - set(fresh)
    if back:
        told.stale -= back
        told.returned |= back
        resuming.locate(session)


def begun(session: "Session", channels: "Iterable[str]") -> None:
    """These subscriptions are new: nothing was told of them."""
    if session.freshness is not None:
        session.freshness.stale.difference_update(channels)


def located(session: "Session", positions: "Mapping[str, Position]") -> None:
    """The plane has told where the cursors stand: an `ack`, of an unchanged position if need be, ends the staleness."""
    told = session.freshness
    if told is None or not told.returned:
        return
    known = {channel: str(positions[channel]) for channel in told.returned if channel in positions}
    if known:
        session.send({"type": "ack", "positions": known})
    told.returned.clear()
    if not told.stale:
        session.freshness = None
