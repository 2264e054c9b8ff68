"""One connection between the ends: two queues that keep their order and may be slow, cut, or half open.

Within a connection nothing is reordered, as within TCP; what several connections bring meets in any order.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.pair.wire import Wire

if TYPE_CHECKING:
    from channels.permissions import Role
    from tests.support.pair.client import ClientEnd
    from tests.support.pair.histories import Histories
    from tests.support.pair.hub import HubEnd

CLOSE_FRAME = 8
LOST = 1006
SILENCE = 40.0
"""Seconds after which the hub gives up a peer of which it hears nothing (H3)."""


class Close(NamedTuple):
    """A close frame."""

    code: int
    reason: str


class Upgraded(NamedTuple):
    """The answer to the handshake."""


class Link:
    """Stands where a relay stands at the hub, and where a socket stands at the client."""

    def __init__(
        self, conn: int, client: "ClientEnd", hub: "HubEnd", histories: "Histories", role: "Role", now: float
    ) -> None:
        self.conn = conn
        self.client = client
        self.hub = hub
        self.up: deque[bytes | Close] = deque()
        self.down: deque[dict[str, Any] | Close | Upgraded] = deque([Upgraded()])
        self.wire = Wire(histories)
        self.is_open = False
        """The client knows that it is upgraded."""
        self.cut_at: float | None = None
        self.is_client_over = self.is_hub_over = False
        self.number, self.name = hub.open(self, role)
        self.opened_at = now

    def __repr__(self) -> str:
        state = [name for name in ("cut_at", "is_client_over", "is_hub_over") if getattr(self, name)]
        return f"<Link {self.conn}, {len(self.up)} up, {len(self.down)} down {' '.join(state)}>"

    @property
    def is_cut(self) -> bool:
        return self.cut_at is not None

    @property
    def is_over(self) -> bool:
        """Both ends know that it is gone."""
        return self.is_client_over and self.is_hub_over

    @property
    def is_whole(self) -> bool:
        return not (self.is_cut or self.is_client_over or self.is_hub_over)

    # -- the hub's side ------------------------------------------------------------------------------------------------

    def output_ready(self) -> None:
        """The plane has output."""
        for opcode, payload in self.hub.plane.take_output(self.number):
            if opcode == CLOSE_FRAME:
                self._send_down(Close(int.from_bytes(payload[:2], "big"), payload[2:].decode()))
            else:
                self._send_down(json.loads(payload))

    def feed_ready(self) -> None:
        """The double takes everything at once."""

    def closed(self, _code: int, _reason: str) -> None:
        """The hub has done with it; its close frame may still be on the way."""
        self.output_ready()
        self.is_hub_over = True
        self.up.clear()
        self.hub.plane.feed_close(self.number)

    def _send_down(self, item: dict[str, Any] | Close) -> None:
        if not self.is_cut and not self.is_client_over:
            self.down.append(item)

    def deliver_up(self, most: int) -> int:
        """Let the hub hear of what the client sent. -> how many frames"""
        delivered = 0
        while self.up and delivered < most:
            frame = self.up.popleft()
            delivered += 1
            if isinstance(frame, Close):
                self.hub.plane.feed_close(self.number, *frame)
            else:
                self.hub.plane.feed(self.number, frame, binary=False)
            self.hub.loop.turn()
        return delivered

    def hub_hears(self) -> None:
        """The hub finds that the client is gone."""
        if not self.is_hub_over:
            self.hub.plane.feed_close(self.number, LOST, "")
            self.hub.loop.turn()

    # -- the client's side ---------------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Write messages in one frame (M12)."""
        for message in messages:
            self.wire.sent(message)
        if not (self.is_cut or self.is_client_over or self.is_hub_over):
            self.up.append(json.dumps(messages[0] if len(messages) == 1 else messages).encode())

    def drop(self, code: int, reason: str, *, is_abrupt: bool) -> None:
        """The client wants it no more."""
        self.is_client_over = True
        self.down.clear()
        if is_abrupt:
            self.cut()
        elif not self.is_cut and not self.is_hub_over:
            self.up.append(Close(code, reason))

    def deliver_down(self, most: int) -> int:
        """Let the client hear of what the hub sent. -> how many messages"""
        delivered = 0
        while self.down and delivered < most:
            item = self.down.popleft()
            delivered += 1
            self._hear(item)
        return delivered

    def _hear(self, item: dict[str, Any] | Close | Upgraded) -> None:
        if isinstance(item, Upgraded):
            self.is_open = True
            self.client.opened(self.conn)
        elif isinstance(item, Close):
            self._gone(item.code, item.reason)
        else:
            self.wire.received(item)
            self.client.receive(self.conn, item)

    def client_hears(self) -> None:
        """The client finds that the connection is lost."""
        if not self.is_client_over:
            self._gone(LOST, "")

    def _gone(self, code: int, reason: str) -> None:
        self.is_client_over = True
        self.down.clear()
        self.up.clear()
        if self.is_open:
            self.client.closed(self.conn, code, reason)
        else:
            self.client.failed(self.conn)

    # -- what happens to it --------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """What is on the way is lost, both ways; each end hears of it at its own time."""
        if self.cut_at is None:
            self.cut_at = self.hub.loop.now
        self.up.clear()
        self.down.clear()

    def sweep(self) -> None:
        """Time has passed."""
        if self.is_cut and not self.is_hub_over and self.hub.loop.now >= (self.cut_at or 0.0) + SILENCE:
            self.hub_hears()
