"""How a socket gets from uvicorn to the data plane: our HTTP and WebSocket protocol classes for uvicorn.

`HubHttpProtocol` adds what uvicorn lacks against hostile sockets: a time-out from accept to the end of the handshake
(L4), limits that are answered (L5), strict hosts and upgrade requests, and it keeps the bytes that came behind the
upgrade request in the same segment. `HubWebSocketProtocol` offers the endpoint the ASGI extension
`neurograph.handover`: the detached socket, to be given to the plane. Where it cannot (TLS, bytes still unsent) the
extension is absent or answers None, and the endpoint relays.
"""

from __future__ import annotations

import logging
import os
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.server import ServerProtocol

from hub.handshake import HandshakeLimits, Refusal, check_host, check_line, check_size, check_upgrade, is_upgrade

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState
    from websockets.datastructures import Headers
    from websockets.http11 import Request

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


class HubHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection with a clock, limits that are answered, and no byte lost at an upgrade."""

    limits: ClassVar[HandshakeLimits] = HandshakeLimits()

    def __init__(self, *arguments: Any, **members: Any) -> None:
        super().__init__(*arguments, **members)
        # Of the handshake: it is made at accept, before a handshake of TLS, which counts (L4).
        self._deadline = self.loop.time() + self.limits.timeout

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._head_bytes = 0
        self._seam = b""
        self._in_head = True
        self._in_body = False
        self._refusal: Refusal | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._arm(self._deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._arm(self.loop.time() + self.limits.timeout)
        if self._in_head:
            self._count_head(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refusal = self._refusal or Refusal(400, "this is not a well-formed HTTP/1.1 request", "malformed")
        self._refusal = self._refusal or self._oversized
        if self._refusal is not None:
            self._refuse(self._refusal)

    def _count_head(self, data: bytes) -> None:
        """Bytes on the wire, since the parser drops white space, and shows a header only when it has ended."""
        end = (self._seam + data).find(b"\r\n\r\n")
        self._head_bytes += len(data) if end < 0 else end + 4 - len(self._seam)
        self._seam = (self._seam + data)[-3:]

    @property
    def _oversized(self) -> Refusal | None:
        if self._head_bytes <= self.limits.head_bytes:
            return None
        return Refusal(431, f"headers: at most {self.limits.headers_bytes} bytes are taken together", "headers")

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._refusal = self._refusal or check_line(self.url, self.limits)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._refusal is not None:
            return
        super().on_header(name, value)
        self._refusal = check_size(self.headers, self.limits)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._refusal = self._refusal or self._check_head()
        if self._refusal is None:
            self._disarm()
            if not self._should_upgrade():
                self._in_body = True
                self._arm(self.loop.time() + self.limits.body_timeout)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusal is None:
            if not self._should_upgrade():
                self._disarm()
                self._head_bytes, self._seam, self._in_head, self._in_body = 0, b"", True, False
            super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return self._should_upgrade_to_ws() and is_upgrade(self.headers)

    def _check_head(self) -> Refusal | None:
        if refusal := self._oversized or check_host(self.headers, self.parser.get_http_version()):
            return refusal
        try:
            path = httptools.parse_url(self.url).path or b""
            urllib.parse.unquote_to_bytes(path).decode()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            path = b""
        if not path.startswith(b"/"):
            return Refusal(400, "request target: expected a path that starts with / and is UTF-8", "malformed")
        if self.parser.should_upgrade() and not self._should_upgrade():
            return Refusal(400, "Upgrade: only websocket is known here", "malformed")
        return None

    def _upgrade(self, tail: bytes) -> None:
        if self._refusal is not None:
            return
        if self._is_answering:
            self._refusal = Refusal(400, "WebSocket: expected the answer to be awaited before an upgrade", "malformed")
            return
        method = self.parser.get_method().decode("ascii")
        self._refusal = check_upgrade(method, self.parser.get_http_version(), self.headers)
        if self._refusal is None:
            self._disarm()
            self._hand_to_websocket(tail)

    def _hand_to_websocket(self, tail: bytes) -> None:
        self.connections.discard(self)
        head = [b"GET ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            head += [name, b": ", value, b"\r\n"]
        make: Any = self.ws_protocol_class
        protocol = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        protocol.handshake_deadline = self._deadline
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(b"".join([*head, b"\r\n"]))
        if tail:
            protocol.data_received(tail)

    def _arm(self, deadline: float) -> None:
        self._disarm()
        self._deadline = deadline
        self._head_timer = self.loop.call_at(deadline, self._expired)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expired(self) -> None:
        refusals["timeout"] += 1
        self._head_timer = None
        self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        refusals[refusal.label] += 1
        self._disarm()
        if self.transport.is_closing():
            return
        if self._is_answering:
            self._end_after_answers()
            return
        if self._in_body:
            self._give_up_request()
        self.transport.write(_response(refusal))
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        # What the peer still sends is read and thrown away for a while: closing over unread bytes would reset the
        # connection, and the peer could lose the answer.
        self.transport.write_eof()
        self._head_timer = self.loop.call_later(CLOSE_WAIT, self.transport.abort)

    @property
    def _is_answering(self) -> bool:
        """Whether an answer is due that a refusal now would be taken for (pipelined requests)."""
        if self._in_body:
            return bool(self.pipeline) or self.cycle.response_started
        return self.cycle is not None and not self.cycle.response_complete

    def _end_after_answers(self) -> None:
        """No refusal: the last sound request is answered, then the connection ends."""
        if not self._in_body:
            self.cycle.keep_alive = False
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self.transport.abort()  # the broken one itself waits its turn, or is half answered

    def _give_up_request(self) -> None:
        """The endpoint, which waits for the rest of the body, hears that none comes and answers nobody."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()


class _Upgrade(ServerProtocol):
    """The handshake of the library, without what the endpoint decides: it reads the headers for itself (hs6, hs8)."""

    def process_origin(self, headers: Headers) -> None:
        """C12 is the endpoint's."""

    def process_extensions(self, headers: Headers) -> tuple[None, list[Any]]:
        """B2 is the endpoint's, who can compress only what it writes itself: a relay declines every offer."""
        return None, []

    def process_subprotocol(self, headers: Headers) -> None:
        """C3 is the endpoint's."""


class HubWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection, which can give its socket away before the upgrade is answered.

    Where it is kept (relayed), it behaves as the plane does: the same heartbeat, the same time for the last frames.
    """

    limits: ClassVar[HandshakeLimits] = HandshakeLimits()
    offers_handover: ClassVar[bool] = True
    heartbeat: ClassVar[tuple[float, float]] = (30.0, 10.0)
    """Interval and time-out (H1, H3)."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = logger  # the ancestor's own logs the query, and with it credentials (C8)
        self.conn = _Upgrade(max_size=RELAYED_MESSAGE, logger=logger)
        self.handshake_deadline = self.loop.time() + self.limits.timeout
        """Of the loop's clock; `HubHttpProtocol`, which has begun the handshake, brings its own (L4)."""
        self.ping_interval, self.ping_timeout = self.heartbeat
        self.close_timeout = CLOSE_WAIT

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._tail = bytearray()
        self._detached = False
        self._timer: asyncio.TimerHandle | None = self.loop.call_at(self.handshake_deadline, self._expired)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        # `detach` has taken itself out already, and the ancestor insists on finding itself.
        self.connections.add(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep what comes before the upgrade is answered (hs10); it is parsed by whoever owns the socket then."""
        if self._detached:
            return
        if not self.handshake_initiated or self.handshake_complete:
            super().data_received(data)
            return
        self._tail += data
        if len(self._tail) >= self.limits.tail:
            self.transport.pause_reading()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope") and self.offers_handover and self.scheme == "ws":
            self.scope["extensions"][EXTENSION] = {"detach": self.detach}

    def detach(self, subprotocol: str | None = None, extensions: str | None = None) -> Detached | None:
        """The socket, and the 101 to send on it; None where it cannot be had now, and the caller relays.

        One synchronous step: from here on this connection neither reads nor writes, and uvicorn does not count it.
        Raises `OSError` where no file descriptor is left, and `ConnectionError` where the peer has gone.
        """
        if self.handshake_complete or self.transport.is_closing():
            raise ConnectionError("the peer closed the connection before the upgrade was answered")
        self.transport.pause_reading()
        sock = self.transport.get_extra_info("socket")
        if sock is None or self.transport.get_write_buffer_size():
            self.transport.resume_reading()
            return None
        fd = os.dup(sock.fileno())
        if subprotocol is not None:
            self.response.headers["Sec-WebSocket-Protocol"] = subprotocol
        if extensions is not None:
            self.response.headers["Sec-WebSocket-Extensions"] = extensions
        self.conn.send_response(self.response)
        head = b"".join(self.conn.data_to_send())
        self._detached = self.handshake_complete = self.close_sent = True
        self._disarm()
        self.connections.discard(self)
        # Closes this descriptor only, without a shutdown: the TCP connection lives on in the duplicate.
        self.transport.abort()
        return Detached(fd, head, bytes(self._tail))

    async def send(self, message: Any) -> None:
        """ASGI `send`; an accepted (relayed) connection is given what was kept of its first bytes."""
        was_complete = self.handshake_complete
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # answered: the ancestor would call it an endpoint that forgot to
        if self.handshake_complete and not was_complete:
            self._disarm()
            tail, self._tail = bytes(self._tail), bytearray()
            if tail and not self.close_sent:
                super().data_received(tail)
            if len(tail) >= self.limits.tail and not self.read_paused:
                self.transport.resume_reading()

    async def run_asgi(self) -> None:
        """The endpoint; a peer that takes no bytes does not hold the connection after it (X6)."""
        await super().run_asgi()
        if not self._detached and self.transport.get_write_buffer_size():
            self.loop.call_later(CLOSE_WAIT, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Nothing came for interval and time-out: the code of the protocol instead of 1011 (H3)."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(4208, "timeout")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        refusals["timeout"] += 1
        self._timer = None
        self.transport.abort()


def protocols(
    limits: HandshakeLimits, *, handover: bool = True, heartbeat: tuple[float, float] = (30.0, 10.0)
) -> tuple[type[HubHttpProtocol], type[HubWebSocketProtocol]]:
    """The two classes for uvicorn's `http` and `ws`, with these limits; `handover=False` relays every connection."""
    http = type("HubHttpProtocol", (HubHttpProtocol,), {"limits": limits})
    members = {"limits": limits, "offers_handover": handover, "heartbeat": heartbeat}
    return http, type("HubWebSocketProtocol", (HubWebSocketProtocol,), members)


def _response(refusal: Refusal) -> bytes:
    phrase = HTTPStatus(refusal.status).phrase
    body = f"{refusal.reason}\n".encode()
    head = f"HTTP/1.1 {refusal.status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
    head += f"content-length: {len(body)}\r\n"
    extra = b"".join(name + b": " + value + b"\r\n" for name, value in refusal.headers)
    closing = b"" if any(name == b"connection" for name, _ in refusal.headers) else b"connection: close\r\n"
    return head.encode() + extra + closing + b"\r\n" + body
