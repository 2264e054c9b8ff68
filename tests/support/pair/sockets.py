"""The sockets of a client whose connections are the links of the pair: opened, delivered and lost by a test."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurograph_ws_client.codec import JsonCodec, Message
from neurograph_ws_client.journal import Journal

if TYPE_CHECKING:
    from tests.support.pair.link import Link


class PairConnection:
    """A connection as the shell of the client sees it."""

    is_held = False

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.heard_at = now
        self.codec = JsonCodec()

    def limit(self, max_message: int) -> None:
        """Nothing here is too long."""

    def decode(self, payload: bytes) -> Any:
        """A message or an array of them; nothing here has encoded content."""
        return self.codec.decode(payload)


class PairSockets:
    """In place of `neurograph_ws_client.sockets.Sockets`, as much of it as is asked for without `on_full="wait"`."""

    def __init__(self, journal: Journal | None) -> None:
        self.bytes_out = self.messages_out = 0
        self.max_message: int | None = None
        self.opening: deque[int] = deque()
        """Connections that are asked for and not answered yet."""
        self.links: dict[int, Link] = {}
        self.known: dict[int, PairConnection] = {}
        self._in_use: dict[int, PairConnection] = {}
        self.knows = self._in_use.__contains__
        self._journal = journal

    def __getitem__(self, number: int) -> PairConnection:
        return self._in_use[number]

    def __contains__(self, number: object) -> bool:
        return number in self._in_use

    def each(self) -> list[PairConnection]:
        return list(self._in_use.values())

    # -- what the client asks ------------------------------------------------------------------------------------------

    def open(self, number: int, _token: str | None) -> None:
        self.opening.append(number)

    def drop(self, number: int, code: int, reason: str, *, is_abrupt: bool) -> None:
        self._closed(number, code)
        if number in self.opening:
            self.opening.remove(number)
        elif (link := self.links.get(number)) is not None:
            link.drop(code, reason, is_abrupt=is_abrupt)

    def write(
        self, number: int, messages: Sequence[Message], _unsendable: Callable[[Message, Exception], None]
    ) -> None:
        if number not in self._in_use:
            return
        # What is written is what it is now.
        written: list[Mapping[str, Any]] = json.loads(json.dumps(messages))
        for message in written:
            if self._journal is not None:
                self._journal.message(number, "out", message)
        self.links[number].send(written)

    def gone(self, connection: PairConnection, code: int) -> bool:
        return self._closed(connection.number, code)

    async def finish(self) -> None:
        """Links end by themselves."""

    # -- what the links bring ------------------------------------------------------------------------------------------

    def take(self, number: int, now: float) -> PairConnection:
        """The upgrade is done."""
        connection = self.known[number] = self._in_use[number] = PairConnection(number, now)
        return connection

    def _closed(self, number: int, code: int) -> bool:
        if self._in_use.pop(number, None) is None:
            return False
        if self._journal is not None:
            self._journal.closed(number, code)
        return True
