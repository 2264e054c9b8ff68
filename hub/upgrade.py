"""A request that asks for a WebSocket: its socket is given to the data plane, or kept by the library and relayed.

`HubWebSocketProtocol` offers the endpoint the ASGI extension `neurograph.handover`: the detached socket, to be given to
the plane. Where it cannot (TLS, bytes still unsent) the extension is absent or answers None, and the endpoint relays.
A request of the plain form that clients send is answered without the library, which reads only what stays with it, and
what is not of that form: then its judgement counts.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import os
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.utils import ClientDisconnected, is_ssl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from hub.handshake import HandshakeLimits, is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn.config import Config
    from uvicorn.server import ServerState
    from websockets.datastructures import Headers
    from websockets.http11 import Request

    Field = tuple[bytes, bytes]

EXTENSION = "neurograph.handover"

RELAYED_MESSAGE = 16_777_216
"""Bytes of the largest message that is relayed: the most that any channel may take (L7). What is too large for its
channel is the plane's to refuse; beyond this the library closes with 1009."""
CLOSE_WAIT = 2.0
"""Seconds for a peer to answer a close frame, or to take what was sent before it (X6)."""

logger = logging.getLogger("hub.handover")
logger.setLevel(logging.WARNING)

refusals: Counter[str] = Counter()
"""Handshakes refused or cut here since the start, by reason: the label `handshake/<reason>` of the errors metric."""


@dataclass(frozen=True, slots=True)
class Detached:
    """A socket that belongs to nobody yet: pass it to `Plane.attach`, or close `fd`."""

    fd: int
    head: bytes
    """The response 101, not yet sent."""
    tail: bytes
    """What the client has sent behind its request so far."""


class _Upgrade(ServerProtocol):
    """The handshake of the library, without what the endpoint decides: it reads the headers for itself (hs6, hs8)."""

    def process_origin(self, headers: Headers) -> None:
        """C12 is the endpoint's."""

    def process_extensions(self, headers: Headers) -> tuple[None, list[Any]]:
        """B2 is the endpoint's, who can compress only what it writes itself: a relay declines every offer."""
        return None, []

    def process_subprotocol(self, headers: Headers) -> None:
        """C3 is the endpoint's."""


class _Deadline:
    """Ends the connection of `transport` where its handshake takes too long (L4)."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._transport = transport
        self._timer = loop.call_at(at, self._expired)

    @property
    def at(self) -> float:
        """When, by the loop's clock."""
        return self._timer.when()

    def disarm(self) -> None:
        """The handshake is over."""
        self._timer.cancel()

    def _expired(self) -> None:
        refusals["timeout"] += 1
        self._transport.abort()


class KeptWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection, for what is not handed over: it is answered, and relayed, by the library.

    It behaves as the plane does: the same heartbeat, the same time for the last frames.
    """

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.logger = logger  # the ancestor's own logs the query, and with it credentials (C8)
        self.conn = _Upgrade(max_size=RELAYED_MESSAGE, logger=logger)
        self.close_timeout = CLOSE_WAIT
        self._tail = bytearray()
        self._most = 0

    def take_over(self, upgrade: HubWebSocketProtocol) -> None:
        """Own the connection of `upgrade` from now on; its handshake ends when it was to (L4)."""
        self.connections.add(self)
        self.transport, self.server, self.client = upgrade.transport, upgrade.server, upgrade.client
        self.scheme = "wss" if is_ssl(upgrade.transport) else "ws"
        self.ping_interval, self.ping_timeout = upgrade.heartbeat
        self._tail, self._most = upgrade.tail, upgrade.limits.tail
        self._deadline = _Deadline(self.transport, self.loop, upgrade.deadline)
        self.transport.set_protocol(self)

    def read(self, url: bytes, headers: Sequence[Field]) -> None:
        """Let the library read the request, and refuse it if it must."""
        lines = [b"GET %b HTTP/1.1" % url, *(b"%b: %b" % header for header in headers), b"", b""]
        super().data_received(b"\r\n".join(lines))

    def handle_connect(self, event: Request) -> None:
        """The library has read the request; the endpoint is asked elsewhere."""
        self.response = self.conn.accept(event)
        self.handshake_initiated = True
        if self.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep what comes before the upgrade is answered (hs10); it is parsed then."""
        if not self.handshake_initiated or self.handshake_complete:
            super().data_received(data)
            return
        self._tail += data
        if len(self._tail) >= self._most:
            self.transport.pause_reading()

    async def send(self, message: Any) -> None:
        """ASGI `send`; an accepted (relayed) connection is given what was kept of its first bytes."""
        was_complete = self.handshake_complete
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # answered: the ancestor would call it an endpoint that forgot to
        if self.handshake_complete and not was_complete:
            self._deadline.disarm()
            tail, self._tail = bytes(self._tail), bytearray()
            if tail and not self.close_sent:
                super().data_received(tail)
            if len(tail) >= self._most and not self.read_paused:
                self.transport.resume_reading()

    async def finish(self, fault: BaseException | None) -> None:
        """The endpoint is done, or raised `fault`; a peer that takes no bytes does not hold the connection (X6)."""

        async def outcome(*_: Any) -> None:
            if fault is not None:
                raise fault

        self.app = outcome
        await self.run_asgi()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(CLOSE_WAIT, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Nothing came for interval and time-out: the code of the protocol instead of 1011 (H3)."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(4208, "timeout")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()


class HubWebSocketProtocol(asyncio.Protocol):
    """A connection whose upgrade is not answered yet: the endpoint detaches its socket, or what it says is kept."""

    limits: ClassVar[HandshakeLimits] = HandshakeLimits()
    offers_handover: ClassVar[bool] = True
    heartbeat: ClassVar[tuple[float, float]] = (30.0, 10.0)
    """Interval and time-out (H1, H3)."""

    transport: asyncio.Transport
    server: tuple[str, int | None] | None
    client: tuple[str, int] | None
    deadline: float
    """Of the handshake, by the loop's clock."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.tail = bytearray()
        """What the client has sent behind its request so far."""
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._loop = loop
        self._scope: dict[str, Any] = {}
        self._key = ""
        self._kept: KeptWebSocket | None = None
        self._is_asked = self._is_detached = self._is_lost = False

    def take_over(
        self,
        transport: asyncio.Transport,
        server: tuple[str, int | None] | None,
        client: tuple[str, int] | None,
        deadline: float,
    ) -> None:
        """`transport` is of this connection from now on; its handshake ends at `deadline` of the loop's clock (L4)."""
        self._state.connections.add(cast("Any", self))
        self.transport, self.server, self.client, self.deadline = transport, server, client, deadline
        self._deadline = _Deadline(transport, self._loop, deadline)
        transport.set_protocol(self)

    def begin(self, url: bytes, headers: Sequence[Field]) -> None:
        """The request that was let pass: ask the endpoint, or let the library say what it has against it."""
        fields = [(name, value.strip(b" \t")) for name, value in headers]
        if not is_plain(url, fields):
            kept = self._keep(url, fields)
            if kept.close_sent or self.transport.is_closing():
                return
        self._key = next(value for name, value in fields if name == b"sec-websocket-key").decode()
        self._scope = self._scope_of(url, fields)
        task = self._loop.create_task(self._run())
        task.add_done_callback(self._state.tasks.discard)
        self._state.tasks.add(task)

    def _scope_of(self, url: bytes, headers: list[Field]) -> dict[str, Any]:
        raw_path, _, query = url.partition(b"?")
        path, root = raw_path.decode("ascii"), self._config.root_path
        is_secure = is_ssl(self.transport)
        extensions: dict[str, Any] = {"websocket.http.response": {}}
        if self.offers_handover and not is_secure:
            extensions[EXTENSION] = {"detach": self.detach}
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_secure else "ws",
            "server": self.server,
            "client": self.client,
            "root_path": root,
            "path": root + (urllib.parse.unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + raw_path,
            "query_string": query,
            "headers": headers,
            "subprotocols": _offers(headers),
            "state": self._app_state.copy(),
            "extensions": extensions,
        }

    async def _run(self) -> None:
        fault: BaseException | None = None
        try:
            await self._config.loaded_app(self._scope, self._receive, self._send)
        except BaseException as error:  # noqa: BLE001 - told by `finish`, or here
            fault = error
        if self._is_detached or (self._is_lost and self._kept is None):
            if fault is not None and not isinstance(fault, ClientDisconnected):
                logger.error("Exception in ASGI application\n", exc_info=fault)
        else:
            await self._keep().finish(fault)

    async def _receive(self) -> Any:
        """ASGI `receive`: first that there is a connection, then what the peer says."""
        if not self._is_asked:
            self._is_asked = True
            return {"type": "websocket.connect"}
        return await self._keep().receive()

    async def _send(self, message: Any) -> None:
        """ASGI `send`."""
        if self._is_lost and self._kept is None:
            raise ClientDisconnected
        await self._keep().send(message)

    def _keep(self, url: bytes = b"/", headers: Sequence[Field] = ()) -> KeptWebSocket:
        """The connection as the library's, which has read this request; of a plain one what counts is known."""
        if self._kept is None:
            self._deadline.disarm()
            self._state.connections.discard(cast("Any", self))
            self._kept = KeptWebSocket(self._config, self._state, self._app_state, self._loop)
            self._kept.take_over(self)
            self._kept.scope = cast("Any", self._scope)
            self._kept.read(url, headers or plain_headers(self._key))
        return self._kept

    def detach(self, subprotocol: str | None = None, extensions: str | None = None) -> Detached | None:
        """The socket, and the 101 to send on it; None where it cannot be had now, and the caller relays.

        One synchronous step: from here on this connection neither reads nor writes, and uvicorn does not count it.
        Raises `OSError` where no file descriptor is left, and `ConnectionError` where the peer has gone.
        """
        if self._is_lost or self._is_detached or self.transport.is_closing():
            raise ConnectionError("the peer closed the connection before the upgrade was answered")
        self.transport.pause_reading()
        sock = self.transport.get_extra_info("socket")
        if sock is None or self.transport.get_write_buffer_size():
            self.transport.resume_reading()
            return None
        fd = os.dup(sock.fileno())
        self._is_detached = True
        self._deadline.disarm()
        self._state.connections.discard(cast("Any", self))
        # Closes this descriptor only, without a shutdown: the TCP connection lives on in the duplicate.
        self.transport.abort()
        return Detached(fd, switching_protocols(self._key, subprotocol, extensions), bytes(self.tail))

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.disarm()
        self._is_lost = True
        self._state.connections.discard(cast("Any", self))

    def data_received(self, data: bytes) -> None:
        """Keep what comes before the upgrade is answered (hs10); it is parsed by whoever owns the socket then."""
        if self._is_detached:
            return
        self.tail += data
        if len(self.tail) >= self.limits.tail:
            self.transport.pause_reading()

    def shutdown(self) -> None:
        """The server ends: nobody was answered."""
        self._keep().shutdown()


def switching_protocols(key: str, subprotocol: str | None = None, extensions: str | None = None) -> bytes:
    """The response 101 to an upgrade request with that `Sec-WebSocket-Key` (RFC 6455, 4.2.2)."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        f"Date: {_date(int(time.time()))}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if extensions is not None:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


@lru_cache(1)
def _date(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)


def plain_headers(key: str) -> list[Field]:
    """What a request has to say, in its plainest form, for a connection of that key to be upgraded."""
    return [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", key.encode("ascii")),
    ]


def _offers(headers: Sequence[Field]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [offer.strip() for value in values for offer in value.split(",")]
