"""The wire checker: I1 to I6 of PROTOCOL.md, section 15, over the journals of all clients.

It sees what a client's own care would hide: a repeat that the client drops, a start that it makes good by itself.
"""

from collections import Counter
from functools import partial

from neurograph_ws_client.positions import Position

from .calm import Calm
from .history import HistoryError, Line
from .rules import Findings
from .sightings import Sightings
from .wire_connection import WireConnection
from .wire_cursor import WireCursor


class WireChecker:
    """Takes the lines of a history; those that are no journal are counted and passed over."""

    def __init__(self, findings: Findings | None = None) -> None:
        self.findings = Findings() if findings is None else findings
        self.counts: Counter[str] = Counter()
        self._sightings = Sightings(self.findings)
        self._calm = Calm()
        self._connections: dict[tuple[str, int], WireConnection] = {}
        self._cursors: dict[tuple[str, str], WireCursor] = {}
        self._number = 0

    def take(self, line: Line) -> None:
        """The next line of the history."""
        self._number += 1
        try:
            if "dir" in line:
                self._take(line)
            elif line.get("e") == "fault":
                self._calm.take(line)
        except HistoryError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise HistoryError(
                f"line {self._number}: expected a line of I0, got {str(line)[:200]} ({type(fault).__name__}: {fault})"
            ) from fault

    def finish(self) -> Findings:
        """What only the whole shows."""
        for connection in self._connections.values():
            self._close(connection)
        self._connections.clear()
        self._sightings.finish()
        if self._sightings.entries:
            self.counts["entries"] = self._sightings.entries
        return self.findings

    def _take(self, line: Line) -> None:
        client, number, at = str(line.get("c", "")), int(line["conn"]), int(line["t"])
        match line["dir"]:
            case "out":
                self.counts["messages out"] += 1
                self._connection(client, number, at).out(line["msg"], self._number, at)
            case "in":
                self.counts["messages in"] += 1
                self._connection(client, number, at).received(line["msg"], self._number, at)
            case "handled":
                self._cursor(client, line["channel"]).handled(Position.parse(line["position"]), self._number)
            case "close":
                connection = self._connections.pop((client, number), None)
                if connection is not None:
                    self._close(connection)
            case other:
                raise ValueError(f"dir: expected out, in, handled or close, got {other!r}")

    def _connection(self, client: str, number: int, at: int) -> WireConnection:
        name = (client, number)
        if name not in self._connections:
            self.counts["connections"] += 1
            cursors = partial(self._cursor, client)
            shown = f"{client or 'client'} connection {number}"
            self._connections[name] = WireConnection(shown, self.findings, self._sightings, cursors, at)
        return self._connections[name]

    def _cursor(self, client: str, channel: str) -> WireCursor:
        name = (client, channel)
        if name not in self._cursors:
            self._cursors[name] = WireCursor(f"{client or 'client'} on {channel}", self.findings)
        return self._cursors[name]

    def _close(self, connection: WireConnection) -> None:
        self.counts["answers"] += connection.answers
        self.counts["gaps"] += connection.gaps
        if connection.away:
            self.counts["told away"] += connection.away
        self.counts["unanswered"] += connection.awaited
        if self._calm.lasted(connection.began_at, connection.heard_at):
            self.counts["never answered"] += connection.judge_answers()
