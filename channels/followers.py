"""Who follows which log on this node, and what of that is news for the companions (C25)."""

from collections.abc import Callable, Iterable, Sequence

from channels.directory import Directory, OpenLog
from channels.presence import Change, Presence
from channels.subscription import Roster


class Followers:
    """Connections, subjects and logs. The clocks are arguments of `Presence`."""

    def __init__(
        self,
        logs: Directory,
        *,
        news: Callable[[Change], None],
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.news = news
        """Told who came to a channel on this node, and who has been gone from it for 10 s."""
        self._logs = logs
        self._wall = wall
        self._monotonic = monotonic
        self._roster = Roster()
        self._presence = Presence()

    def __len__(self) -> int:
        return len(self._roster)

    def subject(self, conn: int) -> str | None:
        """For whom `conn` follows its channels."""
        return self._roster.subject(conn)

    def add(self, conn: int, subject: str | None, channels: Iterable[str]) -> None:
        """`conn` follows `channels` for `subject` from now on. Their logs are open."""
        self.rename(conn, subject)
        for channel in self._roster.add(conn, subject, channels):
            log = self._logs.use(channel)
            log.subscriptions += 1
            self._enter(log, subject)

    def remove(self, conn: int, channels: Sequence[str]) -> list[OpenLog]:
        """`conn` follows `channels` no longer. -> the logs of those that it did follow"""
        subject = self._roster.subject(conn)
        gone = [self._logs.use(channel) for channel in self._roster.remove(conn, channels)]
        for log in gone:
            self._logs.unfollow(log)
            self._exit(log, subject)
        return gone

    def forget(self, conn: int) -> None:
        """`conn` follows nothing any more."""
        self.remove(conn, self._roster.channels(conn))

    def rename(self, conn: int, subject: str | None) -> None:
        """What `conn` follows it follows for `subject` from now on."""
        before = self._roster.subject(conn)
        if before == subject:
            return
        self._roster.rename(conn, subject)
        for log in map(self._logs.use, self._roster.channels(conn)):
            self._exit(log, before)
            self._enter(log, subject)

    def present(self, channel: str) -> list[str]:
        """Subjects that are present on `channel` by this node."""
        return self._presence.subjects(channel)

    def is_anybody_on(self, channel: str) -> bool:
        """Whether somebody is present on `channel`, or absent for less than 10 s."""
        return not self._presence.is_empty(channel)

    def sweep(self, now: float) -> None:
        """Tell who has been gone for 10 s."""
        for change in self._presence.departures(now):
            self.news(change)

    def _enter(self, log: OpenLog, subject: str | None) -> None:
        """A subscription of `subject` begins; the anonymous are nobody."""
        if subject is None or log.companion is None:
            return
        change = self._presence.joined(log.channel, subject, self._wall())
        if change is not None:
            self.news(change)

    def _exit(self, log: OpenLog, subject: str | None) -> None:
        """A subscription of `subject` ends."""
        if subject is not None and log.companion is not None:
            self._presence.left(log.channel, subject, self._monotonic())
