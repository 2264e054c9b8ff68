"""Which channels cannot be reached now, and that everybody who follows one hears of it once (E4)."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hub.connection import Connection
from hub.performer import Performer

if TYPE_CHECKING:
    from channels.broker import Broker

SLICE = 256
"""Connections that are told before the loop has its turn again."""


class Staleness:
    """Over the table of all connections, by number."""

    def __init__(self, broker: "Broker", performer: Performer, table: Mapping[int, Connection]) -> None:
        self._broker = broker
        self._performer = performer
        self._table = table
        self._is_everything = False
        self._channels: frozenset[str] = frozenset()
        self._telling: asyncio.Task[None] | None = None
        performer.on_subscribed = self._subscribed

    def outage(self, channel: str) -> str | None:
        """Why the log of `channel` cannot be reached; None: it can. What Redis says is for operators."""
        if channel in self._channels:
            return self._broker.durable.outage(channel)
        return f"the log of {channel} is unreachable" if self._is_everything else None

    def check(self) -> None:
        """Once a second: tell what has changed."""
        is_everything, channels = self._broker.backplane.outage is not None, self._broker.durable.unwritable_channels
        if (is_everything, channels) == (self._is_everything, self._channels):
            return
        self._is_everything, self._channels = is_everything, channels
        self.stop()
        self._telling = asyncio.get_running_loop().create_task(self._tell_all(), name="staleness")

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    async def _tell_all(self) -> None:
        connections = list(self._table.values())
        for start in range(0, len(connections), SLICE):
            for connection in connections[start : start + SLICE]:
                self._tell(connection)
            self._performer.finish_soon()
            await asyncio.sleep(0)

    def _tell(self, connection: Connection) -> None:
        """Where a subscription waits, it is told when that is done."""
        if connection.hold is None:
            self._performer.attempt(connection, connection.session.freshness_changed, self.outage)

    def _subscribed(self, connection: Connection) -> None:
        if self._is_everything or self._channels or connection.session.freshness is not None:
            self.check()  # it may be over since the last look
            self._tell(connection)
