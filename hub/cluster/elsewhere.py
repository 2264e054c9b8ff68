"""The connections of other nodes, as channel `connections` tells of them (C22).

Every node reads the channel as it comes, and its newest entries at the start, so that each knows of all of them without
asking, and those of a node that is gone can be told as left (N16). Of its own connections a node believes nobody else.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import orjson

from channels._native import decode_entries
from hub.last_seen import LastSeen

Row = Mapping[str, Any]
"""`user`, `role`, `node`, `address`, `client`, `since` (C22)."""
MOST_LEFT = 10_000
"""Connections that left last: more do not leave while the newest entries of the channel are read once."""
_PLAIN = 3
"""tags, traceparent, tracestate: what stands between key and time of an entry that is plain JSON."""


class Former(NamedTuple):
    """A connection that is told of and is none: of this node in a former life."""

    conn: str
    row: Row


class Elsewhere:
    """An observer of `connections` (`channels.replication.Observer`)."""

    def __init__(self, node: str, prefix: str, last_seen: LastSeen) -> None:
        """`prefix`: what the names of this node's own connections begin with."""
        self.on_former: Callable[[Former], None] = lambda _: None
        """Told of connections that went with a former life of this node."""
        self.on_denied: Callable[[str], None] = lambda _: None
        """Told of an own connection of which somebody has said that it left."""
        self.on_begun: Callable[[], None] = lambda: None
        """Told when what the channel said before is lost."""
        self._node = node
        self._prefix = prefix
        self._last_seen = last_seen
        self._nodes: dict[str, dict[str, Row]] = {}
        self._offsets: dict[str, int] = {}
        """Where the last word on a connection stands, of those that are there and of those that left last."""
        self._left: dict[str, None] = {}

    def applied(self, first: int, entries: bytes) -> None:
        """See `Observer`."""
        for offset, (event, data, key, *others, ts) in enumerate(decode_entries(entries), first):
            # With content it is a publish of an operator's, and no row of ours.
            row = orjson.loads(data) if len(others) == _PLAIN else None
            if key is not None and isinstance(row, dict) and self._offsets.get(key, 0) < offset:
                self._read(event, key, row, ts, offset)

    def begun(self) -> None:
        """See `Observer`."""
        self._nodes.clear()
        self._offsets.clear()
        self._left.clear()
        self.on_begun()

    def nodes(self) -> list[str]:
        """Other nodes that have connections."""
        return [node for node, rows in self._nodes.items() if rows]

    def of(self, node: str) -> dict[str, Row]:
        """The connections of another node."""
        return dict(self._nodes.get(node, {}))

    def counts(self, role: str | None = None, user: str | None = None) -> "Counter[str]":
        """How many connections other nodes have, of `role` and of `user`."""
        return Counter({node: sum(1 for _ in _chosen(rows, role, user)) for node, rows in self._nodes.items()})

    def snapshot(self, limit: int, role: str | None = None, user: str | None = None) -> list[dict[str, Any]]:
        """Connections of other nodes as their channel describes them, newest first."""
        found = [(conn, row) for rows in self._nodes.values() for conn, row in _chosen(rows, role, user)]
        found.sort(key=lambda one: -_since(one[1]))
        return [{"id": conn, **row} for conn, row in islice(found, limit)]

    def _read(self, event: str, conn: str, row: Row, ts: float, offset: int) -> None:
        node = row.get("node")
        if not isinstance(node, str):
            return
        if conn.startswith(self._prefix):
            if event == "leave":
                self.on_denied(conn)
        elif event == "leave":
            self._nodes.get(node, {}).pop(conn, None)
            self._last_seen.left(row.get("user"), ts)
            self._note_left(conn, offset)
        elif node == self._node:
            self.on_former(Former(conn, row))
        else:
            self._nodes.setdefault(node, {})[conn] = row
            self._offsets[conn] = offset
            self._left.pop(conn, None)

    def _note_left(self, conn: str, offset: int) -> None:
        """What was read before it and comes late must not bring it back."""
        self._offsets[conn] = offset
        self._left.pop(conn, None)
        self._left[conn] = None
        if len(self._left) > MOST_LEFT:
            oldest = next(iter(self._left))
            del self._left[oldest], self._offsets[oldest]


def _chosen(rows: Mapping[str, Row], role: str | None, user: str | None) -> Iterator[tuple[str, Row]]:
    for conn, row in rows.items():
        if role in (None, row.get("role")) and user in (None, row.get("user")):
            yield conn, row


def _since(row: Row) -> float:
    since = row.get("since")
    return float(since) if isinstance(since, int | float) else 0.0


def as_leave(row: Row, code: int) -> bytes:
    """The data of the `leave` that ends what `row` tells of."""
    return orjson.dumps({**row, "code": code})
