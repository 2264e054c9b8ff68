"""THE table of close codes (PROTOCOL.md section 7): everything else reads it, nobody writes a code twice."""

from dataclasses import dataclass
from enum import StrEnum

MAX_REASON = 123
"""Bytes of UTF-8 that fit beside the code into a close frame (X3)."""


class Reaction(StrEnum):
    """What a close tells the client to do (X1)."""

    STOP = "stops"
    NEW_CREDENTIAL = "gets a new credential, then reconnects"
    BACK_OFF = "reconnects with back-off, resumes"
    GOAWAY = "reconnects within the goaway window, resumes"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One code of the 4000 range with the slugs its reason may begin with."""

    code: int
    slugs: tuple[str, ...]
    meaning: str

    @property
    def slug(self) -> str:
        """The slug that stands for the code where nothing more exact is known."""
        return self.slugs[0]


CLOSE_CODES: dict[int, CloseCode] = {
    entry.code: entry
    for entry in (
        CloseCode(4000, ("protocol_broken",), "ten unreadable messages in a row, or a frame the subprotocol forbids"),
        CloseCode(
            4003, ("forbidden", "url_credential_disabled"), "role or address not allowed; credentials in URLs are off"
        ),
        CloseCode(4009, ("taken_over",), "a newer connection resumed the session"),
        CloseCode(4010, ("kicked",), "ended by an administrator"),
        CloseCode(4013, ("too_large",), "a message too large to skip"),
        CloseCode(4026, ("version_unsupported",), "only subprotocols of unknown versions were offered"),
        CloseCode(4101, ("login_required", "token_invalid", "token_expired"), "no usable credential"),
        CloseCode(4103, ("token_revoked",), "the credential was revoked"),
        CloseCode(4208, ("timeout",), "no life sign, or a message never finished"),
        CloseCode(4213, ("slow",), "the client took no bytes, or was overrun"),
        CloseCode(
            4229, ("rate_abuse", "too_many_connections"), "far beyond the rates, or too many connections of an address"
        ),
        CloseCode(4250, ("internal",), "fault of the server"),
        CloseCode(4253, ("overloaded",), "the node sheds load"),
        CloseCode(4301, ("draining",), "the node goes away"),
        CloseCode(4302, ("rebalance",), "the node hands connections over to others"),
    )
}

CODE_OF: dict[str, int] = {slug: entry.code for entry in CLOSE_CODES.values() for slug in entry.slugs}
"""Slug -> code; no slug stands under two codes."""

_RANGES = {40: Reaction.STOP, 41: Reaction.NEW_CREDENTIAL, 42: Reaction.BACK_OFF, 43: Reaction.GOAWAY}
_STOP_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


def reaction(code: int) -> Reaction:
    """What a client does after a close with `code`; unknown codes are like the known ones of their range (X1, X2)."""
    if code == 1000:
        return Reaction.FINISHED
    if code in _STOP_CODES:
        return Reaction.STOP
    return _RANGES.get(code // 100, Reaction.BACK_OFF)


def reason(slug: str, detail: str = "") -> str:
    """The close reason `slug` or `slug; detail`, cut to what a close frame holds (X3)."""
    text = f"{slug}; {detail}" if detail else slug
    return text.encode()[:MAX_REASON].decode(errors="ignore")
