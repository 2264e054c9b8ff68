"""One connection as the shell holds it: its number at the plane, its session, and the relay if it has one."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from channels._native import EVENT_BINARY, EVENT_TEXT
from hub.auth import Identity
from hub.protocol.codec import Codec
from hub.session import Session

if TYPE_CHECKING:
    from hub.holds import Hold
    from hub.relay import Relay


NOTHING: dict[str, int] = {}
"""What no connection writes to."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What the handshake found out about a connection. `identity` None: a login must come first (C13).

    `refusal` (slug and detail of a close code): let in only to be told why not (C11).
    """

    codec: Codec
    address: str
    identity: Identity | None
    reconnection_token: str | None = field(default=None, repr=False)
    refusal: tuple[str, str] | None = None


class Predecessor(NamedTuple):
    """Who had a session before, and the number of the question whose answer says that the new `welcome` is written."""

    connection: "Connection"
    question: int


class Connection:
    """What the shell keeps of a connection; everything the protocol knows is in the session."""

    __slots__ = (
        "answers",
        "counts",
        "granted",
        "heard",
        "hold",
        "number",
        "opened_at",
        "owns",
        "predecessors",
        "questions",
        "relay",
        "session",
        "spoken",
        "waits",
    )

    def __init__(
        self, number: int, session: Session, relay: "Relay | None", opened_at: float, *, counts: bool, waits: bool
    ) -> None:
        self.number = number
        self.session = session
        self.spoken = EVENT_BINARY if session.codec.encoding == "msgpack" else EVENT_TEXT
        """The kind of frame that its subprotocol speaks (C2)."""
        self.relay = relay
        self.opened_at = opened_at
        self.counts = counts
        """Whether it counts for its address: those that were let in only to be refused do not (L2)."""
        self.waits = waits
        """Whether it has yet to log in."""
        self.granted = NOTHING
        """Channels whose publishes its I/O thread takes by itself (`hub.grants`), with the numbers of their logs."""
        self.heard = 0
        """Messages of it that came here."""
        self.hold: Hold | None = None
        """A subscription that waits for its logs, and what waits behind it."""
        self.owns = session.session
        """The session under which `hub.owners` knows it."""
        self.questions = self.answers = 0
        """How often the plane was asked where its cursors stand, and has told it: in that order."""
        self.predecessors: tuple[Predecessor, ...] = ()
        """Who had its session before, and has not been closed for that yet (R11)."""

    def __repr__(self) -> str:
        return f"Connection({self.number}, {self.session!r}, {'relayed' if self.relay else 'handed over'})"

    def describe(self) -> dict[str, Any]:
        """What operators see of it."""
        session = self.session
        return {
            "id": session.conn,
            **session.description(),
            "session": session.session,
            "state": session.state.value,
            "encoding": session.codec.encoding,
            "relayed": self.relay is not None,
            "subscriptions": list(session.subscriptions),
        }
