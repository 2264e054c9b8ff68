"""What the session asks its shell to do. Values only: a test compares them, the shell carries them out in order.

An `Event` and a `Gap` are effects too: they go to the subscription of their channel.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import HubError
from .events import Event, Gap
from .policy import TokenRequest
from .states import SubState

Ticket = object
"""What a caller gave with a request and gets back with its answer; the session never looks into it."""


class Send(NamedTuple):
    """Write these messages, in order, as one array where the connection takes arrays (M12)."""

    messages: tuple[Mapping[str, Any], ...]


class AskToken(NamedTuple):
    """Ask the caller's token source, and tell the session what came."""

    request: TokenRequest


class Open(NamedTuple):
    """Open a connection with the credential the session holds."""


class Drop(NamedTuple):
    """End the connection with this code; `is_abrupt` where no close frame would be answered any more."""

    code: int
    reason: str = ""
    is_abrupt: bool = False


class SetLimit(NamedTuple):
    """No message from the hub is longer than this many bytes from now on (L11)."""

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


class SubChanged(NamedTuple):
    """A subscription changed its state; `error` is what ended it, None where it was asked to end."""

    channel: str
    state: SubState
    error: HubError | None = None


class CursorMoved(NamedTuple):
    """The place a subscription stands at without an event: its start, or a watermark (P4, P7)."""

    channel: str
    position: str


class Tell(NamedTuple):
    """Tell the application: `state`, `connected`, `disconnected` or `error`."""

    name: str
    value: Any = None


Effect = (
    Send | AskToken | Open | Drop | SetLimit | Resolve | Reject | SubChanged | CursorMoved | Tell | Event[Any] | Gap
)
