"""Sessions and their reconnection tokens: `get_reconnection_token`, `connect{resume}`, the pushes of R4 (R1-R11).

A token is made in two steps: the plane is asked where the cursors stand (`Locate`), and its answer, which covers only
what was written before it (R16), is sealed and sent behind it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from channels.broker import Position, SubscribeSpec
from channels.permissions import Right
from hub.auth import Identity
from hub.protocol import answers
from hub.protocol.errors import Refusal
from hub.protocol.messages import GetReconnectionToken, Id
from hub.resumption import Held, SealedSession
from hub.session import effects, following, login, sieving
from hub.session.effects import Ticket
from hub.session.policy import Moment

if TYPE_CHECKING:
    from hub.session.session import Session

PUSH_INTERVAL = 1.0
"""Seconds between two pushes that a change has caused (R4)."""


def get_reconnection_token(session: "Session", message: GetReconnectionToken, moment: Moment) -> None:
    """Answered when the plane has told the positions; from now on fresh ones are pushed (R1, R4)."""
    session.pay("default", 1, moment)
    limit = session.surroundings.policy.max_in_flight
    if len(session.token.asked) >= limit:
        raise Refusal("too_many_in_flight", f"at most {limit} tokens may be on their way", limit=limit)
    ticket = Ticket("get_reconnection_token", message.id)
    session.await_answer(ticket)
    session.token.asked += (ticket,)
    locate(session)


def resume(
    session: "Session",
    token: str,
    positions: Mapping[str, str],
    identity: Identity | None,
    moment: Moment,
    id: Id | None = None,  # noqa: A002 - the protocol's word
) -> None:
    """Become the session that `token` holds, or raise `Refusal` in the order of R5 with nothing changed.

    `identity`: who the credential beside it, or of the handshake, is; None where there was none.
    """
    resumption = session.surroundings.resumption
    try:
        sealed = resumption.open(token, moment.wall, moment.now)
        if identity is not None and identity.subject != sealed.identity.subject:
            text = "expected a token and a credential of one subject; without the token, subscribe from positions (R14)"
            raise Refusal("identity_conflict", text)
        if session.accepted:
            raise Refusal(
                "resume_not_first", "expected the resume before the first subscribe; open another connection for it"
            )
    except Refusal:
        session.surroundings.tally.recoveries["refused",] += 1
        raise
    session.token.generation = resumption.claim(sealed, moment.wall, moment.now)
    session.token.is_held = True
    session.token.revision += 1
    session.session = sealed.session
    session.do(effects.TakeOver(sealed.session))
    before = login.enter(session, sealed.identity if identity is None else identity.after(sealed.identity))
    _restore(session, sealed, positions, moment, id)
    push_now(session)
    login.entered(session, before, moment)


def restored_nothing(session: "Session", head: Mapping[str, Any], errors: Mapping[str, Any]) -> None:
    """The `welcome` of a resume of which no subscription is left."""
    session.send({**head, "subscriptions": {}, **({"errors": errors} if errors else {})})


# --- tokens -----------------------------------------------------------------------------------------------------------


def changed(session: "Session", moment: Moment) -> None:
    """Subscriptions or role are others now: a token that tells of it is due, at most one per second (R4)."""
    token = session.token
    token.revision += 1
    if not token.is_held:
        return
    at = max(moment.now, token.pushed_at + PUSH_INTERVAL)
    token.due_at = at if token.due_at is None else min(token.due_at, at)
    if token.due_at <= moment.now:
        push_now(session)
    else:
        session.set_alarm(moment)


def push_now(session: "Session") -> None:
    """A fresh token as soon as the plane has told the positions."""
    token = session.token
    token.due_at = None
    if not token.is_pushing and not session.is_superseded:
        token.is_pushing = True
        locate(session)


def acknowledged(session: "Session", positions: Mapping[str, Position], moment: Moment) -> None:
    """The client's word, which counts as far as the plane confirms that so much was sent (M36, R8)."""
    token = session.token
    if not token.is_held:
        return
    token.acknowledged(positions)
    if not note_acks(session, moment) and token.ask_at is not None:
        session.set_alarm(moment)


def note_acks(session: "Session", moment: Moment) -> bool:
    """Ask the plane about what was acknowledged, once a second at most. -> whether it was asked"""
    token = session.token
    is_due = token.ask_at is not None and token.ask_at <= moment.now
    if is_due:
        token.noted_at = moment.now
        locate(session)
    return is_due


def unfollowed(session: "Session", channels: Iterable[str]) -> None:
    """What was acknowledged of these subscriptions says nothing of later ones."""
    for channel in channels:
        session.token.unfollowed(channel)
        session.surroundings.resumption.unfollowed(session.session, channel)


def locate(session: "Session") -> None:
    """Ask the plane where the cursors stand; `located` hears it once for each question."""
    session.token.questions += (session.token.revision,)
    session.do(effects.Locate())


def located(session: "Session", positions: Mapping[str, Position], moment: Moment) -> None:
    """The plane has told where the cursors stand: answer who asked, or push; then what waited for it (M50).

    Where subscriptions have changed since the question it is asked again: no token tells of less than there is.
    """
    token = session.token
    asked_at, *later = token.questions
    token.questions = tuple(later)
    is_current = asked_at == token.revision
    if is_current:
        if sent := token.take_acks(positions):
            session.surroundings.resumption.acknowledged(session.session, sent)
    elif token.asked or token.is_pushing:
        locate(session)
        return
    if token.asked:
        first, *rest = token.asked
        token.asked = tuple(rest)
        _send(session, positions, moment, first)
    elif token.is_pushing:
        token.is_pushing = False
        _send(session, positions, moment, None)
    if token.farewell is not None and not token.is_pushing:
        session.send(token.farewell)
        token.farewell = None


def _send(session: "Session", positions: Mapping[str, Position], moment: Moment, ticket: Ticket | None) -> None:
    held = {
        channel: Held(positions[channel], options)
        for channel, options in session.subscriptions.items()
        if channel in positions
    }
    token = session.token
    if ticket is not None:
        session.release(ticket)
    try:
        text, expires_in = session.surroundings.resumption.issue(
            session.session, token.generation, session.identity, held, moment.wall
        )
    except Refusal as refusal:  # what is pushed is not missed: the position is the guarantee (R14)
        if ticket is not None:
            session.refuse(ticket, refusal)
        return
    token.is_held = True
    token.pushed_at = moment.now
    token.due_at = moment.now + expires_in / 2
    id = None if ticket is None else ticket.id  # noqa: A001 - the protocol's word
    session.send(answers.answer("reconnection_token", id, token=text, expires_in=round(expires_in, 3)))
    session.set_alarm(moment)


# --- restoring --------------------------------------------------------------------------------------------------------


def _restore(
    session: "Session",
    sealed: SealedSession,
    positions: Mapping[str, str],
    moment: Moment,
    id: Id | None,  # noqa: A002
) -> None:
    """Today's rights decide (R7); what is restored is followed in one step with the `welcome` that tells it (M9)."""
    accepted: dict[str, SubscribeSpec] = {}
    refused: dict[str, Any] = {}
    for channel, held in sealed.subscriptions.items():
        try:
            accepted[channel] = _spec(session, channel, held, positions.get(channel))
        except Refusal as refusal:
            refused[channel] = refusal.members()
    head = login.welcome(session, moment, id, is_resumed=True)
    session.surroundings.tally.recoveries["partial" if refused else "resumed",] += 1
    if accepted:
        following.follow(session, Ticket("connect", id), head, accepted, refused)
    else:
        restored_nothing(session, head, refused)


def _spec(session: "Session", channel: str, held: Held, position: str | None) -> SubscribeSpec:
    config, rights = session.look_up(channel)
    if config is None:
        raise Refusal("unknown_channel", f"there is no channel {channel} any more")
    if Right.SUBSCRIBE not in rights:
        raise Refusal("forbidden", f"role {session.identity.role} may not subscribe to {channel}")
    start = _without_positions(session, channel, held) if position is None else Position.parse(position)
    return sieving.spec_of(session, channel, dict(held.options), start=("at", *start), proof=held.position)


def _without_positions(session: "Session", channel: str, held: Held) -> Position:
    """The token's position or the last one acknowledged, whichever is later (R8)."""
    acked = session.surroundings.resumption.acked(session.session, channel)
    return acked if acked is not None and acked.reaches(held.position) else held.position
