"""One open socket: hands over whole payloads a slice at a time, tells how it ended; `opening.py` makes it."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from .codec import Codec
from .media import MEDIA
from .urls import Address

if TYPE_CHECKING:
    from .wire import Wire

# Bytes of a message before `welcome` tells the limit; a welcome itself is a few KiB.
FIRST_LIMIT = 1 << 20

# Payloads handled in one turn of the loop: what consumes them gets its turn before the next slice.
SLICE = 256

# How long a close frame of ours may go unanswered (X6).
CLOSE_WAIT = 2.0


class Refused(Exception):  # noqa: N818 - an answer of the hub, not a fault
    """The hub answered the upgrade with an HTTP status."""

    def __init__(self, status: int, detail: str, retry_after: float) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.detail, self.retry_after = status, detail, retry_after


class Receiver(Protocol):
    """Who takes what a connection brings."""

    def payloads_received(self, connection: "Connection", payloads: Iterable[bytes]) -> None:
        """Whole messages came; there are no more of them as soon as somebody holds the connection."""
        ...

    def connection_closed(self, connection: "Connection", code: int, reason: str) -> None:
        """The connection is gone; nothing follows."""
        ...


class Opening(NamedTuple):
    """How connections are opened; the credential comes with each attempt."""

    address: Address
    codecs: Sequence[Codec]
    compression: bool
    timeout: float
    headers: Mapping[str, str]
    ssl: SSLContext | None
    proxy: str | Literal[True] | None


class Connection:
    """An open connection. Payloads come in slices, and not at all while someone holds them back."""

    def __init__(self, wire: "Wire", codec: Codec, receiver: Receiver) -> None:
        self.number = 0
        self.codec = codec
        self._read_plain = codec.read_plain
        self.takes_arrays = wire.subprotocol is not None
        self._wire = wire
        self._receiver = receiver
        self._inbox: deque[bytes] = deque()
        self._is_scheduled = False
        self._is_paused = False
        self._holders = 0
        self._is_lost = False
        self._max_content = FIRST_LIMIT
        self._closing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Hand over what has come and what comes."""
        self._wire.attach(self._inbox.append, self._arrived, self._lost)
        if self._wire.is_gone:
            self._lost()

    @property
    def heard_at(self) -> float:
        """When bytes last came, on the monotonic clock."""
        return self._wire.heard_at

    @property
    def is_held(self) -> bool:
        """Whether nothing is read because a consumer asked to wait."""
        return self._holders > 0

    def limit(self, max_message: int) -> None:
        """Refuse longer messages from now on, before they are read, and longer content before it is decoded."""
        self._wire.limit(max_message)
        self._max_content = max_message

    def decode(self, payload: bytes) -> Any:
        """A message or an array of them, their content decoded (B9); `Unread` in place of one that cannot be read."""
        try:
            decoded = self._read_plain(payload)
        except ValueError:
            decoded = self._read_other(payload)
        if type(decoded) is dict and "content_encoding" not in decoded:
            return decoded
        from .contents import opened  # noqa: PLC0415 - most content is plain

        if isinstance(decoded, list):
            return [opened(message, self._max_content) for message in decoded]
        return opened(decoded, self._max_content)

    def _read_other(self, payload: bytes) -> Any:
        """A media frame, or what is left of what cannot be read."""
        try:
            return self.codec.decode(payload)
        except ValueError as fault:
            return self.codec.salvage(payload, str(fault))

    def send_nowait(self, payload: bytes) -> bool:
        """Write one message; False where the connection is ending."""
        if not self._wire.is_open:
            return False
        if self.codec.is_text and payload[:1] != MEDIA:
            self._wire.protocol.send_text(payload)
        else:
            self._wire.protocol.send_binary(payload)
        self._wire.send_data()
        return True

    async def drain(self) -> None:
        """Wait until the socket has taken enough of what was written."""
        await self._wire.drain()

    def hold(self) -> None:
        """Hand over nothing more until `release`."""
        self._holders += 1
        self._steer()

    def release(self) -> None:
        """One holder less."""
        self._holders -= 1
        self._steer()
        self._schedule()

    def close_nowait(self, code: int, reason: str = "") -> None:
        """Start the closing handshake."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(code, reason))

    def abort(self) -> None:
        """End it without a word."""
        self._wire.transport.abort()

    async def wait_closed(self) -> None:
        """Until the socket is gone."""
        await self._wire.wait_closed()

    async def _close(self, code: int, reason: str) -> None:
        try:
            # A peer that reads nothing would keep even the close frame waiting for ever.
            async with asyncio.timeout(CLOSE_WAIT):
                await self._wire.shut(code, reason)
        except OSError:
            self.abort()

    def _arrived(self) -> None:
        if self._inbox and not self._is_scheduled:
            self._schedule()

    def _lost(self) -> None:
        self._is_lost = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled and not self.is_held:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._is_scheduled = False
        try:
            self._receiver.payloads_received(self, self._slice())
        finally:
            # A mistake at one payload costs that one, and neither what follows it nor the end.
            self._go_on()

    def _slice(self) -> Iterator[bytes]:
        inbox = self._inbox
        for _ in range(min(SLICE, len(inbox))):
            if self._holders:
                return
            yield inbox.popleft()

    def _go_on(self) -> None:
        self._steer()
        if self._inbox:
            self._schedule()
        elif self._is_lost:
            protocol = self._wire.protocol
            self._receiver.connection_closed(self, protocol.close_code or 1006, protocol.close_reason or "")

    def _steer(self) -> None:
        """Read the socket only while what was read is wanted: the inbox never grows beyond one read."""
        is_paused = self.is_held or len(self._inbox) > SLICE
        if is_paused is self._is_paused or self._is_lost:
            return
        self._is_paused = is_paused
        if is_paused:
            self._wire.transport.pause_reading()
        else:
            self._wire.transport.resume_reading()
