"""What a client is told while the log of a channel cannot be reached, and when it can be again (E4)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.errors import LogUnavailable
from hub.protocol import answers
from hub.session import effects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.session.session import Session

Outage = Callable[[str], str | None]
"""Why the log of a channel cannot be reached now, as its subscribers may hear it; None: it can."""


class Freshness:
    """What one client knows of its channels; made when there is something to know."""

    __slots__ = ("stale",)

    def __init__(self) -> None:
        self.stale: set[str] = set()
        """Channels of which it was told that they are stale."""


def update(session: "Session", outage: Outage) -> None:
    """Tell of each channel once that it is stale; of one that is back, let the plane tell where its cursor stands.

    Only the plane can: what it tells us of cursors serves a resume (R8), and a gap may overtake it on its way.
    """
    told = session.freshness
    found = ((channel, outage(channel)) for channel in session.subscriptions)
    fresh = {channel: text for channel, text in found if text is not None}
    if told is None:
        if not fresh:
            return
        told = session.freshness = Freshness()
    for channel, text in fresh.items():
        if channel not in told.stale:
            told.stale.add(channel)
            session.note("note", text)
            session.send(answers.error(LogUnavailable(text, channel=channel)))
    back = told.stale - fresh.keys()
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
