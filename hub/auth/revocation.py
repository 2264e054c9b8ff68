"""What is no longer good although it has not expired: tokens, sessions, subjects (hardening.md 3.6).

Revocations live in the memory of the nodes, which tell them to each other (`hub.cluster.decisions`); when the last
node has ended they are forgotten. What must stay void longer is taken away at its source, by a new key of the issuer or
by the API key's table leaving the settings.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hub.auth.identity import Identity

MAX_REVOCATIONS = 100_000
MAX_NAME = 4_096
"""Characters of a name: no credential is longer, so no id within one is."""
NEVER = math.inf
"""`until` of what could be good again at any time if it were forgotten."""
Scope = Literal["token", "session", "subject"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """One decision. `not_before` (subjects): what was issued earlier is void; `until`: when it is over by itself."""

    scope: Scope
    name: str
    not_before: float
    until: float

    def covers(self, identity: Identity, session: str | None = None) -> bool:
        """Whether it ends what `identity` (in `session`) has."""
        if self.scope == "token":
            return identity.token_id == self.name
        if self.scope == "session":
            return session is not None and session == self.name
        return identity.subject == self.name and identity.issued_at < self.not_before


class RevocationsFullError(Exception):
    """More revocations than are kept: none is forgotten before its time, so a further one is refused."""


class Revocations:
    """The revocations in force, and who wants to hear of a new one (the connections, which then close by 4103)."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Scope, str], Revocation] = {}
        self._listeners: list[Callable[[Revocation], None]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def listen(self, listener: Callable[[Revocation], None]) -> None:
        """Call `listener` with each new revocation, in the turn of the loop that made it."""
        self._listeners.append(listener)

    def revoke(self, revocation: Revocation) -> None:
        """Put it in force; a later `not_before` or `until` of the same name wins."""
        key = (revocation.scope, revocation.name)
        if key not in self._entries and len(self._entries) >= MAX_REVOCATIONS:
            raise RevocationsFullError(
                f"expected at most {MAX_REVOCATIONS} revocations in force on a node, and none is forgotten while it "
                "counts: give the issuer a new key, or take the API key out of the settings, and restart"
            )
        known = self._entries.get(key, revocation)
        self._entries[key] = Revocation(
            *key, max(known.not_before, revocation.not_before), max(known.until, revocation.until)
        )
        for listener in self._listeners:
            listener(revocation)

    def in_force(self) -> list[Revocation]:
        """All of them."""
        return list(self._entries.values())

    def is_revoked(self, identity: Identity, session: str | None = None) -> bool:
        """Whether anything in force covers it."""
        names: tuple[tuple[Scope, str | None], ...] = (
            ("token", identity.token_id),
            ("session", session),
            ("subject", identity.subject),
        )
        found = (self._entries.get((scope, name)) for scope, name in names if name is not None)
        return any(entry is not None and entry.covers(identity, session) for entry in found)

    def sweep(self, now: float) -> None:
        """Forget what expired by itself; `now`: seconds of the wall clock."""
        for key in [key for key, entry in self._entries.items() if entry.until <= now]:
            del self._entries[key]
