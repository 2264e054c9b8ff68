"""What channel `connections` is told of the connections of this node (C22): the newest of each, until it is stored.

A row tells everything of its connection, so what came later stands for what was refused before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from channels.errors import BrokerError, OutcomeUnknown
from channels.publication import Publication, Stored

if TYPE_CHECKING:
    from channels.broker import Broker

CHANNEL = "connections"
MOST_LEFT = 10_000
"""Connections that are gone, and of which that was not stored yet; beyond it the oldest is never told."""
GONE = 1006
"""The close code of a connection whose node is gone."""
AT_ONCE = 1_024
"""Told again in one second."""


@dataclass(slots=True, eq=False)
class _News:
    event: str
    data: dict[str, Any]
    is_unknown: bool = False
    """Nothing that was told of its connection is stored."""


class Announcements:
    """`failed` hears of each refusal; `dropped` counts what is never told."""

    def __init__(self, broker: "Broker", failed: Callable[[], None]) -> None:
        self.dropped = 0
        self._broker = broker
        self._failed = failed
        self._newest: dict[str, _News] = {}
        """By connection: what is not known to be stored."""
        self._refused: dict[str, None] = {}
        """Of those that are there: whose news are to be told again, as many as connections at most."""
        self._left: dict[str, None] = {}
        """Of those that are gone."""

    def __len__(self) -> int:
        """Connections whose news are to be told again."""
        return len(self._refused) + len(self._left)

    def start(self) -> None:
        """The log runs. Of connections of a former life of a node alone nobody else says that they have left."""
        if not self._broker.backplane.is_local:
            return
        after = 0
        try:
            while rows := [orjson.loads(text) for text in self._broker.newest(CHANNEL, after)]:
                for row in rows:
                    # What an operator has published there is no row of ours.
                    if row["event"] != "leave" and isinstance(row.get("data"), dict) and "node" in row["data"]:
                        self._send(row["key"], _News("leave", {**row["data"], "code": GONE}))
                after = rows[-1]["offset"]
        except BrokerError:
            self._failed()

    def tell(self, conn: str, event: str, data: dict[str, Any]) -> None:
        """`join`, `update` or `leave` of `conn`."""
        is_refused, former = conn in self._refused, self._newest.get(conn)
        is_unknown = is_refused and former is not None and former.is_unknown
        self._refused.pop(conn, None)
        if is_unknown and event == "leave":
            del self._newest[conn]  # nobody has heard that it was here
            return
        self._send(conn, _News("join" if is_unknown else event, data))

    def sweep(self) -> None:
        """Once a second: what was refused before, if it may be stored now."""
        if self._broker.backplane.outage is not None:
            return
        most = 1 if CHANNEL in self._broker.durable.unwritable_channels else AT_ONCE
        for waiting in (self._left, self._refused):
            for conn in list(islice(waiting, most)):
                del waiting[conn]
                self._send(conn, self._newest[conn])

    def _send(self, conn: str, news: _News) -> None:
        self._newest[conn] = news
        news.is_unknown = False
        entry = Publication(CHANNEL, news.event, orjson.dumps(news.data), key=conn)
        self._broker.publish_nowait(entry, partial(self._told, conn, news))

    def _told(self, conn: str, news: _News, result: Stored | BrokerError) -> None:
        error = result if isinstance(result, BrokerError) else None
        if error is not None:
            self._failed()
        if self._newest.get(conn) is not news:
            return
        if error is None or not error.temporary:
            del self._newest[conn]
        elif news.event == "leave":
            self._left[conn] = None
            self._bound()
        else:
            news.is_unknown = news.event == "join" and not isinstance(error, OutcomeUnknown)
            self._refused[conn] = None

    def _bound(self) -> None:
        if len(self._left) > MOST_LEFT:
            oldest = next(iter(self._left))
            del self._left[oldest], self._newest[oldest]
            self.dropped += 1
