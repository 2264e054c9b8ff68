"""The flight recorder: what happened to connections, also after they have ended (G13).

The plane keeps the records, bounded in bytes, number and time (`NG_RECORDER_…`). Here it is known whose they are, so
that they are found by connection, session or subject, and the hub's own part is told: who came, what was refused.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from channels._native import Plane
    from hub.connection import Connection

Story = dict[str, Any]

MOST_STORIES = 100
"""Stories that one question is answered with."""


class Ending(NamedTuple):
    """A connection that has ended, and how."""

    number: int
    about: dict[str, Any]
    """As operators saw it in the end."""
    ended: float
    code: int
    reason: str
    cause: str


class Recorder:
    """Of one node. `most` and `seconds`: how many ended connections are remembered, and for how long."""

    def __init__(
        self, plane: "Plane", *, most: int = 10_000, seconds: float = 900.0, wall: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._plane = plane
        self._note = plane.note
        self._most = most
        self._seconds = seconds
        self._wall = wall
        self._ended: OrderedDict[str, Ending] = OrderedDict()
        self.open: Callable[[], Iterable[Connection]] = tuple
        """The connections that are there, newest first."""

    def __len__(self) -> int:
        return len(self._ended)

    def opened(self, connection: "Connection") -> None:
        """A connection is let in, perhaps only to be told why it is refused."""
        session, number = connection.session, connection.number
        session.story, session.number = self._note, number
        encoding = session.codec.encoding
        session.note("opened", f"{session.conn}, session {session.session}, from {session.address}, {encoding}")

    def ended(self, connection: "Connection", code: int, reason: str, cause: str) -> None:
        """A connection is gone."""
        if self._most > 0:
            ending = Ending(connection.number, _about(connection), self._wall(), code, reason, cause)
            self._ended[connection.session.conn] = ending
        self.sweep()

    def sweep(self) -> None:
        """Forget what is too old, or too much."""
        oldest = self._wall() - self._seconds
        while self._ended:
            ending = next(iter(self._ended.values()))
            if len(self._ended) <= self._most and ending.ended >= oldest:
                return
            self._ended.popitem(last=False)

    # --- reading ------------------------------------------------------------------------------------------------------

    def stories(self, name: str | None = None, limit: int = MOST_STORIES) -> list[Story]:
        """Of the connection, session or subject of that name, or of all; the open ones first, then the newest."""
        self.sweep()
        found = ((number, about) for number, about in self._known() if name is None or _is_of(about, name))
        return [self._told(number, about) for number, about in islice(found, limit)]

    def size(self) -> dict[str, int]:
        """How many ended connections are remembered, and the bytes of their stories."""
        self.sweep()
        return {"ended": len(self._ended), "bytes": self._plane.remembers()[1]}

    def _known(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for connection in self.open():
            yield connection.number, {**_about(connection), "state": connection.session.state.value}
        for one in reversed(self._ended.values()):
            end = {"state": "closed", "ended": one.ended, "code": one.code, "reason": one.reason, "cause": one.cause}
            yield one.number, {**one.about, **end}

    def _told(self, number: int, about: dict[str, Any]) -> Story:
        begun, records, forgotten = self._plane.story(number) or (None, [], 0)
        names = ("at", "last", "count", "kind", "text")
        told = [dict(zip(names, record, strict=True)) for record in records]
        return {**about, "begun": begun, "forgotten": forgotten, "records": told}


def _about(connection: "Connection") -> dict[str, Any]:
    session = connection.session
    return {"conn": session.conn, "session": session.session, **session.description()}


def _is_of(about: dict[str, Any], name: str) -> bool:
    return name in (about["conn"], about["session"], about["user"])
