"""What a session wants done. The shell (`hub.connections`) executes effects in the order given."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from channels.broker import Position, Publication, SubscribeSpec
from hub.protocol.messages import Id


class Send(Struct, gc=False):
    """One message to the peer, encoded. `waits`: it keeps its place behind a subscription that is not done yet (M7)."""

    data: bytes
    waits: bool = False


class Subscribe(Struct, gc=False):
    """Put cursors and send `reply` in one step (M9, M26); if it cannot be done, tell `Session.subscribe_failed`.

    Where the logs are not ready (N18), what comes after it in order waits with it.
    """

    specs: Sequence[SubscribeSpec]
    reply: Sequence[bytes]
    ticket: "Ticket"
    head: Mapping[str, Any]
    """What `reply` says before its channels: `subscribed`, or the `welcome` of a resume (M42)."""
    refused: Mapping[str, Any]
    """What `reply` says under `errors`."""
    options: Mapping[str, Any]
    """What the session knows of each channel while this is not undone."""
    former: dict[str, Any]
    """What it knows again if this fails; None where the channel is not subscribed then."""

    @property
    def is_resume(self) -> bool:
        """Whether it restores a session, and is answered by a `welcome`."""
        return bool(self.head["type"] == "welcome")


class Refilter(Struct, gc=False):
    """What is followed passes other policies from here on; the client is not told (F12)."""

    specs: Sequence[SubscribeSpec]


class Unsubscribe(Struct, gc=False):
    """Take cursors away, then send `reply`; no event of these channels comes after it (M9)."""

    channels: Sequence[str]
    reply: bytes | None


class Withdraw(Struct, gc=False):
    """What the session was granted (`hub.grants`) holds no longer: all of its messages come to it again."""


class Publish(Struct, gc=False):
    """Store `publication`, then tell `Session.published`."""

    publication: Publication
    ticket: "Ticket"


class Emit(Struct, gc=False):
    """Signals for the SignalSystem; all of one turn go in one call. `Session.emitted` hears what became of them."""

    event_type: str
    vectors: bytes
    """Eight little-endian 32-bit floats each."""
    is_batch: bool
    priority: int
    key: str | None
    tags: Mapping[str, str] | None
    payload: bytes | None
    traceparent: str | None
    tracestate: str | None
    owner: str
    """Scope of `mid` (M31): the subject, or the session of an anonymous connection."""
    ticket: "Ticket"


class Acknowledge(Struct, gc=False):
    """The client has handled everything up to these positions: windows open (M36)."""

    positions: Mapping[str, Position]


class Locate(Struct, gc=False):
    """Ask where the cursors stand; `Session.located` hears it."""


class Watermark(Struct, gc=False):
    """Let the plane tell the client where its cursors on these channels stand: they are not stale any more (E4)."""

    channels: tuple[str, ...]


class TakeOver(Struct, gc=False):
    """This connection has `session` from now on: whoever had it is read no more, and closed with 4009 (R11, R12)."""

    session: str


class Accept(Struct, gc=False):
    """The client decodes these content encodings itself from now on (M21)."""

    encodings: tuple[str, ...]


class SetLimit(Struct, gc=False):
    """Messages of at most so many bytes are read from now on (L7, L8)."""

    max_message: int


class Announce(Struct, gc=False):
    """One entry of `connections` (C22)."""

    event: str
    data: dict[str, Any]


class Alarm(Struct, gc=False):
    """Call `Session.alarm` at `at`, in seconds of the monotonic clock; it takes the place of an earlier one."""

    at: float


class Fault(Struct):
    """The hub made a mistake over a message; to be logged with its traceback."""

    error: Exception


class Close(Struct, gc=False):
    """Send what was sent so far, then a close frame; nothing follows it (X6)."""

    code: int
    reason: str


class Release(Struct, gc=False):
    """The id of `ticket`, which came behind a subscription that waits, has its answer by now (M6)."""

    ticket: "Ticket"


class Ticket(Struct, frozen=True, gc=False):
    """What an answer repeats of its request (M4, M5, E2)."""

    type: str
    id: Id | None = None
    channel: str | None = None
    mid: str | None = None


Effect = (
    Send
    | Subscribe
    | Refilter
    | Unsubscribe
    | Acknowledge
    | Locate
    | Watermark
    | TakeOver
    | Withdraw
    | Publish
    | Emit
    | Accept
    | SetLimit
    | Announce
    | Alarm
    | Fault
    | Close
    | Release
)
