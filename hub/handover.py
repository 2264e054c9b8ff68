"""uvicorn's HTTP connection as the hub needs it, up to the point where a request asks for a WebSocket.

`HubHttpProtocol` adds what uvicorn lacks against hostile sockets: a time-out from accept to the end of the handshake
(L4), limits that are answered (L5), strict hosts and upgrade requests, and it keeps the bytes that came behind the
upgrade request in the same segment. What it lets pass goes on in `hub.upgrade`.
"""

from __future__ import annotations

import urllib.parse
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hub.handshake import HandshakeLimits, Refusal, check_header, check_host, check_line, check_upgrade, is_upgrade
from hub.upgrade import CLOSE_WAIT, HubWebSocketProtocol, refusals

if TYPE_CHECKING:
    import asyncio


class HubHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection with a clock, limits that are answered, and no byte lost at an upgrade."""

    limits: ClassVar[HandshakeLimits] = HandshakeLimits()

    def __init__(self, *arguments: Any, **members: Any) -> None:
        super().__init__(*arguments, **members)
        # Of the handshake: it is made at accept, before a handshake of TLS, which counts (L4).
        self._deadline = self.loop.time() + self.limits.timeout

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._head_bytes = self._field_bytes = 0
        self._seam = b""
        self._in_head = True
        self._is_upgrade = False
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
        self._field_bytes += len(name) + len(value)
        self._refusal = check_header(name, value, len(self.headers), self._field_bytes, self.limits)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._is_upgrade = self.parser.should_upgrade() and is_upgrade(self.headers)
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
                self._head_bytes, self._field_bytes, self._seam = 0, 0, b""
                self._in_head, self._in_body = True, False
            super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return self._is_upgrade

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
        make: Any = self.ws_protocol_class
        protocol: HubWebSocketProtocol = make(self.config, self.server_state, self.app_state, self.loop)
        protocol.take_over(self.transport, self.server, self.client, self._deadline)
        protocol.begin(self.url, self.headers)
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
