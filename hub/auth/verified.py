"""Tokens whose signature was checked already, so that who comes back with one is not checked in full again.

Only what held is remembered, by the hash of the token and never longer than its `exp`. What may change meanwhile is
asked each time: the key, which must still be the issuer's own under that name, and the clock. Revocations are no matter
of signatures; `Authenticator` asks for them whichever way an identity came.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.auth.identity import Identity
    from hub.auth.tokens import KeySource

MOST = 10_000
"""Tokens; the one that was not presented for the longest goes first."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whose a token was when it held, and the key that it held by. `begins_at`: seconds of the wall clock."""

    identity: "Identity"
    keys: "KeySource"
    kid: str | None
    fingerprint: bytes
    begins_at: float

    @property
    def ends_at(self) -> float:
        """Its `exp`, which no token lacks."""
        return self.identity.expires_at or 0.0

    def holds(self, now: float) -> bool:
        """Whether the token would be accepted now as it was then."""
        key = self.keys.find(self.kid)
        return key is not None and key.fingerprint == self.fingerprint and self.begins_at <= now < self.ends_at


class VerifiedTokens:
    """At most `most` of them; 0: none is remembered."""

    def __init__(self, most: int = MOST) -> None:
        self.found = 0
        """Tokens that were known and held."""
        self.missed = 0
        """Tokens that had to be checked in full."""
        self._most = most
        self._entries: OrderedDict[bytes, Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, now: float) -> "Identity | None":
        """Whose `token` is, if that is known and still holds; what does not is forgotten. `now`: wall clock."""
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is not None and entry.holds(now):
            self._entries.move_to_end(digest)
            self.found += 1
            return entry.identity
        if entry is not None:
            del self._entries[digest]
        self.missed += 1
        return None

    def keep(self, token: str, verified: Verified) -> None:
        """`token` held just now."""
        if self._most:
            self._entries[_digest(token)] = verified
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def sweep(self, now: float) -> None:
        """Forget those that have expired, as far as they have not been presented for the longest."""
        while self._entries and next(iter(self._entries.values())).ends_at <= now:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
