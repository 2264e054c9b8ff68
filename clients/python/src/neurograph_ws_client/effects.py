"""What the session asks its shell to do. Values only: a test compares them, the shell carries them out in order.

An `Event` and a `Gap` are effects too: they go to the subscription of their channel. `conn` is the number of the
connection that an effect belongs to.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import HubError
from .events import Event, Gap
from .policy import TokenRequest
from .positions import Position
from .states import SubState

Ticket = object
"""What a caller gave with a request and gets back with its answer; the session never looks into it."""


class Send(NamedTuple):
    """Write these messages, in order, as one array where the connection takes arrays (M12)."""

    messages: tuple[Mapping[str, Any], ...]
    conn: int = 1


class AskToken(NamedTuple):
    """Ask the caller's token source, and tell the session what came."""

    request: TokenRequest


class Open(NamedTuple):
    """Open a connection of this number with the credential the session holds."""

    conn: int


class Drop(NamedTuple):
    """End a connection with this code; `is_abrupt` where no close frame would be answered any more."""

    conn: int
    code: int
    reason: str = ""
    is_abrupt: bool = False


class SetLimit(NamedTuple):
    """No message from the hub is longer than this many bytes from now on (L11)."""

    conn: int
    max_message: int


class Resolve(NamedTuple):
    """A request was answered, `took` seconds after it was last sent."""

    ticket: Ticket
    answer: Mapping[str, Any]
    took: float


class Reject(NamedTuple):
    """A request failed."""

    ticket: Ticket
    error: HubError


class Unsent(NamedTuple):
    """A request never went out: what it says has no wire form, or is longer than the hub takes."""

    ticket: Ticket
    error: Exception


class SubChanged(NamedTuple):
    """A subscription changed its state; `error` is what ended it, None where it was asked to end."""

    channel: str
    state: SubState
    error: HubError | None = None


class SubRecovered(NamedTuple):
    """Whether a subscription missed nothing while the connection was away, as soon as it is known."""

    channel: str
    is_whole: bool


class CursorMoved(NamedTuple):
    """The place a subscription stands at without an event: its start, or a watermark (P4, P7)."""

    channel: str
    position: str

    @property
    def place(self) -> Position:
        """The position in parts."""
        return Position.parse(self.position)


class Tell(NamedTuple):
    """Tell the application: `state`, `connected`, `disconnected`, `resumed`, `reconnection_token` or `error`."""

    name: str
    value: Any = None


Effect = (
    Send
    | AskToken
    | Open
    | Drop
    | SetLimit
    | Resolve
    | Reject
    | Unsent
    | SubChanged
    | SubRecovered
    | CursorMoved
    | Tell
    | Event[Any]
    | Gap
)
