"""The way of a message into a session: size, form, id, state (E6), and then the handler of its type."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hub.protocol.errors import Refusal
from hub.protocol.forms import check_form, is_id
from hub.protocol.media import decode_media
from hub.protocol.messages import (
    TYPES,
    Ack,
    Connect,
    Emit,
    GetReconnectionToken,
    MediaPublish,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
)
from hub.protocol.unreadable import Inbound, Unreadable
from hub.session import following, login, resuming, sending
from hub.session.answering import ORDERED_REQUESTS
from hub.session.effects import Fault, Release, Ticket
from hub.session.policy import SIGNALS, Moment
from hub.session.states import TRANSITIONS, TRIGGER_OF, Admission, State

if TYPE_CHECKING:
    from hub.session.session import Session

MAX_UNREADABLE = 10
"""Messages in a row that cannot be read before the connection is closed (M15)."""
_NOBODY = Ticket("")


def receive(session: "Session", frame: bytes, moment: Moment) -> None:
    """One frame: a message, or an array of messages, each as if it had come alone (M12)."""
    if session.is_deaf:
        return
    for message, size in session.codec.decode(frame):
        if session.is_deaf:
            return
        _receive_one(session, message, size, moment)


def receive_binary(session: "Session", frame: bytes, moment: Moment) -> None:
    """A binary frame of a JSON subprotocol: a media frame (B4)."""
    if not session.is_deaf:
        _receive_one(session, decode_media(frame), len(frame), moment)


def receive_foreign(session: "Session") -> None:
    """A text frame under msgpack (C2)."""
    session.close("protocol_broken", "text frames are illegal under ng-ws.v1.msgpack")


def _receive_one(session: "Session", message: Inbound, size: int, moment: Moment) -> None:
    if type(message) is Unreadable:
        _receive_unreadable(session, message, size)
    else:
        _receive_message(session, message, size, moment)


def receive_unreadable(session: "Session", error: str, message: str) -> None:
    """A message that the plane did not hand over."""
    if session.is_deaf:
        return
    if error == "too_large":
        _refuse(session, _NOBODY, Refusal(error, message, limit=session.max_message))
    elif session.codec.encoding == "msgpack":
        receive_foreign(session)
    else:
        _refuse(session, _NOBODY, Refusal(error, message))


def _receive_unreadable(session: "Session", message: Unreadable, size: int) -> None:
    session.surroundings.tally.messages_received[message.type or "unreadable",] += 1
    ticket = Ticket(message.type or "", message.id, message.channel, message.mid)
    limit = _limit(session, message.type, message.channel)
    _refuse(session, ticket, _too_large(size, limit) if size > limit else message.refusal)


def _receive_message(session: "Session", message: Any, size: int, moment: Moment) -> None:
    kind = type(message)
    session.surroundings.tally.messages_received[_LABELS[kind]] += 1
    if session.backlog is None or kind in _NEVER_WAITS:
        _apply(session, message, size, moment)
    else:
        _apply_behind(session, message, size, moment, session.backlog)


def _apply(session: "Session", message: Any, size: int, moment: Moment) -> None:
    kind = type(message)
    surroundings = session.surroundings
    try:
        if size > surroundings.policy.smallest_limit or kind is Emit:
            _check_size(session, message, size)
        check_form(message, surroundings.policy.resume_events)
        if session.in_flight and kind is not Ack and message.id is not None:
            session.check_in_flight(message.id)
        if kind in _APPLIED[session.state] or _admit(session, kind):
            _HANDLERS[kind](session, message, moment)
        session.unreadable = 0
    except Refusal as refusal:
        _refuse(session, ticket_of(message), refusal)
    except Exception as error:  # noqa: BLE001 - a mistake of the hub is answered like anything else; the shell logs it
        session.do(Fault(error))
        session.refuse(ticket_of(message), Refusal("internal", "the hub made a mistake over this message"))


def _apply_behind(session: "Session", message: Any, size: int, moment: Moment, backlog: int) -> None:
    """A subscription of this connection waits for its logs: what comes after it is done and answered after it.

    The order is that of the messages (C14, M7), and no more of them wait than ids may be open (L14).
    """
    limit = session.surroundings.policy.max_in_flight
    ticket = ticket_of(message)
    if backlog >= limit:
        expected = f"at most {limit} messages may wait behind a subscription"
        session.refuse(ticket, Refusal("too_many_in_flight", expected, limit=limit), overtakes=True)
        return
    session.backlog = backlog + 1
    is_open = ticket.id in session.in_flight
    _apply(session, message, size, moment)
    if ticket.type in ORDERED_REQUESTS and ticket.id is not None and not is_open:
        session.await_answer(ticket)
        session.do(Release(ticket))


def ticket_of(message: Any) -> Ticket:
    """What an answer to `message` repeats; an id that is none is not among it."""
    given = getattr(message, "id", None)
    return Ticket(
        TYPES[type(message)],
        given if is_id(given) else None,
        getattr(message, "channel", None),
        getattr(message, "mid", None),
    )


def _check_size(session: "Session", message: Any, size: int) -> None:
    """What only the type of a message tells: L7, L8, L15."""
    limit = _limit(session, TYPES[type(message)], getattr(message, "channel", None))
    if size > limit:
        raise _too_large(size, limit)
    if type(message) is Emit:
        policy = session.surroundings.policy
        check_emit_size(message, policy.emit_batch, policy.max_payload)


def _limit(session: "Session", kind: str | None, channel: str | None) -> int:
    """How large a message of this type may be now (L7, L8)."""
    policy = session.surroundings.policy
    if session.state is State.WAITING or kind not in _LARGE:
        return policy.max_control
    config = session.surroundings.catalog.find(SIGNALS if kind == _EMIT else channel or "")
    return policy.max_message if config is None or config.max_message is None else config.max_message


def check_emit_size(message: Emit, batch: int, payload: int) -> None:
    """L15 and M33."""
    if message.vectors is not None and len(message.vectors) > batch:
        came = len(message.vectors)
        raise Refusal("too_large", f"expected at most {batch} vectors, came {came}", path="vectors", limit=batch)
    size = len(bytes(message.payload))
    if size > payload:
        expected = f"expected a payload of at most {payload} bytes"
        raise Refusal("too_large", f"{expected}, came {size}", path="payload", limit=payload)


def _too_large(size: int, limit: int) -> Refusal:
    return Refusal("too_large", f"expected at most {limit} bytes, came {size}", limit=limit)


def _admit(session: "Session", kind: type) -> bool:
    """What the state does with a message that it does not just apply (section 14)."""
    match TRANSITIONS[session.state][TRIGGER_OF[kind]].admission:
        case Admission.LOGIN_REQUIRED:
            raise Refusal("login_required", "expected a connect with a valid token first")
        case Admission.DRAINING:
            raise Refusal("draining", "this node goes away; follow its goaway")
        case _:
            return False


def _refuse(session: "Session", ticket: Ticket, refusal: Refusal) -> None:
    """Answer it. Ten unreadable ones in a row are the last (M15); a skipped one neither counts nor resets."""
    session.refuse(ticket, refusal)
    if refusal.closes is not None:
        session.close(*refusal.closes)
    if refusal.is_unreadable:
        session.unreadable += 1
        if session.unreadable >= MAX_UNREADABLE:
            session.close("protocol_broken", f"{MAX_UNREADABLE} unreadable messages in a row")
    elif refusal.error != "too_large":
        session.unreadable = 0


_APPLIED = {
    state: frozenset(
        kind for kind, trigger in TRIGGER_OF.items() if trigger in row and row[trigger].admission is Admission.APPLY
    )
    for state, row in TRANSITIONS.items()
}
_NEVER_WAITS = frozenset({Ping, Ack})
"""Answered whatever else is going on (H4), or not at all."""
_LABELS = {kind: (name,) for kind, name in TYPES.items()}
_EMIT = TYPES[Emit]
_LARGE = frozenset({TYPES[Publish], _EMIT})

_HANDLERS: Mapping[type, Callable[[Any, Any, Moment], None]] = {
    Connect: login.connect,
    GetReconnectionToken: resuming.get_reconnection_token,
    Subscribe: following.subscribe,
    Unsubscribe: following.unsubscribe,
    Publish: sending.publish,
    MediaPublish: sending.publish,
    Emit: sending.emit,
    Ping: sending.ping,
    Ack: following.ack,
}
