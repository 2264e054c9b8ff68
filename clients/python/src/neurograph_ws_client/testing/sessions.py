"""Reconnection tokens of the small hub: kept in a table where a real one seals them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .peer import FakeSession, Peer

EXPIRES_IN = 300


class Sealed(NamedTuple):
    """What a token holds: the session, and per channel its subscribe and its position (R2)."""

    session: FakeSession
    subscriptions: Mapping[str, tuple[Mapping[str, Any], str]]


class Refusal(NamedTuple):
    """Why a token is not good."""

    code: int
    error: str


class Tokens:
    """Every token given out; `expire` makes those so far worthless."""

    def __init__(self) -> None:
        self._sealed: dict[str, Sealed] = {}
        self._count = 0

    def issue(self, peer: Peer) -> dict[str, Any]:
        """A fresh token of a session; it covers what was written to the peer before it (R16)."""
        self._count += 1
        text = f"fake-token-{self._count}"
        subscriptions = {
            channel: ({"delivery": one.delivery, "on_slow": one.on_slow, **one.options}, one.resumes_at())
            for channel, one in peer.following.items()
        }
        peer.session.is_asked = True
        self._sealed[text] = Sealed(peer.session, subscriptions)
        return {"type": "reconnection_token", "token": text, "expires_in": EXPIRES_IN}

    def open(self, text: object, peer: Peer) -> Sealed | Refusal:
        """Check a token in the order of R5."""
        sealed = self._sealed.get(str(text))
        if sealed is None:
            return Refusal(410, "resume_expired")
        if sealed.session.is_forgotten:
            return Refusal(410, "resume_revoked")
        return Refusal(409, "resume_not_first") if peer.following else sealed

    def expire(self) -> None:
        """As if their time were over."""
        self._sealed.clear()
