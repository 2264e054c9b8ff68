"""The broker: who may do what on which channel, where an event gets its place, who is told.

A channel is a log and a subscription is a cursor; both live in `channels._native`, what is here decides about them.
Nothing in this package knows HTTP, Starlette or wire messages (that is `hub`), and only `channels.backplane` may know
another store. Everything runs on the thread of the event loop unless it says otherwise; time is an argument or an
injected clock.
"""

from channels._native import SignalOverloaded, SignalSystem, SignalSystemError, SignalValueError
from channels.pipeline import SignalPipeline
from channels.signals import SignalPump

__all__ = [
    "SignalOverloaded",
    "SignalPipeline",
    "SignalPump",
    "SignalSystem",
    "SignalSystemError",
    "SignalValueError",
]
