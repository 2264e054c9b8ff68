# ruff: noqa: N818 - the names are those of the documents and of the TypeScript client
"""What can go wrong, one class per class of code, so that `except` says what to do.

HubError
├── BadRequest          400, 409, 415, 422   the caller's message is wrong (`path`); also a ValueError
├── AuthError           401, close 41xx      no usable credential
├── PermissionDenied    403                  the role lacks the right
├── UnknownChannel      404                  not configured
├── ResumeExpired       410                  a reconnection token is no longer good
├── TooLarge            413                  over a size limit (`limit`)
├── RateLimited         429                  too fast (`retry_after`)
├── ServerError         500                  a fault of the hub
│   └── Unavailable     503, 504             not now
├── Closed              close 40xx, close()  this client is over, nothing is tried again by itself
├── Misconfigured       -                    the options of the client can never work; also a ValueError
├── Disconnected        -                    no connection at the moment; also a ConnectionError
├── RequestTimeout      -                    no answer in time; also a TimeoutError
├── QueueOverflow       -                    `on_full="error"` and the handler was too slow
├── NotSaved            -                    a `PositionStore` could not save; told by `on("error")`, tried again
├── NotWritten          -                    the `journal=` raised; told by `on("error")`, written no more
└── ProtocolViolation   -                    the hub said what the protocol does not know
"""

from collections.abc import Mapping
from typing import Any


class HubError(Exception):
    """An error of the hub or of the way to it; its members are those of the wire (E1, E2)."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        error: str = "",
        temporary: bool = False,
        retry_after: float | None = None,
        path: str | None = None,
        limit: float | None = None,
        channel: str | None = None,
        by_channel: Mapping[str, "HubError"] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.error = error
        self.temporary = temporary
        self.retry_after = retry_after
        self.path = path
        self.limit = limit
        self.channel = channel
        # Where several channels were refused at once, the error of each (M23).
        self.by_channel: Mapping[str, HubError] = by_channel or {}

    def __str__(self) -> str:
        return f"{self.code} {self.error}: {self.message}" if self.code and self.error else self.message


class BadRequest(HubError, ValueError):
    """The message is not as the protocol says, or its content is not acceptable: `path` names the member.

    What has no form on the wire is refused before it is sent, with `code` 0 and places like `data.x[3]`.
    """


class AuthError(HubError):
    """No usable credential, or the one presented was refused."""


class PermissionDenied(HubError):
    """The role lacks the right; a subscription starts again when a `welcome` grants it."""


class UnknownChannel(HubError):
    """The hub has no such channel."""


class ResumeExpired(HubError):
    """The reconnection token is no longer good."""


class TooLarge(HubError):
    """The message is over a size limit of the hub, told as `limit`."""


class RateLimited(HubError):
    """Too fast: the same message may succeed after `retry_after` seconds."""


class ServerError(HubError):
    """A fault of the hub."""


class Unavailable(ServerError):
    """It cannot be done now."""


class Closed(HubError):
    """The client is closed; `code` is the close code or HTTP status that ended it."""


class Misconfigured(HubError, ValueError):
    """No connection can come of the options that the client was made with; nothing is tried again by itself."""


class Disconnected(HubError, ConnectionError):
    """There is no connection to the hub at the moment, or it went away before the answer."""


class RequestTimeout(HubError, TimeoutError):
    """No answer came within the time-out."""


class QueueOverflow(HubError):
    """The bounded queue of a subscription with `on_full="error"` was full."""


class NotSaved(HubError):
    """A store of positions could not save them; what it raised is the `__cause__`."""


class NotWritten(HubError):
    """What was given as `journal` raised; what that was is the `__cause__`."""


class ProtocolViolation(HubError):
    """The hub sent what the protocol does not allow; the message was ignored."""


_BY_CODE: Mapping[int, type[HubError]] = {
    400: BadRequest,
    401: AuthError,
    403: PermissionDenied,
    404: UnknownChannel,
    409: BadRequest,
    410: ResumeExpired,
    413: TooLarge,
    415: BadRequest,
    422: BadRequest,
    429: RateLimited,
    500: ServerError,
    503: Unavailable,
    504: Unavailable,
}


def class_of(code: int) -> type[HubError]:
    """The class for a code of section 6; an unknown one is treated as its hundred."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    return ServerError if code >= 500 else BadRequest


def error_from(answer: Mapping[str, Any], channel: str | None = None) -> HubError:
    """The exception for an `error` message or for a member of an `errors` map."""
    code = answer.get("code")
    code = code if isinstance(code, int) else 500
    named = answer.get("channel", channel)
    errors = answer.get("errors")
    return class_of(code)(
        str(answer.get("message") or "no message"),
        code=code,
        error=str(answer.get("error", "")),
        temporary=answer.get("temporary") is True,
        retry_after=_number(answer.get("retry_after")),
        path=answer.get("path") if isinstance(answer.get("path"), str) else None,
        limit=_number(answer.get("limit")),
        channel=named if isinstance(named, str) else None,
        by_channel={name: error_from(one, name) for name, one in errors.items() if isinstance(one, Mapping)}
        if isinstance(errors, Mapping)
        else None,
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
