"""Many frames of one peer at once: what is sent together is read in one turn, as runs of publishes or one by one."""

import asyncio
import re
import socket
from collections.abc import Sequence
from typing import Any, Self

import orjson
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from channels._native import EVENT_PUBLISHES, EVENT_TEXT
from hub.auth import ANONYMOUS, Identity
from hub.connection import Newcomer
from hub.protocol.subprotocols import CODECS
from tests.support.node import PATIENCE, Node

_LAST = b'{"type":"pong","id":"last"'
_EPOCH = re.compile(rb'"[A-Za-z0-9_-]{4,16}:([0-9]+)"')


def split_runs(node: Node) -> None:
    """From now on `node` handles each publish of a run as if it had come alone."""
    turns, handle = node.connections._turns, node.connections._handle

    def singly(event: Any, moment: Any) -> None:
        number, kind, a, _ = event
        if kind != EVENT_PUBLISHES:
            handle(event, moment)
            return
        for frame in a.frames():
            handle((number, EVENT_TEXT, frame, None), moment)

    turns._handle = singly


def without_epochs(answer: bytes) -> bytes:
    """Two nodes have different ones."""
    return _EPOCH.sub(rb'"epoch:\1"', answer)


class Burst:
    """A socket of a node; use as an async context manager."""

    def __init__(self, node: Node, who: Identity | None = ANONYMOUS, subprotocol: str | None = None) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.number = node.plane.attach(ours.detach(), b"", b"")
        arrival = Newcomer(CODECS[subprotocol], "192.0.2.1", who)
        self.connection = node.connections.open(self.number, arrival)
        self.closed: int | None = None
        self._protocol = Protocol(CLIENT)
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        await self.answers(1)  # the welcome
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.sock.close()

    async def say(self, *messages: Any) -> None:
        """Each a document, or the text of a frame; all of them in one write."""
        texts = [one if isinstance(one, bytes) else orjson.dumps(one) for one in messages]
        await self._loop.sock_sendall(
            self.sock, b"".join(Frame(Opcode.TEXT, text).serialize(mask=True) for text in texts)
        )

    async def ask(self, *messages: Any) -> list[bytes]:
        """`say`, and every answer up to that to a ping which comes last that is left, if the hub closes before."""
        await self.say(*messages, {"type": "ping", "id": "last"})
        answers: list[bytes] = []
        is_last = False
        while self.closed is None and not is_last:
            found = await self.answers(1)
            is_last = any(one.startswith(_LAST) for one in found)
            answers += [one for one in found if not one.startswith(_LAST)]
        return answers

    async def answers(self, least: int) -> list[bytes]:
        """At least so many messages, unless the hub closes before."""
        found: list[bytes] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < least and self.closed is None:
                data = await self._loop.sock_recv(self.sock, 1 << 16)
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
                    self.closed = self.closed or 1006
                for event in self._protocol.events_received():
                    if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                        self.closed = int.from_bytes(event.data[:2], "big")
                    elif isinstance(event, Frame):
                        found.append(bytes(event.data))
        return found


def documents(answers: Sequence[bytes]) -> list[dict[str, Any]]:
    """The answers, read."""
    return [orjson.loads(one) for one in answers]
