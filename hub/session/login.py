"""Who is there: `connect`, `welcome`, expiry, and what a change of role takes away (C10-C17, M20, M40-M42)."""

from typing import TYPE_CHECKING, Any

from channels._native import CONTENT_ENCODINGS
from channels.permissions import Right, Role
from hub.auth import AuthError, Identity
from hub.protocol import answers
from hub.protocol.errors import Refusal
from hub.protocol.messages import Connect, Id
from hub.resumption import MAX_URL_TOKEN
from hub.session import resuming, sieving
from hub.session.effects import Unsubscribe
from hub.session.policy import Moment, TooManyFailures
from hub.session.states import OVER, State, Trigger

if TYPE_CHECKING:
    from hub.session.session import Session

Bearer = tuple[str | None, Role]
"""Subject and role."""
MAX_FAILED_LOGINS = 5
"""Invalid credentials in a row before the connection is closed (C10)."""
FAILURES = "too many failed logins of this address"
VERSION = "1"
MAX_SHOWN = 1_024
"""Bearers of whom it is remembered what they see."""


def open_session(session: "Session", moment: Moment, reconnection_token: str | None) -> None:
    """The first words of the server; a token of the URL that fails is told, and then as if it were absent (R6)."""
    if session.state is not State.WAITING:
        session.limit_messages(session.surroundings.policy.largest_message)
    if reconnection_token is not None and _resumed_by_url(session, reconnection_token, moment):
        return
    session.set_alarm(moment)
    if session.state is State.WAITING:
        session.limit_messages(session.surroundings.policy.max_control)
    else:
        session.send(welcome(session, moment))
        session.announce("join")


def _resumed_by_url(session: "Session", token: str, moment: Moment) -> bool:
    identity = session.identity if session.identity.subject is not None else None
    try:
        if len(token) > MAX_URL_TOKEN:
            expected = f"expected a token of at most {MAX_URL_TOKEN} characters in a URL; send it by connect"
            raise Refusal("resume_expired", expected)
        resuming.resume(session, token, {}, identity, moment)
    except Refusal as refusal:
        session.send(answers.error(refusal, re="connect"))
        return False
    return True


def connect(session: "Session", message: Connect, moment: Moment) -> None:
    """Log in, refresh, resume, or name the client. What is refused changes nothing (M20)."""
    if session.state is State.WAITING and message.token is None and message.resume is None:
        raise Refusal("login_required", "expected connect with a token")
    session.pay("default", 1, moment)
    identity = session.identity if message.token is None else _log_in(session, message.token, moment)
    before, client = session.client, session.client
    if message.client is not None:
        named = {"name": message.client.name, "version": message.client.version}
        client = {member: text for member, text in named.items() if text is not None}
    if message.resume is not None:
        bearer = identity if identity.subject is not None else None
        session.client = client
        try:
            resuming.resume(session, message.resume, message.positions or {}, bearer, moment, message.id)
        except Refusal:
            session.client = before
            raise
        session.accept(message.accept)
        return
    session.client = client
    session.accept(message.accept)
    become(session, identity, moment, id=message.id, is_renamed=client != before)


def become(
    session: "Session",
    identity: Identity,
    moment: Moment,
    *,
    id: Id | None = None,  # noqa: A002 - the protocol's word
    is_renamed: bool = False,
) -> None:
    """Act for `identity` from now on: stop what it may not follow, say `welcome`, name what was stopped (C17)."""
    role = session.identity.role
    before = enter(session, identity)
    stopped = [channel for channel in session.subscriptions if Right.SUBSCRIBE not in session.look_up(channel)[1]]
    for channel in stopped:
        del session.subscriptions[channel]
    if stopped:
        resuming.unfollowed(session, stopped)
        session.do(Unsubscribe(stopped, None))
    sieving.role_changed(session, role)
    session.send(welcome(session, moment, id))
    if stopped:
        session.send(answers.unsubscribed(None, stopped, 403, "role changed"))
    if stopped or before != bearer(session.identity):
        resuming.changed(session, moment)
    entered(session, before, moment, is_renamed=is_renamed)


def bearer(identity: Identity) -> Bearer:
    """What of an identity others can see."""
    return identity.subject, identity.role


def enter(session: "Session", identity: Identity) -> Bearer | None:
    """Be `identity`, in state Ready. -> who it was before, for `entered`; None where nobody had logged in yet"""
    before = None if session.state is State.WAITING else bearer(session.identity)
    session.identify(identity)
    session.step(Trigger.LOGIN_ACCEPTED)
    session.limit_messages(session.surroundings.policy.largest_message)
    return before


def entered(session: "Session", before: Bearer | None, moment: Moment, *, is_renamed: bool = False) -> None:
    """The `welcome` is said: be called when the credential ends, and tell `connections`."""
    session.set_alarm(moment)
    if before is None or not session.is_announced:
        session.announce("join")
    elif is_renamed or before != bearer(session.identity):
        session.announce("update")


def receive_alarm(session: "Session", moment: Moment) -> None:
    """The login is overdue (L6), or the credential has expired (C15); else wait on: the clocks need not agree."""
    if session.state is State.WAITING and moment.now >= _login_deadline(session):
        session.surroundings.tally.count_error("auth/timeout")
        session.step(Trigger.LOGIN_TIMEOUT)
    elif session.identity.expires_at is not None and session.identity.expires_at <= moment.wall:
        session.step(Trigger.CREDENTIAL_EXPIRED)
    elif session.state not in OVER:
        if session.token.due_at is not None and session.token.due_at <= moment.now:
            resuming.push_now(session)
        resuming.note_acks(session, moment)
        session.set_alarm(moment)


def _log_in(session: "Session", token: str, moment: Moment) -> Identity:
    try:
        identity = session.surroundings.login(token, session.address, moment)
    except TooManyFailures as failures:
        raise Refusal(
            "rate_limited", FAILURES, retry_after=round(failures.wait, 3), closes=("rate_abuse", FAILURES)
        ) from None
    except AuthError as error:
        session.failed_logins += 1
        slug = "token_expired" if error.slug == "token_expired" else "token_invalid"
        is_last = session.failed_logins >= MAX_FAILED_LOGINS
        raise Refusal(slug, error.message, closes=("token_invalid", "") if is_last else None) from None
    if session.identity.subject is not None and session.identity.subject != identity.subject:
        raise Refusal(
            "identity_conflict",
            "expected a credential of the subject that this connection has; for another one open another connection",
        )
    session.failed_logins = 0
    return identity.after(session.identity)


def next_alarm(session: "Session", moment: Moment) -> float | None:
    """When the session wants to be called: login overdue (L6), credential expired (C15), token or acks due (R4, R8)."""
    times = [session.token.due_at, session.token.ask_at]
    if session.state is State.WAITING:
        times.append(_login_deadline(session))
    elif session.identity.expires_at is not None:
        times.append(moment.now + max(0.0, session.identity.expires_at - moment.wall))
    return min((time for time in times if time is not None), default=None)


def _login_deadline(session: "Session") -> float:
    return session.opened_at + session.surroundings.policy.login_timeout


def welcome(
    session: "Session",
    moment: Moment,
    id: Id | None = None,  # noqa: A002 - the protocol's word
    *,
    is_resumed: bool = False,
) -> dict[str, Any]:
    """M40, M41; `subscriptions` and `errors` belong to a resume and are added there (M42)."""
    identity, policy = session.identity, session.surroundings.policy
    members: dict[str, Any] = {"conn": session.conn, "session": session.session}
    members |= {"node": policy.node, "version": VERSION}
    if identity.subject is not None:
        members["user"] = identity.subject
    members |= {"role": identity.role, "resumed": is_resumed}
    if identity.expires_at is not None:
        members["expires_in"] = max(0, int(identity.expires_at - moment.wall))
    heartbeat = _figures(policy.heartbeat_interval, policy.heartbeat_timeout)
    members["heartbeat"] = dict(zip(("interval", "timeout"), heartbeat, strict=True))
    members["limits"] = _limits(session)
    if session.surroundings.is_alone():
        members["local"] = True
    members["encodings"] = list(CONTENT_ENCODINGS)
    members["channels"] = _channels(session)
    return answers.answer("welcome", id, **members)


def _limits(session: "Session") -> dict[str, Any]:
    """They are the hub's for all but those whose API key has rates of its own: made once."""
    known = session.surroundings.limits
    if session.rates is not session.surroundings.policy.rates:
        return _limits_with(session)
    if not known:
        known.update(_limits_with(session))
    return known


def _limits_with(session: "Session") -> dict[str, Any]:
    policy = session.surroundings.policy
    return {
        "message": policy.max_message,
        "control": policy.max_control,
        "decoded": policy.max_decoded,
        "subscriptions": policy.max_subscriptions,
        "in_flight": policy.max_in_flight,
        "resume_events": policy.resume_events,
        "emit_batch": policy.emit_batch,
        "rates": {name: _figures(rate.capacity, rate.refill) for name, rate in session.rates.items()},
    }


def _figures(*figures: float) -> list[float]:
    """Whole numbers without a point, as the protocol writes them."""
    return [int(figure) if figure == int(figure) else figure for figure in figures]


def _channels(session: "Session") -> dict[str, Any]:
    """Exactly the channels on which the role has a right (M41)."""
    catalog, identity, known = session.surroundings.catalog, session.identity, session.surroundings.shown
    bearer = identity.role, identity.subject if catalog.has_subjects else None
    if bearer not in known:
        if len(known) >= MAX_SHOWN:
            known.clear()
        known[bearer] = _shown_to(session)
    return known[bearer]


def _shown_to(session: "Session") -> dict[str, Any]:
    catalog, identity = session.surroundings.catalog, session.identity
    configs = catalog.visible(identity.role, identity.subject)
    shown: dict[str, Any] = {}
    for name, rights in catalog.visible_rights(identity.role, identity.subject).items():
        shown[name] = {"rights": [right.value for right in Right if right in rights]}
        limit = configs[name].max_message
        if limit is not None and limit != session.surroundings.policy.max_message:
            shown[name]["message"] = limit
    return shown
