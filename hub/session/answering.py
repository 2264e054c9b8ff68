"""What a session says, and to what it owes an answer (M4-M8): effects in order, open ids, errors.

While a subscription waits for its logs, what must come after its answer waits too; `Send.waits` marks it.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from hub.protocol import answers
from hub.protocol.errors import ERRORS, Refusal
from hub.session.effects import Effect, Send, Ticket
from hub.session.states import OVER, State

if TYPE_CHECKING:
    from hub.protocol.codec import Codec
    from hub.protocol.messages import Id
    from hub.session.policy import Surroundings

IN_ORDER = frozenset({"welcome", "subscribed", "unsubscribed", "gap", "ack", "reconnection_token", "goaway"})
"""Messages that keep their place behind the answer of an earlier subscription (M7, M8)."""
NONE_OPEN: "frozenset[Id]" = frozenset()
ORDERED_REQUESTS = frozenset({"connect", "subscribe", "unsubscribe"})
"""Requests whose answers come in their order, errors too (M7)."""


def _unheard(_number: int, _kind: str, _text: str) -> None:
    """A story that nobody keeps."""


class Answering:
    """The part of a session that answers."""

    __slots__ = ("_in_flight", "_out", "backlog", "codec", "number", "state", "story", "surroundings")

    def __init__(self, surroundings: "Surroundings", codec: "Codec", state: State) -> None:
        self.surroundings = surroundings
        self.codec = codec
        self.state = state
        self._in_flight: set[Id] | None = None
        """Made when it is first needed: most subscribers never ask with an id while another one is open."""
        self.backlog: int | None = None
        """Messages that wait behind a subscription which waits for its logs (N18); None: none waits."""
        self._out: list[Effect] = []
        self.story: Callable[[int, str, str], None] = _unheard
        """The flight recorder (`hub.recorder`), which knows the connection by `number`."""
        self.number = 0

    # --- answers that come later --------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> "AbstractSet[Id]":
        """Ids that await their answer."""
        return NONE_OPEN if self._in_flight is None else self._in_flight

    def await_answer(self, ticket: Ticket) -> None:
        """The id of `ticket` awaits its answer from now on (M6)."""
        if ticket.id is not None:
            self.await_answers((ticket.id,))

    def await_answers(self, ids: "Iterable[Id]") -> None:
        """`ids` await their answers from now on."""
        if self._in_flight is None:
            self._in_flight = set()
        self._in_flight.update(ids)

    def release_all(self, ids: "Iterable[Id]") -> None:
        """`ids` await their answers no longer."""
        if self._in_flight is not None:
            self._in_flight.difference_update(ids)

    def release(self, ticket: Ticket) -> None:
        """The id of `ticket` awaits its answer no longer."""
        if ticket.id is not None and self._in_flight is not None:
            self._in_flight.discard(ticket.id)

    def answered(self, ticket: Ticket, message: dict[str, Any]) -> list[Effect]:
        """The answer to `ticket`; without an id, success is not told (M5)."""
        if ticket.id is not None:
            self.release(ticket)
            if self.state not in OVER:
                self.send(message, waits=False)
        return self._take()

    def failed(self, ticket: Ticket, problem: answers.Problem) -> list[Effect]:
        """`ticket` was refused after it had left the session: by the broker or the SignalSystem."""
        self.release(ticket)
        if self.state not in OVER:
            self.refuse(ticket, problem)
        return self._take()

    # --- for the handlers ---------------------------------------------------------------------------------------------

    def note(self, kind: str, text: str) -> None:
        """One record for its story: a kind of the plane's stories, and the particulars."""
        self.story(self.number, kind, text)

    def do(self, effect: Effect) -> None:
        """One more effect."""
        self._out.append(effect)

    def send(self, message: dict[str, Any], *, waits: bool | None = None) -> None:
        """One message to the peer. `waits`: behind a subscription that waits; None: as its type has it."""
        kind = message["type"]
        self.surroundings.tally.messages_sent[kind,] += 1
        self._out.append(Send(self.codec.encode(message), kind in IN_ORDER if waits is None else waits))

    def refuse(
        self,
        ticket: Ticket,
        problem: answers.Problem,
        errors: Mapping[str, Any] | None = None,
        *,
        overtakes: bool = False,
    ) -> None:
        """Answer `ticket` by an `error`. An id that still awaits its answer is told as `duplicate_of` only (M6)."""
        is_open = ticket.id is not None and ticket.id in self.in_flight
        message = answers.error(
            problem,
            id=None if is_open else ticket.id,
            re=ticket.type or None,
            channel=ticket.channel,
            mid=ticket.mid,
            duplicate_of=ticket.id if is_open else None,
            errors=errors,
        )
        about = "" if ticket.channel is None else f" {ticket.channel}"
        text = f"{ticket.type or 'a message'}{about}: {message['code']} {message['error']}: {message['message']}"
        self.note("refused", text)
        self.surroundings.tally.count_error(ERRORS[message["error"]].label)
        self.send(message, waits=ticket.type in ORDERED_REQUESTS and not overtakes)

    def check_in_flight(self, id: "Id") -> None:  # noqa: A002 - the protocol's word
        """Raise `Refusal` where `id` may not await an answer now (M6)."""
        if id in self.in_flight:
            raise Refusal("duplicate_id", "this id still awaits its answer")
        limit = self.surroundings.policy.max_in_flight
        if len(self.in_flight) >= limit:
            raise Refusal("too_many_in_flight", f"at most {limit} ids may await their answer", limit=limit)

    def _take(self) -> list[Effect]:
        effects = self._out
        if effects:
            self._out = []
        return effects
