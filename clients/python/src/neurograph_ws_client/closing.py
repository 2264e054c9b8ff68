"""What a close code or a refused handshake asks of the client (X1, X2), as one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from .errors import AuthError, Closed, Disconnected, HubError


class Remedy(StrEnum):
    """What the client does after a connection ended."""

    STOP = "stop"
    FINISHED = "finished"
    NEW_CREDENTIAL = "new credential"
    BACK_OFF = "back off"
    WINDOW = "reconnect within the window"


# The first range that holds the code decides; what stands in none is treated as 42xx.
RANGES: tuple[tuple[range, Remedy], ...] = (
    (range(4000, 4100), Remedy.STOP),
    (range(4100, 4200), Remedy.NEW_CREDENTIAL),
    (range(4200, 4300), Remedy.BACK_OFF),
    (range(4300, 4400), Remedy.WINDOW),
    (range(1000, 1001), Remedy.FINISHED),
    (range(1002, 1004), Remedy.STOP),
    (range(1007, 1011), Remedy.STOP),
)

# Code -> slugs of section 7, for messages only: the range alone decides what is done.
SLUGS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        4000: ("protocol_broken",),
        4003: ("forbidden", "url_credential_disabled"),
        4009: ("taken_over",),
        4010: ("kicked",),
        4013: ("too_large",),
        4026: ("version_unsupported",),
        4101: ("login_required", "token_invalid", "token_expired"),
        4103: ("token_revoked",),
        4208: ("timeout",),
        4213: ("slow",),
        4229: ("rate_abuse", "too_many_connections"),
        4250: ("internal",),
        4253: ("overloaded",),
        4301: ("draining",),
        4302: ("rebalance",),
    }
)

# A newer connection of the session took over: of another process, unless it was ours (R11).
TAKEN_OVER = 4009

# Without a goaway the clients of a draining node spread over this time (X5).
DEFAULT_WINDOW = (0.0, 5.0)


def remedy_of_close(code: int) -> Remedy:
    """What a WebSocket close code asks of the client."""
    for codes, remedy in RANGES:
        if code in codes:
            return remedy
    return Remedy.BACK_OFF


def remedy_of_refusal(status: int) -> Remedy:
    """What an HTTP status in place of the upgrade asks of the client."""
    return Remedy.BACK_OFF if status == 429 or status >= 500 else Remedy.STOP


def error_of(remedy: Remedy, code: int, text: str) -> HubError:
    """What the application is told of a connection that ended so."""
    match remedy:
        case Remedy.NEW_CREDENTIAL:
            return AuthError(f"login refused: {text}", code=code)
        case Remedy.STOP | Remedy.FINISHED:
            return Closed(f"the hub ended it: {text}", code=code)
    return Disconnected(text, code=code, temporary=True)


def describe(code: int | None, reason: str) -> str:
    """A close in a few words: the peer's reason, else the slug of the code."""
    if code is None:
        return reason or "connection lost"
    if reason:
        return f"{code} {reason}"
    if code == 1006:
        return "connection lost (no close frame: the hub is gone or the network was cut)"
    return f"{code} {' or '.join(SLUGS[code])}" if code in SLUGS else f"code {code}"
