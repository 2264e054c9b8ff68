"""Client of NeuroGraph Hub: one WebSocket, subscriptions that know what they missed, signals, answers.

What belongs here: the client side of PROTOCOL.md and nothing of the server. `session.py` decides without sockets,
`link.py` carries out, `client.py` is what applications call.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .answers import Emitted, Limits, Neighbor, Published, Welcome
    from .binary import (
        BinaryHandler,
        binary_handler,
        create_audio_message,
        create_data_message,
        create_image_message,
        create_message,
        create_video_message,
    )
    from .calls import AUTO
    from .channels import Channel
    from .client import NeurographWSClient
    from .compression import Compressor, Encoded, compress_json, decompress_json, default_compressor
    from .encoder import Axis, encode_text
    from .errors import (
        AuthError,
        BadRequest,
        Closed,
        Disconnected,
        HubError,
        Misconfigured,
        NotSaved,
        NotWritten,
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
    from .filters import Filter, near
    from .policy import Backoff, TokenRequest, TokenSource
    from .recovery import Resumed
    from .restoring import ReconnectionToken
    from .starts import Last, Since, Start
    from .states import State, StateChange, SubState
    from .stats import ClientStats, SubscriptionStats
    from .stores import FileStore, PositionStore
    from .subscription import Subscription
    from .switch import GoAway, Switched
    from .sync_client import SyncClient
    from .sync_subscription import SyncSubscription

__all__ = [
    "AUTO",
    "AuthError",
    "Axis",
    "Backoff",
    "BadRequest",
    "BinaryHandler",
    "Channel",
    "ClientStats",
    "Closed",
    "Compressor",
    "Disconnected",
    "Emitted",
    "Encoded",
    "Event",
    "FileStore",
    "Filter",
    "Gap",
    "GoAway",
    "HubError",
    "Last",
    "Limits",
    "Misconfigured",
    "Neighbor",
    "NeurographWSClient",
    "NotSaved",
    "NotWritten",
    "PermissionDenied",
    "PositionStore",
    "ProtocolViolation",
    "Published",
    "QueueOverflow",
    "RateLimited",
    "ReconnectionToken",
    "RequestTimeout",
    "ResumeExpired",
    "Resumed",
    "ServerError",
    "Since",
    "Start",
    "State",
    "StateChange",
    "SubState",
    "Subscription",
    "SubscriptionStats",
    "Switched",
    "SyncClient",
    "SyncSubscription",
    "TokenRequest",
    "TokenSource",
    "TooLarge",
    "Unavailable",
    "UnknownChannel",
    "Welcome",
    "__version__",
    "binary_handler",
    "compress_json",
    "create_audio_message",
    "create_data_message",
    "create_image_message",
    "create_message",
    "create_video_message",
    "decompress_json",
    "default_compressor",
    "encode_text",
    "near",
]

# Where each of them is; imported when it is first asked for, so that nobody pays for what is not used.
_NAMES = {
    "answers": "Emitted Limits Neighbor Published Welcome",
    "binary": (
        "BinaryHandler binary_handler create_audio_message create_data_message create_image_message "
        "create_message create_video_message"
    ),
    "calls": "AUTO",
    "channels": "Channel",
    "client": "NeurographWSClient",
    "compression": "Compressor Encoded compress_json decompress_json default_compressor",
    "encoder": "Axis encode_text",
    "errors": (
        "AuthError BadRequest Closed Disconnected HubError Misconfigured NotSaved NotWritten PermissionDenied "
        "ProtocolViolation QueueOverflow RateLimited RequestTimeout ResumeExpired ServerError TooLarge "
        "Unavailable UnknownChannel"
    ),
    "events": "Event Gap",
    "filters": "Filter near",
    "policy": "Backoff TokenRequest TokenSource",
    "recovery": "Resumed",
    "restoring": "ReconnectionToken",
    "starts": "Last Since Start",
    "states": "State StateChange SubState",
    "stats": "ClientStats SubscriptionStats",
    "stores": "FileStore PositionStore",
    "subscription": "Subscription",
    "switch": "GoAway Switched",
    "sync_client": "SyncClient",
    "sync_subscription": "SyncSubscription",
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """A public name, or one of the modules here: `errors`, `encoder`."""
    if name in _WHERE:
        value = globals()[name] = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        return value
    if not name.startswith("_"):
        from importlib.util import find_spec  # noqa: PLC0415 - it costs as much as all the rest here

        if find_spec(f".{name}", __name__) is not None:
            return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
