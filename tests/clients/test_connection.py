"""How a connection hands over what comes: in slices, in order, and never more than is wanted."""

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from neurograph_ws_client.codec import JsonCodec
from neurograph_ws_client.connection import SLICE, Connection


class FakeTransport:
    """Whether it is read."""

    is_reading = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class FakeWire:
    """The socket of a connection, driven by the test."""

    subprotocol = "ng-ws.v1.json"
    heard_at = 0.0

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.is_open, self.is_gone = True, False
        self.protocol = SimpleNamespace(close_code=4213, close_reason="slow")
        self.end: Callable[[], None] = lambda: None

    def attach(self, taken: Callable[[bytes], None], read: Callable[[], None], ended: Callable[[], None]) -> None:
        self._taken, self._read, self.end = taken, read, ended

    def bring(self, payload: bytes) -> None:
        self._taken(payload)
        self._read()


class Received:
    """What was handed over, and how it ended."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.ending: tuple[int, str] | None = None

    def payloads_received(self, connection: Connection, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            self.payload_received(connection, payload)

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        self.payloads.append(payload)

    def connection_closed(self, connection: Connection, code: int, reason: str) -> None:
        self.ending = (code, reason)


@pytest.fixture
async def ends() -> tuple[FakeWire, Connection, Received]:
    wire, received = FakeWire(), Received()
    connection = Connection(wire, JsonCodec(), received)  # type: ignore[arg-type]  # as much of a wire as is used
    connection.start()
    return wire, connection, received


Ends = tuple[FakeWire, Connection, Received]


async def turn() -> None:
    """One turn of the loop."""
    await asyncio.sleep(0)


async def test_a_burst_is_handed_over_a_slice_a_turn_and_not_read_further_meanwhile(ends: Ends) -> None:
    wire, _, received = ends
    for number in range(3 * SLICE):
        wire.bring(b"%d" % number)
    seen: list[Any] = []
    for _ in range(4):
        await turn()
        seen.append((len(received.payloads), wire.transport.is_reading))
    assert seen == [(SLICE, False), (2 * SLICE, True), (3 * SLICE, True), (3 * SLICE, True)]
    assert received.payloads == [b"%d" % number for number in range(3 * SLICE)]


async def test_while_it_is_held_nothing_is_handed_over_and_nothing_read(ends: Ends) -> None:
    wire, connection, received = ends
    connection.hold()
    connection.hold()
    wire.bring(b"1")
    await turn()
    assert (received.payloads, wire.transport.is_reading, connection.is_held) == ([], False, True)
    connection.release()
    await turn()
    assert received.payloads == []
    connection.release()
    await turn()
    assert (received.payloads, wire.transport.is_reading, connection.is_held) == ([b"1"], True, False)


async def test_a_consumer_that_holds_in_the_middle_of_a_slice_stops_it_there(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, connection, received = ends

    def take(_: Connection, payload: bytes) -> None:
        received.payloads.append(payload)
        if payload == b"2":
            connection.hold()

    monkeypatch.setattr(received, "payload_received", take)
    for payload in (b"1", b"2", b"3"):
        wire.bring(payload)
    await turn()
    assert received.payloads == [b"1", b"2"]
    connection.release()
    await turn()
    assert received.payloads == [b"1", b"2", b"3"]


@pytest.mark.clause("X6")
async def test_what_came_before_the_end_is_handed_over_before_the_end_is_told(ends: Ends) -> None:
    wire, _, received = ends
    for number in range(SLICE + 1):
        wire.bring(b"%d" % number)
    wire.end()
    await turn()
    endings = [received.ending]
    await turn()
    assert [*endings, received.ending] == [None, (4213, "slow")]
    assert len(received.payloads) == SLICE + 1


async def test_what_fails_at_one_payload_keeps_neither_the_rest_nor_the_end_back(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, _, received = ends

    def take(_: Connection, payload: bytes) -> None:
        received.payloads.append(payload)
        if payload == b"2":
            raise LookupError("a mistake of the client")

    monkeypatch.setattr(received, "payload_received", take)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    for number in range(1, 5):
        wire.bring(b"%d" % number)
    wire.end()
    for _ in range(3):
        await turn()
    assert (received.payloads, received.ending) == ([b"1", b"2", b"3", b"4"], (4213, "slow"))
    assert [type(fault) for fault in told] == [LookupError]
