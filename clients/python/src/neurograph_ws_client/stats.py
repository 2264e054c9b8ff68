"""Figures of one client; `repr` shows the same."""

from collections.abc import Mapping
from typing import NamedTuple

from .states import State


class SubscriptionStats(NamedTuple):
    """Figures of one subscription."""

    state: str
    position: str | None
    queued: int
    dropped: int
    handled: int
    failures: int


class ClientStats(NamedTuple):
    """Figures since the client was made; `rtt` in seconds, of the last ping that was answered.

    `switches` counts connections that were replaced before they ended, unseen by the application (M51).
    """

    state: State
    connection: str | None
    rtt: float | None
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    events: int
    duplicates: int
    gaps: int
    reconnects: int
    switches: int
    unreadable: int
    awaiting: int
    subscriptions: Mapping[str, SubscriptionStats]
