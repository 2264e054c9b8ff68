"""How reporters publish: the hub's own events go through the broker like everybody's, and a refusal is counted."""

from collections.abc import Mapping
from typing import Any

import orjson

from channels.broker import Broker, BrokerError, Publication, Stored
from hub.counters import Counters


class Publisher:
    """Publishes documents of the hub; never raises, never logs (the log itself is published here)."""

    def __init__(self, broker: Broker, counters: Counters, node: str) -> None:
        self.node = node
        self._broker = broker
        self._counters = counters
        self._tags = orjson.dumps({"node": node})

    def publish(
        self, channel: str, event: str, data: Mapping[str, Any], *, key: str | None = None, tags: bytes | None = None
    ) -> None:
        """One event; `tags` are this node's name unless they are given."""
        document = orjson.dumps(data, default=str)
        self._broker.publish_nowait(Publication(channel, event, document, key, tags or self._tags), self._done)

    def _done(self, outcome: Stored | BrokerError) -> None:
        if isinstance(outcome, BrokerError):
            self._counters.error("internal", "report")
