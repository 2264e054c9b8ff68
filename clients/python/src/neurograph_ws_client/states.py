"""The states of a client and of its subscriptions, and the one table that leads from state to state.

Two rules: every pair of state and happening stands in the table, and nothing else changes a state.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a client stands towards its hub."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


class SubState(StrEnum):
    """Where a subscription stands; suspended: the connection is away, the cursor is safe."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Happening(StrEnum):
    """What can happen to a client."""

    CONNECT = "connect()"
    WELCOME = "welcome"
    LOST = "connection lost, 42xx, 43xx"
    REJECTED = "41xx, error 401"
    STOPPED = "40xx, 1000 from the hub, attempts used up"
    CLOSE = "close()"


_I, _C, _ON, _R, _X = State.IDLE, State.CONNECTING, State.CONNECTED, State.RECONNECTING, State.CLOSED
_EVENTS = tuple(Happening)

# Read a row as: in this state, CONNECT, WELCOME, LOST, REJECTED, STOPPED, CLOSE lead to …
TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    _I: dict(zip(_EVENTS, (_C, _I, _I, _I, _I, _X), strict=True)),
    _C: dict(zip(_EVENTS, (_C, _ON, _R, _C, _X, _X), strict=True)),
    _ON: dict(zip(_EVENTS, (_ON, _ON, _R, _R, _X, _X), strict=True)),
    _R: dict(zip(_EVENTS, (_R, _ON, _R, _R, _X, _X), strict=True)),
    # What a dying socket still says to a closed client changes nothing.
    _X: dict(zip(_EVENTS, (_C, _X, _X, _X, _X, _X), strict=True)),
}


class StateChange(NamedTuple):
    """One step of the table; `retry_in` is in seconds, None when nothing is tried by itself."""

    old: State
    new: State
    code: int | None = None
    reason: str = ""
    retry_in: float | None = None


def picture() -> str:
    """The table as a Mermaid state diagram, for the documents."""
    steps: dict[tuple[State, State], list[str]] = {}
    for old, row in TRANSITIONS.items():
        for happening, new in row.items():
            if old is not new:
                steps.setdefault((old, new), []).append(happening.value)
    lines = [f"    {old} --> {new}: {'<br>'.join(names)}" for (old, new), names in steps.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.IDLE}", *lines])
