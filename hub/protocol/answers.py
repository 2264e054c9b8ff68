"""What the server says (PROTOCOL.md 3.3), as dicts that a codec encodes. Absent members are left out, never null."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hub.protocol.messages import Id


class Problem(Protocol):
    """What an `error` can be made of: a `Refusal` of the session, or an error of the broker."""

    def members(self) -> dict[str, Any]:
        """code, error, message, temporary and what E2 adds."""


def answer(kind: str, id: Id | None, **members: Any) -> dict[str, Any]:  # noqa: A002 - the protocol's word
    """`type`, then `id` if there is one, then the members."""
    return {"type": kind, **members} if id is None else {"type": kind, "id": id, **members}


def error(
    problem: Problem,
    *,
    id: Id | None = None,  # noqa: A002 - the protocol's word
    re: str | None = None,
    channel: str | None = None,
    mid: str | None = None,
    duplicate_of: Id | None = None,
    errors: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One refusal. `re` names the type of a message without id: without it, a 503 with a channel would be E4's push."""
    shape: dict[str, Any] = {"type": "error"}
    if id is not None:
        shape["id"] = id
    elif re is not None:
        shape["re"] = re
    shape |= problem.members()
    if channel is not None:
        shape.setdefault("channel", channel)
    if mid is not None:
        shape["mid"] = mid
    if duplicate_of is not None:
        shape["duplicate_of"] = duplicate_of
    if errors is not None:
        shape["errors"] = errors
    return shape


def ack(id: Id, channel: str, position: str, *, is_duplicate: bool) -> dict[str, Any]:  # noqa: A002
    """The publish was stored there (M30, M31)."""
    shape: dict[str, Any] = {"type": "ack", "id": id, "positions": {channel: position}}
    if is_duplicate:
        shape["duplicate"] = True
    return shape


def pong(id: Id | None, t: Any, ts: float) -> dict[str, Any]:  # noqa: A002
    """The answer to `ping`; `t` is absent when it is None (M37)."""
    return answer("pong", id, ts=ts) if t is None else answer("pong", id, t=t, ts=ts)


def unsubscribed(id: Id | None, channels: Iterable[str], code: int, reason: str) -> dict[str, Any]:  # noqa: A002
    """These channels end here (M43)."""
    return answer("unsubscribed", id, channels=list(channels), code=code, reason=reason)
