"""Client of NeuroGraph Hub: one WebSocket, subscriptions that know what they missed, signals, answers.

What belongs here: the client side of PROTOCOL.md and nothing of the server. `session.py` decides without sockets,
`link.py` carries out, `client.py` is what applications call.
"""

from ._version import __version__
from .answers import Emitted, Limits, Neighbor, Published, Welcome
from .channels import Channel
from .client import AUTO, NeurographWSClient
from .encoder import Axis, encode_text
from .errors import (
    AuthError,
    BadRequest,
    Closed,
    Disconnected,
    HubError,
    PermissionDenied,
    ProtocolViolation,
    QueueOverflow,
    RateLimited,
    RequestTimeout,
    ResumeExpired,
    ServerError,
    TooLarge,
    Unavailable,
    UnknownChannel,
)
from .events import Event, Gap
from .policy import Backoff, TokenRequest, TokenSource
from .starts import Last, Start
from .states import State, StateChange, SubState
from .stats import ClientStats, SubscriptionStats
from .subscription import Subscription

__all__ = [
    "AUTO",
    "AuthError",
    "Axis",
    "Backoff",
    "BadRequest",
    "Channel",
    "ClientStats",
    "Closed",
    "Disconnected",
    "Emitted",
    "Event",
    "Gap",
    "HubError",
    "Last",
    "Limits",
    "Neighbor",
    "NeurographWSClient",
    "PermissionDenied",
    "ProtocolViolation",
    "Published",
    "QueueOverflow",
    "RateLimited",
    "RequestTimeout",
    "ResumeExpired",
    "ServerError",
    "Start",
    "State",
    "StateChange",
    "SubState",
    "Subscription",
    "SubscriptionStats",
    "TokenRequest",
    "TokenSource",
    "TooLarge",
    "Unavailable",
    "UnknownChannel",
    "Welcome",
    "__version__",
    "encode_text",
]
