"""A request over HTTP where the hub expects a connection: it says one thing and waits for one answer."""

import asyncio
from typing import Any

from hub.connection import Connection
from hub.protocol.answers import Problem
from hub.protocol.subprotocols import CODECS
from hub.session.effects import Effect, Ticket

_ID = 0
"""The id of the one request of a visitor."""


class Visitor(Connection):
    """Has what `hub.performer` and `hub.emissions` look at of a connection, and is its own session."""

    def __init__(self) -> None:
        self.number = 0  # no number of the plane's
        self.session = _Session()  # type: ignore[assignment]  # what of a session is asked of it, and nothing else
        self.relay = None
        self.hold = None

    def ticket(self, mid: str | None) -> Ticket:
        """For the one request."""
        return Ticket("emit", _ID, None, mid)

    async def answer(self) -> dict[str, Any]:
        """What became of it, without what only the wire needs; raises the refusal."""
        answer: dict[str, Any] = await self.session.outcome  # type: ignore[attr-defined]
        return {name: value for name, value in answer.items() if name not in ("type", "id")}


class _Session:
    codec = CODECS[None]

    def __init__(self) -> None:
        self.outcome: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def answered(self, _ticket: Ticket, message: dict[str, Any]) -> list[Effect]:
        """Processed."""
        if not self.outcome.done():
            self.outcome.set_result(message)
        return []

    def failed(self, _ticket: Ticket, problem: Problem) -> list[Effect]:
        """Refused; `Refusal` and `BrokerError` are exceptions already."""
        if not self.outcome.done():
            self.outcome.set_exception(problem)  # type: ignore[arg-type]
        return []
