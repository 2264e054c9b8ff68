"""One connection as the session sees it, from `Open` until it is gone: what was asked on it, what is read on it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .heartbeat import Heartbeat
from .positions import Position

if TYPE_CHECKING:
    from .answers import Welcome
    from .follows import Follow


class Reading:
    """What a connection delivers of one channel: the epoch last told there (M45), and how far it has come.

    Two connections may stand at different places of one channel; what both bring goes through one cursor (M51).
    """

    __slots__ = ("acked", "epoch", "follow", "offset")

    def __init__(self, follow: "Follow", start: Position) -> None:
        self.follow = follow
        self.epoch, self.offset = start
        # What was acknowledged here, at first the start (S10).
        self.acked = start


class Line:
    """A connection and where it stands; `number` counts the connections of a client from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.heartbeat = Heartbeat()
        self.readings: dict[str, Reading] = {}
        # Channels asked for or restored here; another connection knows nothing of them.
        self.asked: set[Follow] = set()
        # Those of them whose other options await their answer here.
        self.renewing: set[Follow] = set()
        self.welcome: Welcome | None = None
        # It is opened to take over from one that still works, and the application shall see nothing of it.
        self.is_second = False
        # Another connection of ours has said a resume since: to be told `taken_over` is our own doing.
        self.is_contested = False
        # The hub goes away: it takes no subscribe here any more (section 14).
        self.is_draining = False
        self.is_open = False
        self.is_resuming = False
        self.is_resumed = False
        self.is_restoring = False
        self.is_restored = False
        # Channels that the hub did not stop when it was asked to, and when it is asked again.
        self.unwanted: dict[str, None] = {}
        self.stop_at: float | None = None
        self.stops = 0
        # The content encodings that this hub was told we decode (M21).
        self.accepts: list[str] = []
        # Until when the welcome, and then the answers to what is restored, are awaited.
        self.greet_by: float | None = None
        # Until when a connection that was replaced may finish what it had accepted.
        self.leave_by: float | None = None

    def take_welcome(self, message: Mapping[str, Any]) -> "Welcome":
        """Read a `welcome` and keep the times it tells."""
        from dataclasses import replace  # noqa: PLC0415 - nobody is welcomed before there is a connection

        from .answers import Welcome  # noqa: PLC0415

        welcome = Welcome.from_wire(message)
        if self.welcome is not None and self.welcome.resumed:
            # A later `connect` is answered too, and the session that was resumed stays so.
            welcome = replace(welcome, resumed=True)
        self.welcome = welcome
        self.heartbeat.pace(welcome.interval, welcome.timeout)
        return welcome

    def read(self, follow: "Follow", start: Position) -> None:
        """The hub delivers the channel here, from that place on."""
        self.asked.add(follow)
        self.readings[follow.channel] = Reading(follow, start)

    def reads(self, follow: "Follow") -> bool:
        """Whether the hub delivers this very subscription here."""
        reading = self.readings.get(follow.channel)
        return reading is not None and reading.follow is follow

    def forget(self, follow: "Follow") -> None:
        """Nothing of it is asked for or delivered here any more."""
        self.asked.discard(follow)
        self.renewing.discard(follow)
        if self.reads(follow):
            del self.readings[follow.channel]

    def deadline(self) -> float | None:
        """When to look again."""
        times = (self.greet_by, self.leave_by, self.stop_at, self.heartbeat.deadline())
        return min((when for when in times if when is not None), default=None)
