"""Who follows what: the broker's own book of subscriptions, as the event loop has ordered them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channels.publication import Position

if TYPE_CHECKING:
    from channels._native import Delivery, Filter, OnSlow, Start


@dataclass(frozen=True, slots=True)
class SubscribeSpec:
    """One channel of a `subscribe`. `keep`: a cursor that exists stays where it is, only its options change (M26).

    `ack`: events that may await their acknowledgement (S10). `proof`: a position that this hub itself has told, and
    sealed; where it lies beyond the head of its own history, that history has lost entries (N4). `filter` is the
    client's, `policy` that of its role (F12); what passes both is delivered.
    """

    channel: str
    delivery: "Delivery"
    on_slow: "OnSlow"
    max_rate: float | None = None
    start: "Start" = "new"
    keep: bool = False
    ack: int | None = None
    proof: Position | None = None
    filter: "Filter | None" = None
    policy: "Filter | None" = None


@dataclass(slots=True)
class _Follower:
    subject: str | None
    channels: dict[str, None]  # a set that keeps the order


class Roster:
    """Connections and the channels that each follows."""

    def __init__(self) -> None:
        self._followers: dict[int, _Follower] = {}

    def __len__(self) -> int:
        return len(self._followers)

    def subject(self, conn: int) -> str | None:
        """For whom `conn` follows its channels; None for anonymous, and for a connection that follows nothing."""
        follower = self._followers.get(conn)
        return None if follower is None else follower.subject

    def channels(self, conn: int) -> list[str]:
        """What `conn` follows."""
        follower = self._followers.get(conn)
        return [] if follower is None else list(follower.channels)

    def add(self, conn: int, subject: str | None, channels: Iterable[str]) -> list[str]:
        """`conn` follows `channels` from now on. -> those that it did not follow before, each once"""
        follower = self._followers.get(conn) or _Follower(subject, {})
        fresh = [channel for channel in dict.fromkeys(channels) if channel not in follower.channels]
        if fresh:
            follower.channels.update(dict.fromkeys(fresh))
            self._followers[conn] = follower
        return fresh

    def remove(self, conn: int, channels: Iterable[str]) -> list[str]:
        """`conn` follows `channels` no longer. -> those that it did follow"""
        follower = self._followers.get(conn)
        if follower is None:
            return []
        gone = [channel for channel in dict.fromkeys(channels) if channel in follower.channels]
        for channel in gone:
            del follower.channels[channel]
        if not follower.channels:
            del self._followers[conn]
        return gone

    def rename(self, conn: int, subject: str | None) -> None:
        """`conn` follows its channels for `subject` from now on."""
        follower = self._followers.get(conn)
        if follower is not None:
            follower.subject = subject
