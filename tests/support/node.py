"""`Node`: what stands between the plane and the sessions, on real native parts, with clocks that a test moves.

Peers are virtual connections of the plane, so there is no server, no socket and no handshake here.
"""

import asyncio
import json
import time
from typing import Any, Self

from channels import SignalPump, SignalSystem
from channels._native import Plane
from channels.backplane import Backplane
from channels.broker import Broker
from channels.buckets import SubjectBuckets
from channels.config import Catalog
from hub.admission import Admission, AdmissionLimits
from hub.auth import ANONYMOUS, AuthError, Identity
from hub.connection import Connection, Newcomer
from hub.connections import Connections
from hub.counters import Counters
from hub.emissions import Emissions
from hub.protocol.subprotocols import CODECS
from hub.resumption import Resumption
from hub.session import Moment, Policy
from hub.session.policy import Surroundings, Tally

CLOSE_FRAME = 8
MAX_GRANTS = 20
"""Channels to which the publishes of a connection need no Python, where that is on."""
PATIENCE = 10.0
WALL = 1_767_225_600.0


class Output:
    """Stands where a relay stands: takes what the plane has for one peer."""

    def __init__(self, plane: Plane, number: int) -> None:
        self.received: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self.close: tuple[int, str] | None = None
        self.ended: tuple[int, str] | None = None
        self.news = asyncio.Event()
        self._plane = plane
        self._number = number

    def output_ready(self) -> None:
        while output := self._plane.take_output(self._number):
            for opcode, payload in output:
                if opcode == CLOSE_FRAME:
                    self.close = (int.from_bytes(payload[:2], "big"), payload[2:].decode())
                else:
                    self.seen.append(json.loads(payload))
                    self.received.append(self.seen[-1])
        self.news.set()

    def feed_ready(self) -> None:
        self.news.set()

    def closed(self, code: int, reason: str) -> None:
        self.ended = (code, reason)
        self.news.set()


class Peer:
    """One virtual connection, of `who`."""

    def __init__(self, node: "Node", who: Identity | None, **newcomer: Any) -> None:
        self.node = node
        self.number = node.plane.attach_virtual()
        self.output = Output(node.plane, self.number)
        arrival = Newcomer(CODECS[None], newcomer.pop("address", "192.0.2.1"), who, **newcomer)
        node.peers.append(self)
        self.connection: Connection = node.connections.open(self.number, arrival, self.output)  # type: ignore[arg-type]

    def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.node.plane.feed(self.number, json.dumps(message).encode(), binary=False)
        self.node.plane.flush()

    @property
    def seen(self) -> list[dict[str, Any]]:
        """Everything received so far."""
        return self.output.seen

    async def next(self, kind: str) -> dict[str, Any]:
        """The next message of type `kind`, which is taken out of what was received."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for index, message in enumerate(self.output.received):
                    if message["type"] == kind:
                        del self.output.received[: index + 1]
                        return message
                self.output.news.clear()
                await self.output.news.wait()

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the hub's close frame."""
        async with asyncio.timeout(PATIENCE):
            while self.output.close is None:
                self.output.news.clear()
                await self.output.news.wait()
        return self.output.close

    async def gone(self) -> tuple[int, str]:
        """Code and reason with which the plane has ended it."""
        async with asyncio.timeout(PATIENCE):
            while self.output.ended is None:
                self.output.news.clear()
                await self.output.news.wait()
        return self.output.ended


class Node:
    """Use as an async context manager, inside a running loop."""

    def __init__(
        self,
        tables: dict[str, Any] | None = None,
        *,
        signals: dict[str, Any] | None = None,
        plane: dict[str, Any] | None = None,
        backplane: Backplane | None = None,
        name: str = "n1",
        resumption: Resumption | None = None,
        direct: bool = False,
        subjects: SubjectBuckets | None = None,
        **limits: Any,
    ) -> None:
        """With `direct` the I/O threads take publishes by themselves, and both clocks are the machine's."""
        self.name = name
        self._is_direct = direct
        self.now = 100.0
        self.wall = WALL
        self.identities: dict[str, Identity] = {}
        """Credential -> who bears it."""
        self.peers: list[Peer] = []
        self.counters = Counters()
        self.plane = Plane(**(plane or {}))
        self.catalog = Catalog.from_tables(tables or {})
        self.broker = Broker(
            self.plane, self.catalog, node=name, backplane=backplane, wall=self.read_wall, monotonic=self.read_now
        )
        self.signals = SignalSystem(**(signals or {}))
        self.pump = SignalPump(self.signals, self.broker)
        self.emissions = Emissions(self.signals, self.pump, monotonic=self.read_now)
        self.admission = Admission(AdmissionLimits())
        surroundings = Surroundings(
            Policy(node=name, **limits),
            self.catalog,
            self._log_in,
            SubjectBuckets() if subjects is None else subjects,
            tally=Tally(self.counters),
            resumption=Resumption() if resumption is None else resumption,
        )
        self.connections = Connections(
            self.plane,
            self.broker,
            surroundings,
            self.admission,
            self.emissions,
            self.counters,
            monotonic=self.read_now,
            wall=self.read_wall,
            max_grants=MAX_GRANTS if direct else 0,
        )

    def read_now(self) -> float:
        return time.monotonic() if self._is_direct else self.now

    def read_wall(self) -> float:
        return time.time() if self._is_direct else self.wall

    def peer(self, who: Identity | None = ANONYMOUS, **newcomer: Any) -> Peer:
        return Peer(self, who, **newcomer)

    def errors(self) -> dict[tuple[str, ...], int]:
        return dict(self.counters.values["errors"])

    def _log_in(self, credential: str, _address: str, _moment: Moment) -> Identity:
        if credential not in self.identities:
            raise AuthError("token_invalid", "expected a credential of this test")
        return self.identities[credential]

    async def __aenter__(self) -> Self:
        self.plane.start()
        await self.broker.start()
        self.pump.start()
        self.connections.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        for peer in self.peers:
            self.plane.feed_close(peer.number, 1000, "")
        await self.connections.close_all()
        self.pump.stop()
        await self.broker.stop()
        self.connections.stop()
        self.plane.stop()
        self.signals.close()
