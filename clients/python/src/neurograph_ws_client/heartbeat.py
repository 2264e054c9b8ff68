"""Whether the hub is still there (H1, H2): any bytes are a sign of life, silence asks, a silent answer is the end."""

from enum import StrEnum


class Pulse(StrEnum):
    """What a heartbeat asks for when its time has come."""

    STEADY = "steady"
    PING = "ping"
    DEAD = "dead"


class Heartbeat:
    """The timers of one connection; `now` is a monotonic clock in seconds, given by the caller."""

    def __init__(self) -> None:
        self.interval = 30.0
        self.timeout = 10.0
        self.rtt: float | None = None
        self._heard_at: float | None = None
        self._pinged_at: float | None = None

    def start(self, now: float) -> None:
        """A connection is open."""
        self._heard_at = now
        self._pinged_at = None

    def stop(self) -> None:
        """There is no connection to watch, or its silence is our own doing."""
        self._heard_at = self._pinged_at = None

    def pace(self, interval: float, timeout: float) -> None:
        """Take the times of `welcome.heartbeat`."""
        self.interval, self.timeout = interval, timeout

    def heard(self, at: float) -> None:
        """Bytes came at that time."""
        if self._heard_at is None or at < self._heard_at:
            return
        self._heard_at = at
        if self._pinged_at is not None and at > self._pinged_at:
            self._pinged_at = None

    def ponged(self, sent_at: float, now: float) -> None:
        """The hub answered the ping that was sent then."""
        self.rtt = now - sent_at

    def deadline(self) -> float | None:
        """When to look again."""
        if self._pinged_at is not None:
            return self._pinged_at + self.timeout
        return None if self._heard_at is None else self._heard_at + self.interval

    def expired(self, now: float) -> Pulse:
        """What to do now; after PING the answer is awaited for `timeout`."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return Pulse.STEADY
        if self._pinged_at is not None:
            return Pulse.DEAD
        self._pinged_at = now
        return Pulse.PING
