"""Errors as a user meets them: a sentence, the next command, an exit code. One table over the client's classes."""

from neurograph_ws_client import (
    AuthError,
    BadRequest,
    Closed,
    Disconnected,
    HubError,
    Misconfigured,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    TooLarge,
    UnknownChannel,
)
from typer.exceptions import TyperException

from .exits import Exit, Failed

_LOGIN = "next: export NG_TOKEN=$(ng-ws token new --role developer), or ng-ws token show to read the one you have"
_RIGHTS = "next: ng-ws token check shows the rights of your role"
_CONNECT = "next: start a hub with make run, or name another with --url ws://HOST:8000/ws"

# The first class that fits decides.
TABLE: tuple[tuple[type[Exception], Exit, str], ...] = (
    (AuthError, Exit.LOGIN, _LOGIN),
    (PermissionDenied, Exit.PERMISSION, _RIGHTS),
    (UnknownChannel, Exit.USAGE, "next: ng-ws channels"),
    (RateLimited, Exit.RATE_LIMITED, "next: the same again, more slowly; ng-ws token check shows the rates"),
    (RequestTimeout, Exit.TIMEOUT, "next: the same with a longer --timeout, or ng-ws ping"),
    (Disconnected, Exit.CONNECT, _CONNECT),
    (TooLarge, Exit.USAGE, ""),
    (BadRequest, Exit.USAGE, ""),
    (Closed, Exit.CONNECT, ""),
    (Misconfigured, Exit.USAGE, ""),
    (HubError, Exit.UNEXPECTED, "next: the hub's log says more"),
    (TyperException, Exit.USAGE, "next: the same with --help"),
    (ValueError, Exit.USAGE, ""),
    (OSError, Exit.UNEXPECTED, ""),
)

_FORBIDDEN = 4003

# By the member that the hub refuses.
_HINTS = {
    "max_rate": "next: the same with --delivery latest",
    "filter": "next: ng-ws sub --help, or docs/CLI.md, Filters",
}


def explained(fault: Exception) -> Failed:
    """The failure that a user reads; of several at once the first."""
    if isinstance(fault, ExceptionGroup):
        return explained(fault.exceptions[0])
    if isinstance(fault, Failed):
        return fault
    if isinstance(fault, Closed) and fault.code == _FORBIDDEN:
        return Failed(Exit.PERMISSION, str(fault), _RIGHTS)
    if isinstance(fault, BadRequest) and fault.path in _HINTS:
        return Failed(Exit.USAGE, str(fault), _HINTS[fault.path])
    if str(fault).startswith("url: expected"):
        return Failed(Exit.USAGE, str(fault), "next: ng-ws doctor URL says which one it may be")
    message = fault.format_message() if isinstance(fault, TyperException) else str(fault)
    for kind, exit_code, hint in TABLE:
        if isinstance(fault, kind):
            return Failed(exit_code, message, hint)
    return Failed(Exit.UNEXPECTED, f"{type(fault).__name__}: {message}", "next: the same with --verbose")
