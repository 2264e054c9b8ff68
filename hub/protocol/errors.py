"""THE table of errors (PROTOCOL.md section 6), and the exception that carries one through the checks.

Refusal                    a message is refused; becomes one `error` answer and changes nothing (E3)
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table: the stable name, its status class, and whether the same message may succeed later (E1)."""

    error: str
    code: int
    temporary: bool
    meaning: str

    @property
    def label(self) -> str:
        """Layer and reason under which it is counted (hardening.md, `errors_total`)."""
        return f"{_LAYERS[self.code]}/{self.error.removesuffix('_invalid') if self.code == 422 else self.error}"


_LAYERS = {
    400: "message",
    401: "auth",
    403: "auth",
    404: "message",
    409: "message",
    410: "auth",
    413: "message",
    415: "message",
    422: "message",
    429: "limit",
    500: "internal",
    503: "hub",
    504: "hub",
}

ERRORS: dict[str, ErrorKind] = {
    kind.error: kind
    for kind in (
        ErrorKind("bad_json", 400, False, "not JSON as M10, M11 and M13 ask for"),
        ErrorKind("bad_message", 400, False, "not a message of this protocol"),
        ErrorKind("unknown_type", 400, False, "no such message, or one that only servers send"),
        ErrorKind("bad_position", 400, False, "not a position"),
        ErrorKind("login_required", 401, False, "a credential is needed"),
        ErrorKind("token_invalid", 401, False, "the credential is not valid"),
        ErrorKind("token_expired", 401, False, "the credential has expired"),
        ErrorKind("forbidden", 403, False, "the role lacks the right"),
        ErrorKind("unknown_channel", 404, False, "the channel is not configured"),
        ErrorKind("duplicate_id", 409, False, "the id still awaits its answer"),
        ErrorKind("resume_not_first", 409, False, "something was subscribed before the resume"),
        ErrorKind("mid_conflict", 409, False, "the mid was used for something else"),
        ErrorKind("identity_conflict", 409, False, "another subject than before"),
        ErrorKind("resume_expired", 410, False, "the reconnection token is no longer good"),
        ErrorKind("resume_revoked", 410, False, "the reconnection token was revoked"),
        ErrorKind("too_large", 413, False, "over a size limit"),
        ErrorKind("encoding_unsupported", 415, False, "content_encoding is not in welcome.encodings"),
        ErrorKind("filter_invalid", 422, False, "the filter breaks a rule of section 9"),
        ErrorKind("vector_invalid", 422, False, "not 8 finite numbers"),
        ErrorKind("schema_invalid", 422, False, "a value the channel's schema rules out"),
        ErrorKind("content_invalid", 422, False, "the payload does not decode"),
        ErrorKind("rate_limited", 429, True, "too fast"),
        ErrorKind("too_many_in_flight", 429, True, "too many ids await their answer"),
        ErrorKind("too_many_subscriptions", 429, False, "over the limit of the connection"),
        ErrorKind("internal", 500, True, "fault of the server"),
        ErrorKind("log_unavailable", 503, True, "the log cannot be reached"),
        ErrorKind("draining", 503, True, "the node goes away"),
        ErrorKind("overloaded", 503, True, "the node cannot take more now"),
        ErrorKind("outcome_unknown", 504, True, "may or may not have been stored"),
    )
}

UNREADABLE = frozenset({"bad_json", "bad_message", "unknown_type"})
"""Ten of these in a row close the connection (M15), see `Refusal.is_unreadable`."""


class Refusal(Exception):  # noqa: N818 - the protocol's word; the client erred, not the hub
    """A message is refused. `error` is a row of `ERRORS`; the other members are those of E2, absent where None.

    `closes` (slug and detail of a close code) ends the connection after the answer.
    """

    def __init__(
        self,
        error: str,
        message: str,
        *,
        path: str | None = None,
        limit: int | None = None,
        retry_after: float | None = None,
        channel: str | None = None,
        closes: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = ERRORS[error]
        self.message = message
        self.path = path
        self.limit = limit
        self.retry_after = retry_after
        self.channel = channel
        self.closes = closes
        self.is_unreadable = error in UNREADABLE
        """Whether it is one of those that M15 counts."""

    @property
    def error(self) -> str:
        """The stable name."""
        return self.kind.error

    def members(self) -> dict[str, Any]:
        """The members of an `error` without `type` and without what the request gave: the shape in `errors` (E2)."""
        shape: dict[str, Any] = {
            "code": self.kind.code,
            "error": self.kind.error,
            "message": self.message,
            "temporary": self.kind.temporary,
        }
        if self.retry_after is not None:
            shape["retry_after"] = self.retry_after
        if self.path is not None:
            shape["path"] = self.path
        if self.limit is not None:
            shape["limit"] = self.limit
        if self.channel is not None:
            shape["channel"] = self.channel
        return shape
