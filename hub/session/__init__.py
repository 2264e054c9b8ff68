"""What one connection may say and what becomes of it (PROTOCOL.md 2, 3, 12 and 14): state + message + now -> effects.

Here belongs the protocol's behaviour; it does no I/O, reads no clock and knows no event loop, so every rule is tested
by calling a function. Who executes the effects is `hub.connections`.
"""

from hub.session.effects import (
    Accept,
    Alarm,
    Announce,
    Close,
    Effect,
    Emit,
    Fault,
    Publish,
    Send,
    SetLimit,
    Subscribe,
    Ticket,
    Unsubscribe,
)
from hub.session.policy import Moment, Policy, Surroundings, Tally
from hub.session.session import Session
from hub.session.states import TRANSITIONS, State, Trigger

__all__ = [
    "TRANSITIONS",
    "Accept",
    "Alarm",
    "Announce",
    "Close",
    "Effect",
    "Emit",
    "Fault",
    "Moment",
    "Policy",
    "Publish",
    "Send",
    "Session",
    "SetLimit",
    "State",
    "Subscribe",
    "Surroundings",
    "Tally",
    "Ticket",
    "Trigger",
    "Unsubscribe",
]
