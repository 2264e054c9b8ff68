"""What an HTTP request head must look like before anything else looks at it (L5, hs2-hs5); pure, no I/O.

The server does not trust the HTTP library with hostile sockets: sizes, hosts and upgrade requests are checked here, and
each refusal has a status and a sentence, so that the peer is answered instead of cut.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Headers = Sequence[tuple[bytes, bytes]]

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{1,5})?")
_OPTIONS = re.compile(rb"[A-Za-z0-9_-]+(?:[ \t]*,[ \t]*[A-Za-z0-9_-]+)*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WEBSOCKET_VERSION = b"13"
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class HandshakeLimits:
    """L4 and L5: sizes in bytes, times in seconds."""

    timeout: float = 5.0
    """From accept (or from the first byte of a later request) to the end of the head; for an upgrade, to its end."""
    body_timeout: float = 10.0
    """From the end of the head to the end of the body."""
    request_line: int = 8_192
    header: int = 8_192
    headers_bytes: int = 32_768
    headers: int = 64
    tail: int = 65_536
    """Bytes kept of what a client sends before its upgrade is answered; the rest waits in the kernel."""

    @property
    def head_bytes(self) -> int:
        """The most that a whole acceptable head can take on the wire, separators included."""
        return self.request_line + self.headers_bytes + 4 * (self.headers + 1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer instead of service: HTTP status, reason for people, label it is counted by, headers it needs."""

    status: int
    reason: str
    label: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def check_line(url: bytes, limits: HandshakeLimits) -> Refusal | None:
    """414 where the request target is too long."""
    if len(url) > limits.request_line:
        return Refusal(414, f"request line: at most {limits.request_line} bytes are taken", "line")
    return None


def check_header(name: bytes, value: bytes, count: int, size: int, limits: HandshakeLimits) -> Refusal | None:
    """431 where this header field, the `count` of them so far, or their `size` together is over its limit."""
    if count > limits.headers:
        return Refusal(431, f"headers: at most {limits.headers} fields are taken", "headers")
    if len(name) + len(value) > limits.header:
        return Refusal(431, f"header field: at most {limits.header} bytes are taken", "headers")
    if size > limits.headers_bytes:
        return Refusal(431, f"headers: at most {limits.headers_bytes} bytes are taken together", "headers")
    return None


def check_host(headers: Headers, http_version: str) -> Refusal | None:
    """400 where `Host` is missing (HTTP/1.1), given twice, or holds more than a host and a port (hs5)."""
    hosts = _values(headers, b"host")
    if not hosts and http_version == "1.0":
        return None
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return Refusal(400, "Host: expected exactly one host, with or without a port", "host")
    return None


def is_upgrade(headers: Headers) -> bool:
    """Whether the request asks for a WebSocket."""
    connection = b",".join(_values(headers, b"connection")).lower().split(b",")
    upgrade = b",".join(_values(headers, b"upgrade")).lower().split(b",")
    return b"upgrade" in map(bytes.strip, connection) and b"websocket" in map(bytes.strip, upgrade)


def check_upgrade(method: str, http_version: str, headers: Headers) -> Refusal | None:
    """400 or 426 (C1, hs3, hs4) where a request for a WebSocket is not one of RFC 6455."""
    if method != "GET" or http_version != "1.1":
        return Refusal(400, f"WebSocket: expected GET and HTTP/1.1, got {method} and HTTP/{http_version}", "malformed")
    if _values(headers, b"transfer-encoding") or any(value != b"0" for value in _values(headers, b"content-length")):
        return Refusal(400, "WebSocket: the request must have no body", "malformed")
    if _values(headers, b"sec-websocket-version") != [_WEBSOCKET_VERSION]:
        return UPGRADE_REQUIRED
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return Refusal(400, "Sec-WebSocket-Key: expected exactly one, of 16 bytes in base64", "malformed")
    return None


def is_plain(url: bytes, headers: Headers) -> bool:
    """Whether an upgrade request that `check_upgrade` lets pass needs no second reading: nothing in it but what every
    reading of RFC 9110 and RFC 6455 takes alike, one product to upgrade to and options that are plain tokens.
    """
    upgrade = [value for name, value in headers if name == b"upgrade"]
    options = b",".join([value for name, value in headers if name == b"connection"])
    return (
        len(upgrade) == 1
        and upgrade[0].lower() == b"websocket"
        and _OPTIONS.fullmatch(options) is not None
        and url.isascii()
        and _CONTROL.search(b"".join([value for _, value in headers])) is None
    )


UPGRADE_REQUIRED = Refusal(
    426,
    "this address speaks WebSocket, version 13",
    "version",
    ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", _WEBSOCKET_VERSION)),
)


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value.strip() for name, value in headers if name == wanted]


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
