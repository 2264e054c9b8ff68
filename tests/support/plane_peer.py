"""The native plane from both sides: what Python drains, and what a peer on the other end of a socket sees."""

import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import orjson
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from channels._native import EVENT_CLOSED, EVENT_TEXT, Filter, Plane, Sieve

PATIENCE = 10.0
"""Seconds after which something that should have happened counts as missing."""

Entry = tuple[str, bytes, str | None, bytes | None, str | None, str | None]


def entry(data: bytes = b"1", *, event: str = "e", key: str | None = None) -> Entry:
    """An entry of a log without the members a test does not care for."""
    return (event, data, key, None, None, None)


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame with a mask of zeros."""
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload
    return bytes([first, 0x80 | 127]) + struct.pack("!Q", len(payload)) + bytes(4) + payload


class Running:
    """A started plane with small time-outs where a test asks for them; stopped at the end."""

    def __init__(self, **settings: Any) -> None:
        self.plane = Plane(**{"close_wait": 0.2, **settings})
        self.plane.start()
        self.pending: list[tuple[int, int, object, object]] = []
        self.peers: list[Peer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close every peer's end, then the plane, which then has nobody to wait for."""
        for peer in self.peers:
            peer.sock.close()
        assert self.plane.stop()

    def connect(self, *, head: bytes = b"", tail: bytes = b"", **options: Any) -> tuple[int, "Peer"]:
        """A socket pair: one end is the plane's, the other a peer's."""
        ours, theirs = socket.socketpair()
        self.peers.append(Peer(theirs))
        return self._attached(ours, head, tail, **options), self.peers[-1]

    def connect_tcp(self, **options: Any) -> tuple[int, "Peer"]:
        """A loopback connection, with the buffers and options of TCP."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        self.peers.append(Peer(theirs))
        return self._attached(ours, b"", b"", **options), self.peers[-1]

    def _attached(self, ours: socket.socket, head: bytes, tail: bytes, **options: Any) -> int:
        number = self.plane.attach(ours.detach(), head, tail, **options)
        self.plane.flush()
        return number

    def connect_echo(self) -> tuple[int, "Peer"]:
        """A connection whose messages come back."""
        ours, theirs = socket.socketpair()
        self.peers.append(Peer(theirs))
        number = self.plane.attach_echo(ours.detach(), b"", b"")
        self.plane.flush()
        return number, self.peers[-1]

    def open_log(self, channel: str = "logs", **options: Any) -> int:
        """A log that keeps everything unless told otherwise."""
        return self.plane.open_log(channel, **{"seconds": 1e9, "max_bytes": 1 << 30, **options})

    def append(self, log: int, *entries: Entry, ts: float = 1.0) -> tuple[str, int]:
        """Append and let the I/O threads know."""
        placed = self.plane.append(log, entries, ts)
        self.plane.flush()
        return placed

    def subscribe(self, conn: int, log: int, start: Any = "new", **options: Any) -> None:
        """Subscribe with an answer of the form that `Peer.subscribed` reads."""
        spec = (
            log,
            options.get("delivery", "all"),
            options.get("on_slow", "gap"),
            options.get("max_rate"),
            start,
            options.get("keep", False),
            options.get("ack"),
            self.sift(log, options.get("filter")),
        )
        self.plane.subscribe(conn, [spec], [b'{"type":"subscribed",', b"}"])
        self.plane.flush()

    def sift(self, log: int, text: str | None) -> Sieve | None:
        """A filter, written as JSON, on a log."""
        return None if text is None else self.plane.sift(log, Filter(text.encode()))

    def send(self, conn: int, data: bytes) -> None:
        """Send and let the I/O threads know."""
        self.plane.send(conn, data)
        self.plane.flush()

    def close(self, conn: int, code: int, reason: str) -> None:
        """Close and let the I/O threads know."""
        self.plane.close(conn, code, reason)
        self.plane.flush()

    def event(self, wanted: Callable[[tuple[int, int, object, object]], bool]) -> tuple[int, int, object, object]:
        """The next event that is wanted; those before it are kept for later calls."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for number, event in enumerate(self.pending):
                if wanted(event):
                    return self.pending.pop(number)
            readable, _, _ = select.select([self.plane.wakeup_fd()], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"nothing came but {self.pending}"
            self.pending += self.plane.drain()

    def until(self, figure: str, least: int) -> None:
        """Wait until a figure of `stats()` has grown to `least`; the plane has no other way to tell it."""
        deadline = time.monotonic() + PATIENCE
        while self.plane.stats()[figure] < least:  # type: ignore[operator]
            assert time.monotonic() < deadline, f"{figure} stayed below {least}"
            time.sleep(0.001)

    def until_durable(self, figure: str, least: int) -> None:
        """As `until`, of the figures of durable logs."""
        deadline = time.monotonic() + PATIENCE
        while self.plane.stats()["durable"][figure] < least:  # type: ignore[index]
            assert time.monotonic() < deadline, f"{figure} stayed below {least}"
            time.sleep(0.001)

    def text(self, conn: int) -> bytes:
        """The next message of a connection."""
        data = self.event(lambda event: event[:2] == (conn, EVENT_TEXT))[2]
        assert isinstance(data, bytes)
        return data

    def closed(self, conn: int) -> tuple[object, object]:
        """((code, reason), cause) of a connection that ends."""
        return self.event(lambda event: event[:2] == (conn, EVENT_CLOSED))[2:]


class Peer:
    """The client's end of a connection, on the sans-I/O codec of another library."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.protocol = Protocol(CLIENT, max_size=None)
        self.frames: list[Frame] = []
        self.ended = False

    def send(self, text: bytes) -> None:
        """One text message."""
        self.protocol.send_text(text)
        self.flush()

    def send_binary(self, data: bytes) -> None:
        """One binary message."""
        self.protocol.send_binary(data)
        self.flush()

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self.sock.sendall(data)

    def flush(self) -> None:
        """Write what the codec wants written."""
        for data in self.protocol.data_to_send():
            if data:
                self.sock.sendall(data)

    def frame(self) -> Frame | None:
        """The next frame; None at the end of the stream."""
        while not self.frames:
            if self.ended:
                return None
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if data:
                self.protocol.receive_data(data)
            else:
                self.ended = True
            self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self.frames.pop(0)

    def payload(self) -> tuple[Opcode, bytes]:
        """The next message with its fragments joined; control frames in between are passed over."""
        opcode, data = None, b""
        while True:
            frame = self.frame()
            assert frame is not None, "the stream ended"
            if frame.opcode in (Opcode.PING, Opcode.PONG):
                continue
            assert frame.opcode is not Opcode.CLOSE, f"a message was expected, a close came: {self.protocol.close_rcvd}"
            opcode = opcode or frame.opcode
            data += bytes(frame.data)
            if frame.fin:
                return opcode, data

    def message(self) -> Any:
        """The next JSON message."""
        return orjson.loads(self.payload()[1])

    def messages(self, count: int) -> list[Any]:
        """The next JSON messages."""
        return [self.message() for _ in range(count)]

    def subscribed(self) -> tuple[str, int]:
        """(position, behind) of the answer to `Running.subscribe`."""
        message = self.message()
        assert message["type"] == "subscribed"
        return message["position"], message["behind"]

    def offsets(self, count: int) -> list[int]:
        """Offsets of the next events."""
        return [message["offset"] for message in self.messages(count)]

    def control(self, opcode: Opcode) -> bytes:
        """The next frame, which is of this kind."""
        frame = self.frame()
        assert frame is not None, "the stream ended"
        assert frame.opcode is opcode
        return bytes(frame.data)

    def close_received(self) -> tuple[int, str]:
        """The close frame, behind any messages; it is answered, and the stream ends behind it."""
        while (frame := self.frame()) is not None:
            if frame.opcode is Opcode.CLOSE:
                break
        received = self.protocol.close_rcvd
        assert received is not None, "the stream ended without a close frame"
        with suppress(BrokenPipeError):
            self.flush()
        return received.code, received.reason
