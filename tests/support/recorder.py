"""A publisher that only remembers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.reporters.publisher import Publisher


class Published(NamedTuple):
    """One event."""

    channel: str
    event: str
    data: Mapping[str, Any]
    key: str | None
    tags: bytes | None


class RecordingPublisher(Publisher):
    """Stands where a `Publisher` stands; `events` is what it was given."""

    def __init__(self, node: str = "n1") -> None:
        self.node = node
        self.events: list[Published] = []

    def publish(
        self, channel: str, event: str, data: Mapping[str, Any], *, key: str | None = None, tags: bytes | None = None
    ) -> None:
        """Remember."""
        self.events.append(Published(channel, event, dict(data), key, tags))
