"""The states of a connection (PROTOCOL.md section 14). The table is the whole truth; the picture is drawn from it.

        upgrade, credential valid or anonymous allowed          upgrade, login required
                          |                                               |
                          v              login accepted                   v
      .------------->   READY   <-----------------------------------  WAITING
      | role changed      |  |                                            |
      '-------------------'  | node drains                                |
                             v                                            |
                          DRAINING                                        |
                             |  expired, revoked, kicked, taken over,     |  10 s, fifth failed connect,
                             |  deadline, fault                           |  drain, fault
                             v                                            v
                          CLOSING  <--------------------------------------'
                             |  close frame received, or 2 s passed
                             v
                          CLOSED

Two rules stand above it: a message is admitted by the state in which it is applied (E6: after size, form and id), and
what is not in the row of a state cannot happen there.
"""

from enum import StrEnum
from typing import NamedTuple

from hub.protocol.messages import (
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


class State(StrEnum):
    """Where a connection stands."""

    WAITING = "waiting"
    READY = "ready"
    DRAINING = "draining"
    CLOSING = "closing"
    CLOSED = "closed"


class Trigger(StrEnum):
    """What can happen to a connection: a message of a type, or something else."""

    PING = "ping"
    CONNECT = "connect"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PUBLISH = "publish"
    EMIT = "emit"
    GET_RECONNECTION_TOKEN = "get_reconnection_token"  # noqa: S105 - a message type
    ACK = "ack"
    UNREADABLE = "unreadable"
    LOGIN_ACCEPTED = "login accepted"
    LOGIN_TIMEOUT = "login timeout"
    CREDENTIAL_EXPIRED = "credential expired"
    CREDENTIAL_REVOKED = "credential revoked"
    KICKED = "kicked"
    ROLE_CHANGED = "role changed"
    DRAIN_STARTED = "drain started"
    DEADLINE_PASSED = "deadline passed"
    TAKEN_OVER = "taken over"
    FAULT = "fault"
    ENDED = "ended"


class Admission(StrEnum):
    """What a state does with a message."""

    APPLY = "apply"
    IGNORE = "ignore"
    LOGIN_REQUIRED = "401 login_required"
    DRAINING = "503 draining"
    REFUSE = "400"
    DISCARD = "discard"


class Step(NamedTuple):
    """What happens, and the state afterwards. `close` is the slug of the close code, where there is one."""

    next: State
    admission: Admission | None = None
    close: str | None = None


def _stay(state: State, admission: Admission) -> Step:
    return Step(state, admission)


def _close(slug: str | None = None) -> Step:
    return Step(State.CLOSING, close=slug)


W, R, D, C = State.WAITING, State.READY, State.DRAINING, State.CLOSING
_MESSAGES = tuple(Trigger)[: tuple(Trigger).index(Trigger.UNREADABLE) + 1]

TRANSITIONS: dict[State, dict[Trigger, Step]] = {
    W: {
        Trigger.PING: _stay(W, Admission.APPLY),
        Trigger.CONNECT: _stay(W, Admission.APPLY),
        Trigger.SUBSCRIBE: _stay(W, Admission.LOGIN_REQUIRED),
        Trigger.UNSUBSCRIBE: _stay(W, Admission.LOGIN_REQUIRED),
        Trigger.PUBLISH: _stay(W, Admission.LOGIN_REQUIRED),
        Trigger.EMIT: _stay(W, Admission.LOGIN_REQUIRED),
        Trigger.GET_RECONNECTION_TOKEN: _stay(W, Admission.LOGIN_REQUIRED),
        Trigger.ACK: _stay(W, Admission.IGNORE),
        Trigger.UNREADABLE: _stay(W, Admission.REFUSE),
        Trigger.LOGIN_ACCEPTED: Step(R),
        Trigger.LOGIN_TIMEOUT: _close("login_required"),
        Trigger.DRAIN_STARTED: _close("draining"),
        Trigger.FAULT: _close(),
        Trigger.ENDED: Step(State.CLOSED),
    },
    R: {
        Trigger.PING: _stay(R, Admission.APPLY),
        Trigger.CONNECT: _stay(R, Admission.APPLY),
        Trigger.SUBSCRIBE: _stay(R, Admission.APPLY),
        Trigger.UNSUBSCRIBE: _stay(R, Admission.APPLY),
        Trigger.PUBLISH: _stay(R, Admission.APPLY),
        Trigger.EMIT: _stay(R, Admission.APPLY),
        Trigger.GET_RECONNECTION_TOKEN: _stay(R, Admission.APPLY),
        Trigger.ACK: _stay(R, Admission.APPLY),
        Trigger.UNREADABLE: _stay(R, Admission.REFUSE),
        Trigger.LOGIN_ACCEPTED: Step(R),
        Trigger.CREDENTIAL_EXPIRED: _close("token_expired"),
        Trigger.CREDENTIAL_REVOKED: _close("token_revoked"),
        Trigger.KICKED: _close("kicked"),
        Trigger.ROLE_CHANGED: Step(R),
        Trigger.DRAIN_STARTED: Step(D),
        Trigger.TAKEN_OVER: _close("taken_over"),
        Trigger.FAULT: _close(),
        Trigger.ENDED: Step(State.CLOSED),
    },
    D: {
        Trigger.PING: _stay(D, Admission.APPLY),
        Trigger.CONNECT: _stay(D, Admission.DRAINING),
        Trigger.SUBSCRIBE: _stay(D, Admission.DRAINING),
        Trigger.UNSUBSCRIBE: _stay(D, Admission.APPLY),
        Trigger.PUBLISH: _stay(D, Admission.APPLY),
        Trigger.EMIT: _stay(D, Admission.APPLY),
        Trigger.GET_RECONNECTION_TOKEN: _stay(D, Admission.APPLY),
        Trigger.ACK: _stay(D, Admission.APPLY),
        Trigger.UNREADABLE: _stay(D, Admission.REFUSE),
        Trigger.CREDENTIAL_EXPIRED: _close("token_expired"),
        Trigger.CREDENTIAL_REVOKED: _close("token_revoked"),
        Trigger.KICKED: _close("kicked"),
        Trigger.ROLE_CHANGED: Step(D),
        Trigger.DEADLINE_PASSED: _close("draining"),
        Trigger.TAKEN_OVER: _close("taken_over"),
        Trigger.FAULT: _close(),
        Trigger.ENDED: Step(State.CLOSED),
    },
    C: {
        **{trigger: _stay(C, Admission.DISCARD) for trigger in _MESSAGES},
        Trigger.ENDED: Step(State.CLOSED),
    },
    State.CLOSED: {},
}

OVER = frozenset({State.CLOSING, State.CLOSED})
"""Nothing is applied here and nothing is sent (X6)."""

TRIGGER_OF: dict[type, Trigger] = {
    Ping: Trigger.PING,
    Connect: Trigger.CONNECT,
    Subscribe: Trigger.SUBSCRIBE,
    Unsubscribe: Trigger.UNSUBSCRIBE,
    Publish: Trigger.PUBLISH,
    MediaPublish: Trigger.PUBLISH,
    Emit: Trigger.EMIT,
    GetReconnectionToken: Trigger.GET_RECONNECTION_TOKEN,
    Ack: Trigger.ACK,
}
"""Class of a message -> its trigger."""
