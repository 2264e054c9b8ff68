"""What the broker and its configuration refuse, in the protocol's own terms (PROTOCOL.md, section 6).

BrokerError                    code, error (stable name), temporary; becomes an `error` answer or a REST problem
├── UnknownChannel      404    not configured
├── ReadOnlyChannel     403    a presence companion (C25)
├── MidConflict         409    the `mid` was used for something else (M31)
├── LogUnavailable      503    the log cannot take it now: nothing was stored
├── Overloaded          503    a bound of the node is reached (L25, the window of `mid`s)
└── OutcomeUnknown      504    the store was lost between sending and answer (E3)
ConfigError                    the configuration is wrong: the hub does not start
"""

# ruff: noqa: N818 - the names are the protocol's words; the base says that they are errors

from typing import Any, ClassVar


class BrokerError(Exception):
    """A message is refused by the broker. What it carries is what `error` carries (E1, E2)."""

    code: ClassVar[int] = 500
    error: ClassVar[str] = "internal"
    temporary: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        channel: str | None = None,
        path: str | None = None,
        limit: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.channel = channel
        self.path = path
        self.limit = limit
        self.retry_after = retry_after

    def members(self) -> dict[str, Any]:
        """The members of an `error` without `type`: the shape inside `errors` maps and REST answers (E2)."""
        shape: dict[str, Any] = {
            "code": self.code,
            "error": self.error,
            "message": self.message,
            "temporary": self.temporary,
        }
        for name in ("retry_after", "path", "limit", "channel"):
            value = getattr(self, name)
            if value is not None:
                shape[name] = value
        return shape


class UnknownChannel(BrokerError):
    """The name is not configured, and no namespace begins so."""

    code, error, temporary = 404, "unknown_channel", False


class ReadOnlyChannel(BrokerError):
    """Only the hub itself writes there."""

    code, error, temporary = 403, "forbidden", False


class MidConflict(BrokerError):
    """The same `mid` of the same subject on the same channel with other content."""

    code, error, temporary = 409, "mid_conflict", False


class LogUnavailable(BrokerError):
    """The log cannot be reached; nothing was stored."""

    code, error, temporary = 503, "log_unavailable", True


class Overloaded(BrokerError):
    """A bound of the node is reached; nothing was stored."""

    code, error, temporary = 503, "overloaded", True


class OutcomeUnknown(BrokerError):
    """It may or may not have been stored. No backplane in memory raises this: its store cannot be lost alone."""

    code, error, temporary = 504, "outcome_unknown", True


class ConfigError(Exception):
    """A setting or table is wrong. The text says where, what was expected and what came; one line per fault."""
