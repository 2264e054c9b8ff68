"""What the end of a connection counts as."""

import pytest

from hub.endings import blame


@pytest.mark.parametrize(
    ("code", "reason", "cause", "label"),
    [
        (1000, "", "peer", None),
        (1006, "", "lost", None),
        (4010, "kicked", "local", None),
        (4301, "draining", "stop", None),
        (1002, "reserved bits", "protocol", "frame/protocol"),
        (1007, "not UTF-8", "protocol", "frame/utf8"),
        (4013, "too_large", "limit", "frame/too_large"),
        (4208, "timeout; no sign of life", "timeout", "frame/silent"),
        (4208, "timeout; unfinished message", "timeout", "frame/unfinished"),
        (4213, "slow; overrun", "slow", "limit/overrun"),
        (4229, "rate_abuse", "limit", "limit/messages"),
        (4229, "rate_abuse; empty fragments", "limit", "frame/empty"),
        (4250, "internal", "panic", "internal/panic"),
        (1003, "", "protocol", "frame/1003"),
    ],
)
def test_a_verdict_of_the_plane_has_a_layer_and_a_reason(code: int, reason: str, cause: str, label: str | None) -> None:
    assert blame(code, reason, cause) == label
