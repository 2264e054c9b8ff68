"""What a client is told while the log of a channel cannot be reached, and when it can be again (E4)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.errors import LogUnavailable
from hub.protocol import answers
from hub.session import effects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.session.session import Session

IsStale = Callable[[str], bool]
"""Whether the log of a channel cannot be reached now."""


class Freshness:
    """What one client knows of its channels; made when there is something to know."""

    __slots__ = ("stale",)

    def __init__(self) -> None:
        self.stale: set[str] = set()
        """Channels of which it was told that they are stale."""


def update(session: "Session", is_stale: IsStale) -> None:
    """Tell of each channel once that it is stale; of one that is back, let the plane tell where its cursor stands.

    Only the plane can: what it tells us of cursors serves a resume (R8), and a gap may overtake it on its way.
    """
    told = session.freshness
    fresh = [channel for channel in session.subscriptions if is_stale(channel)]
    if told is None:
        if not fresh:
            return
        told = session.freshness = Freshness()
    for channel in fresh:
        if channel not in told.stale:
            told.stale.add(channel)
            session.note("note", f"the log of {channel} is unreachable")
            session.send(answers.error(LogUnavailable(f"the log of {channel} is unreachable", channel=channel)))
    back = told.stale - set(fresh)
    if back:
        told.stale -= back
        # What was unsubscribed meanwhile has no cursor, and is passed over.
        session.do(effects.Watermark(tuple(sorted(back))))
    if not told.stale:
        session.freshness = None


def begun(session: "Session", channels: "Iterable[str]") -> None:
    """These subscriptions are new: nothing was told of them."""
    if session.freshness is not None:
        session.freshness.stale.difference_update(channels)
