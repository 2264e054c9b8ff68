"""The fast way of taking frames gives what websockets gives, however the bytes are cut."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurograph_ws_client.connection import FIRST_LIMIT
from neurograph_ws_client.wire import Wire
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

URI = parse_uri("ws://localhost/ws")


class FakeTransport(asyncio.Transport):
    """Takes what is written, as a socket would."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """A fake has no limits."""

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


def message(payload: bytes, cuts: int) -> bytes:
    """One message in so many fragments, with a ping between them."""
    if cuts <= 1:
        return frame(Opcode.TEXT, payload)
    size = len(payload) // cuts + 1
    pieces = [payload[at : at + size] for at in range(0, max(len(payload), 1), size)]
    frames = [frame(Opcode.TEXT, pieces[0], fin=len(pieces) == 1)]
    for number, piece in enumerate(pieces[1:], 2):
        frames += [frame(Opcode.PING, b"?"), frame(Opcode.CONT, piece, fin=number == len(pieces))]
    return b"".join(frames)


class Long(bytes):
    """Shown in a word: three of them would be too much for a report."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


LONG = Long(b"x" * 70_000)
MESSAGES = st.lists(st.tuples(st.binary(max_size=300) | st.just(LONG), st.integers(1, 4)), max_size=12)


async def opened() -> tuple[Wire, FakeTransport, bytes]:
    """A wire that has sent its handshake, and the answer to it."""
    wire = Wire(ClientProtocol(URI, max_size=FIRST_LIMIT), ping_interval=None)
    transport = FakeTransport()
    wire.connection_made(transport)
    wire.request = wire.protocol.connect()
    wire.protocol.send_request(wire.request)
    wire.send_data()
    server = ServerProtocol()
    server.receive_data(transport.written)
    (request,) = server.events_received()
    server.send_response(server.accept(request))  # type: ignore[arg-type]  # a Request: nothing else was sent
    return wire, transport, b"".join(server.data_to_send())


@pytest.mark.clause("B1")
@settings(max_examples=60, deadline=None)
@given(messages=MESSAGES, steps=st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_the_same_payloads_come_out_however_the_bytes_are_cut(
    messages: list[tuple[bytes, int]], steps: list[int]
) -> None:
    async def run() -> list[bytes]:
        wire, _, answer = await opened()
        taken: list[bytes] = []
        wire.attach(taken.append, lambda: None, lambda: None)
        stream, at, turn = answer + b"".join(message(*one) for one in messages), 0, 0
        while at < len(stream):
            step = steps[turn % len(steps)]
            wire.data_received(stream[at : at + step])
            at, turn = at + step, turn + 1
        return taken

    assert asyncio.run(run()) == [payload for payload, _ in messages]


async def test_what_comes_with_the_handshake_is_kept_until_somebody_listens() -> None:
    wire, _, answer = await opened()
    wire.data_received(answer + frame(Opcode.TEXT, b"welcome"))
    taken: list[bytes] = []
    wire.attach(taken.append, lambda: None, lambda: None)
    assert taken == [b"welcome"]


@pytest.mark.clause("L11")
@pytest.mark.parametrize("size", [FIRST_LIMIT + 1, 2**40])
async def test_a_message_beyond_the_limit_is_refused_from_its_header(size: int) -> None:
    wire, transport, answer = await opened()
    wire.data_received(answer)
    wire.data_received(b"\x81\x7f" + size.to_bytes(8, "big"))
    assert (wire.protocol.close_sent is not None, wire.protocol.close_sent and wire.protocol.close_sent.code) == (
        True,
        1009,
    )
    assert b"\x88" in transport.written


async def test_a_masked_frame_of_a_hub_is_a_fault() -> None:
    wire, _, answer = await opened()
    wire.data_received(answer + b"\x81\x81aaaab")
    assert wire.protocol.close_sent is not None
    assert wire.protocol.close_sent.code == 1002


async def test_a_text_frame_within_a_fragmented_message_is_a_fault() -> None:
    wire, _, answer = await opened()
    wire.data_received(answer + frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"))
    assert wire.protocol.close_sent is not None
    assert wire.protocol.close_sent.code == 1002


async def test_a_frame_that_was_cut_by_a_close_of_ours_is_not_lost_to_the_parser() -> None:
    wire, _, answer = await opened()
    taken: list[bytes] = []
    wire.attach(taken.append, lambda: None, lambda: None)
    whole = frame(Opcode.TEXT, b"late") + frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))
    wire.data_received(answer + whole[:3])
    wire.protocol.send_close(1000, "")
    wire.data_received(whole[3:])
    assert (taken, wire.protocol.close_rcvd is not None) == ([b"late"], True)


async def test_the_body_of_a_refusal_is_left_to_websockets() -> None:
    wire, _, _ = await opened()
    body = b"no room\n"
    response = Response(503, "Busy", Headers({"Content-Length": str(len(body)), "Retry-After": "3"}), body)
    sent = response.serialize()
    for at in range(0, len(sent), 7):
        wire.data_received(sent[at : at + 7])
    assert wire.response is not None
    assert (wire.response.status_code, wire.response.body) == (503, body)


async def test_websockets_still_takes_a_connection_class_of_ours() -> None:
    """The two hooks this module lives on: `create_connection` and `process_event`."""
    assert connect("ws://localhost/ws", create_connection=Wire).factory(URI).__class__ is Wire
