"""What a hub answered to the resume of one client, as the client's journal has it (R5, R7).

The newest `welcome` does not tell: on a connection that was resumed any later `connect` has one of its own.
"""

from collections.abc import Mapping
from typing import Any


class Resumption:
    """Whether the connection that a client has goes on with a session, and with which of its channels."""

    def __init__(self) -> None:
        self._conn: int | None = None
        self._refused: frozenset[str] = frozenset()

    def take(self, line: Mapping[str, Any]) -> None:
        """The next line of the journal."""
        message = line.get("msg") or {}
        if line["dir"] != "in" or message.get("type") != "welcome":
            return
        if message.get("resumed") is True:
            self._conn, self._refused = line["conn"], frozenset(message.get("errors") or ())
        elif line["conn"] != self._conn:
            self._conn, self._refused = None, frozenset()

    def holds(self, channel: str) -> bool:
        """Whether the hub has taken it on itself to go on with a channel where the session stood."""
        return self._conn is not None and channel not in self._refused
