"""What is configured about one channel, and the six that exist without any configuration (C19-C21, S12)."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from channels.buckets import Rate
from channels.permissions import DEFAULT_RIGHTS, Right, RightsByRole, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from channels._native import Delivery, Filter, OnSlow

KIB = 1_024
MIB = 1_024 * KIB

PRESENCE = "/presence"
"""What the name of a presence companion ends in (C25)."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the past a log keeps, whichever bound comes first; `last_per_key`: and the newest of each key."""

    seconds: float = 300.0
    max_bytes: int = 64 * MIB
    last_per_key: bool = False
    durable: bool = False
    """Whether the log is kept on disk too, and is there again after a restart."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One configured name, and what holds for every channel it stands for."""

    name: str
    rights: RightsByRole = field(default_factory=dict)
    delivery: "Delivery" = "all"
    on_slow: "OnSlow" = "gap"
    retention: Retention = Retention()
    max_message: int | None = None
    """Bytes of the largest `publish` (L7); None: the hub's own limit."""
    presence: bool = False
    publish_rate: Rate | None = None
    """A bucket `publish` of its own for this channel (L22); None: the connection's."""
    trace: bool = True
    """Whether subscribers are told `traceparent` and `tracestate` (M17)."""
    policies: "Mapping[Role, Filter]" = field(default_factory=dict)
    """What each role is shown of the channel, whatever else it asks for (F12); a role without one: everything."""

    def companion(self) -> "ChannelConfig":
        """The channel beside this one that tells who follows it: to be read by those who may read this one (C25)."""
        only = frozenset({Right.SUBSCRIBE})
        return ChannelConfig(
            name=self.name + PRESENCE,
            rights=MappingProxyType({role: rights & only for role, rights in self.rights.items()}),
            delivery="latest",
            retention=Retention(self.retention.seconds, self.retention.max_bytes, last_per_key=True),
            trace=False,
        )


_KEEPS_LAST = Retention(last_per_key=True)

# The table of S12, with the rights of C19.
DEFAULT_CHANNELS = (
    ChannelConfig("metrics", DEFAULT_RIGHTS["metrics"], "latest", "gap", Retention(60.0, last_per_key=True)),
    ChannelConfig("signals", DEFAULT_RIGHTS["signals"], "all", "close"),
    ChannelConfig("actions", DEFAULT_RIGHTS["actions"], "all", "close"),
    ChannelConfig("logs", DEFAULT_RIGHTS["logs"], "all", "gap"),
    ChannelConfig("status", DEFAULT_RIGHTS["status"], "latest", "gap", _KEEPS_LAST),
    ChannelConfig("connections", DEFAULT_RIGHTS["connections"], "latest", "gap", _KEEPS_LAST),
)
