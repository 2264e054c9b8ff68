"""Who follows a channel (C25): one `join` for the first subscription of a subject, one `leave` 10 s after its last.

Of one node. Clocks are arguments: `wall` for what is told (`since`), `now` (monotonic) for the ten seconds.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from channels.channel import PRESENCE

LEAVE_SECONDS = 10.0
"""A client that resumes within them was never away."""


class Change(NamedTuple):
    """News for the companion of `channel`."""

    channel: str
    event: str
    subject: str
    data: bytes

    @property
    def companion(self) -> str:
        """The channel that tells it; keyed by subject."""
        return self.channel + PRESENCE


@dataclass(slots=True)
class _Member:
    since: float
    connections: int = 0
    leaves_at: float | None = None

    def told(self) -> bytes:
        return orjson.dumps({"since": self.since, "connections": self.connections})


class Presence:
    """The members of every channel that is configured with `presence`."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, _Member]] = {}
        # Every absence lasts equally long, so the order of arrival is the order of departure.
        self._absent: deque[tuple[float, str, str]] = deque()

    def joined(self, channel: str, subject: str, wall: float) -> Change | None:
        """One more connection of `subject` follows `channel`; the news if it is the first."""
        members = self._channels.setdefault(channel, {})
        member = members.get(subject)
        if member is None:
            member = members[subject] = _Member(since=wall, connections=1)
            return Change(channel, "join", subject, member.told())
        member.connections += 1
        member.leaves_at = None
        return None

    def left(self, channel: str, subject: str, now: float) -> None:
        """One connection of `subject` less; after the last one the ten seconds begin."""
        member = self._channels[channel][subject]
        member.connections -= 1
        if member.connections == 0:
            member.leaves_at = now + LEAVE_SECONDS
            self._absent.append((member.leaves_at, channel, subject))

    def departures(self, now: float) -> Iterator[Change]:
        """Subjects whose ten seconds are over, each told once."""
        while self._absent and self._absent[0][0] <= now:
            leaves_at, channel, subject = self._absent.popleft()
            member = self._channels.get(channel, {}).get(subject)
            if member is None or member.leaves_at != leaves_at:
                continue  # came back meanwhile
            self._forget(channel, subject)
            yield Change(channel, "leave", subject, member.told())

    def is_empty(self, channel: str) -> bool:
        """Whether nobody is present on `channel`, nor absent for less than 10 s."""
        return channel not in self._channels

    def subjects(self, channel: str) -> list[str]:
        """Who is present on `channel`, in the order of arrival."""
        return list(self._channels.get(channel, ()))

    def _forget(self, channel: str, subject: str) -> None:
        members = self._channels[channel]
        del members[subject]
        if not members:
            del self._channels[channel]
