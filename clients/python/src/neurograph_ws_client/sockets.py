"""The connections of one client by number: opened, written to, held back, ended, and waited for at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Protocol

from .codec import Message
from .connection import Connection, Opening, Receiver, Refused
from .errors import BadRequest, HubError, TooLarge
from .journal import Journal
from .masking import log_messages
from .media import is_media
from .reasons import reason_of
from .tasks import current_task
from .urls import masked

# Modules that are imported to their end; who asks for one that a thread still imports would wait for it.
_ready: set[str] = set()

# What is wrong with a message itself.
_UNSENDABLE = (BadRequest, TooLarge)


class _Open(Protocol):
    async def __call__(self, opening: Opening, token: str | None, receiver: Receiver) -> Connection: ...


async def _loaded() -> _Open:
    """`opening.open_connection`. Who never connects needs no websockets; the first time it is imported in a thread.

    That takes a tenth of a second, in which the loop would stand still.
    """
    name = f"{__package__}.opening"
    if name not in _ready:
        await asyncio.to_thread(import_module, name)
        _ready.add(name)
    open_connection: _Open = import_module(name).open_connection
    return open_connection


class Dialler(Receiver, Protocol):
    """Who is told how an attempt went, besides what its connection brings."""

    def opened(self, connection: Connection) -> None:
        """The upgrade is done."""
        ...

    def refused(self, number: int, answer: Refused) -> None:
        """The hub answered with an HTTP status."""
        ...

    def failed(self, number: int, text: str, *, is_final: bool) -> None:
        """There was no connection; `is_final` where there will never be one."""
        ...


class Sockets:
    """Every socket of a client, from the attempt until it is gone."""

    def __init__(
        self,
        opening: Opening,
        dialler: Dialler,
        run: Callable[[Awaitable[None]], asyncio.Future[None]],
        *,
        journal: Journal | None,
        debug: bool,
    ) -> None:
        self.bytes_out = self.messages_out = 0
        self.max_message: int | None = None
        self._opening = opening
        self._dialler = dialler
        self._run = run
        self._journal = journal
        self._debug = debug
        self._by_number: dict[int, Connection] = {}
        # Of a dict, since it is asked for every message.
        self.knows = self._by_number.__contains__
        self._attempts: dict[int, asyncio.Future[None]] = {}
        self._ending: set[Connection] = set()
        self._holders = 0

    def __getitem__(self, number: int) -> Connection:
        return self._by_number[number]

    def __contains__(self, number: object) -> bool:
        return number in self._by_number

    def each(self) -> list[Connection]:
        """The connections that are open."""
        return list(self._by_number.values())

    # -- opening and ending ----------------------------------------------------------------------------------------

    def open(self, number: int, token: str | None) -> None:
        """Start an attempt."""
        self._attempts[number] = self._run(self._attempt(number, token))

    async def _attempt(self, number: int, token: str | None) -> None:
        try:
            open_connection = await _loaded()
            connection = await open_connection(self._opening, token, self._dialler)
        except Refused as answer:
            self._attempts.pop(number, None)
            self._dialler.refused(number, answer)
        except (OSError, EOFError) as fault:
            self._not_connected(number, f": {reason_of(fault, self._opening.address.last)}")
        except ValueError as fault:
            is_final = not self._opening.address.is_asked
            self._not_connected(number, f"{' with these options' if is_final else ''}: {fault}", is_final=is_final)
        except Exception as fault:  # noqa: BLE001 - an attempt that never ends would let whoever waits for it hang
            self._not_connected(number, f": {type(fault).__name__}: {fault}")
        else:
            self._attempts.pop(number, None)
            self._take(number, connection)

    def _not_connected(self, number: int, why: str, *, is_final: bool = False) -> None:
        self._attempts.pop(number, None)
        text = f"cannot connect to {masked(self._opening.address.last)}{why}"
        self._dialler.failed(number, text, is_final=is_final)

    def _take(self, number: int, connection: Connection) -> None:
        connection.number = number
        self._by_number[number] = connection
        for _ in range(self._holders):
            connection.hold()
        self._dialler.opened(connection)
        connection.start()

    def drop(self, number: int, code: int, reason: str, *, is_abrupt: bool) -> None:
        """End a connection, or the attempt at it; nothing of it is handed over any more."""
        attempt = self._attempts.pop(number, None)
        if attempt is not None and attempt is not current_task():
            attempt.cancel()
        connection = self._by_number.pop(number, None)
        if connection is None:
            return
        self._ending.add(connection)
        self._write_closed(number, code)
        if is_abrupt:
            connection.abort()
        else:
            connection.close_nowait(code, reason)

    def gone(self, connection: Connection, code: int) -> bool:
        """A socket is gone; whether anybody still counted on it."""
        self._ending.discard(connection)
        if self._by_number.get(connection.number) is not connection:
            return False
        del self._by_number[connection.number]
        self._write_closed(connection.number, code)
        return True

    def _write_closed(self, number: int, code: int) -> None:
        if self._journal is not None:
            self._journal.closed(number, code)

    async def finish(self) -> None:
        """Until every socket and every attempt is gone."""
        attempts = [attempt for attempt in self._attempts.values() if attempt is not current_task()]
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        await asyncio.gather(*(connection.wait_closed() for connection in self._ending))
        self._ending.clear()

    # -- reading and writing ---------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Read nothing more on any of them until `release`."""
        self._holders += 1
        for connection in self._by_number.values():
            connection.hold()

    def release(self) -> bool:
        """Read again; whether nobody holds any more."""
        self._holders -= 1
        for connection in self._by_number.values():
            connection.release()
        return self._holders == 0

    def write(self, number: int, messages: Sequence[Message], unsendable: Callable[[Message, HubError], None]) -> None:
        """Write messages, as one array where the connection takes arrays (M12)."""
        connection = self._by_number.get(number)
        if connection is None:
            return
        if len(messages) > 1 and connection.takes_arrays and not any(map(is_media, messages)):
            try:
                self.write_one(connection, messages)
            except _UNSENDABLE:
                # It is one of them that has no form; alone each tells for itself.
                pass
            else:
                return
        for message in messages:
            try:
                self.write_one(connection, message)
            except _UNSENDABLE as fault:
                unsendable(message, fault)

    def write_one(self, connection: Connection, message: Message | Sequence[Message]) -> None:
        """Encode and write; TooLarge before it would cost the connection (L10)."""
        payload = connection.codec.encode(message)
        limit = len(payload) if self.max_message is None else self.max_message
        if len(payload) > limit:
            text = f"the message is {len(payload)} bytes, the hub takes {limit}"
            raise TooLarge(text, error="too_large", limit=limit)
        if self._debug:
            log_messages(">", message)
        if self._journal is not None:
            for one in message if isinstance(message, Sequence) else (message,):
                self._journal.message(connection.number, "out", one)
        if connection.send_nowait(payload):
            self.messages_out += 1
            self.bytes_out += len(payload)
