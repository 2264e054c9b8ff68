"""Reads bodies of the bus, which nobody has checked (N17)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from channels.permissions import Role
from hub.auth.revocation import MAX_NAME

if TYPE_CHECKING:
    from channels.backplane.bus import Heard
    from hub.counters import Counters

Body = Mapping[str, Any]


class UnreadableError(ValueError):
    """A body is not as this version of the hub writes it."""


def checked(heard: Callable[[str, Body], None], counters: "Counters") -> "Heard":
    """`heard`, with what it cannot read dropped and counted."""

    def hear(node: str, body: Body) -> None:
        try:
            heard(node, body)
        except UnreadableError:
            counters.error("bus", "unreadable")

    return hear


def text(body: Body, name: str) -> str:
    """A string of 1 to 4,096 characters."""
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise UnreadableError(f"{name}: expected 1 to {MAX_NAME} characters")
    return value


def maybe_text(body: Body, name: str) -> str | None:
    """A string as `text` reads it, or none."""
    return None if body.get(name) is None else text(body, name)


def whole(body: Body, name: str) -> int:
    """A whole number from 0 to 2^53 - 1."""
    value = body.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise UnreadableError(f"{name}: expected a whole number")
    return value


def number(value: object) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise UnreadableError(f"expected a finite number, came {type(value).__name__}")
    return float(value)


def rows(body: Body, name: str) -> list[Any]:
    """A list."""
    value = body.get(name)
    if not isinstance(value, list):
        raise UnreadableError(f"{name}: expected a list")
    return value


def role(body: Body, name: str) -> Role:
    """The name of a role."""
    try:
        return Role(text(body, name))
    except UnreadableError:
        raise
    except ValueError as error:
        raise UnreadableError(f"{name}: {error}") from None
