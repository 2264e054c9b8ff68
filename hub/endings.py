"""What the end of a connection counts as: the plane's verdicts by layer and reason (hardening.md sections 1 and 2)."""

from collections.abc import Mapping

PEER_CAUSES = frozenset({"peer", "local", "lost", "stop"})
"""Causes that are no refusal of the plane: who ended it has counted why, or nobody is to blame."""

BY_REASON: Mapping[str, str] = {
    "timeout; no sign of life": "frame/silent",
    "timeout; unfinished message": "frame/unfinished",
    "rate_abuse; empty fragments": "frame/empty",
    "slow; nothing was read": "limit/stalled",
    "slow; overrun": "limit/overrun",
    "slow; answers not read": "limit/answers",
}
BY_CODE: Mapping[int, str] = {
    1002: "frame/protocol",
    1007: "frame/utf8",
    4013: "frame/too_large",
    4208: "frame/silent",
    4213: "limit/stalled",
    4229: "limit/messages",
    4250: "internal/panic",
}


def blame(code: int, reason: str, cause: str) -> str | None:
    """Layer/reason of a connection that the plane ended; None where nothing was refused."""
    if cause in PEER_CAUSES:
        return None
    return BY_REASON.get(reason) or BY_CODE.get(code, f"frame/{code}")
