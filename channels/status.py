"""What operators see of a channel."""

from dataclasses import dataclass
from typing import cast

from channels.channel import ChannelConfig
from channels.directory import OpenLog
from channels.publication import Position


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """Figures of one open channel."""

    name: str
    position: str
    """The head (`<epoch>:<offset>`)."""
    first: int
    """The oldest offset that is kept."""
    entries: int
    bytes: int
    keys: int
    """Last entries kept, one for each key."""
    appended: int
    """Entries since the start."""
    subscribers: int
    config: ChannelConfig
    disk_bytes: int | None = None
    """Bytes of the files of a durable log; None: it is in memory alone."""

    @classmethod
    def of(cls, log: OpenLog, info: dict[str, object]) -> "ChannelStatus":
        """From the plane's `log_info`."""
        figures = cast("dict[str, int]", info)
        return cls(
            name=log.channel,
            position=str(Position(cast("str", info["epoch"]), figures["head"])),
            first=figures["first"],
            entries=figures["entries"],
            bytes=figures["bytes"],
            keys=figures["keys"],
            appended=figures["appended"],
            subscribers=log.subscriptions,
            config=log.config,
            disk_bytes=figures.get("disk_bytes"),
        )
