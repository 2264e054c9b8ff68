"""Which credential the client holds, until when, and how often in a row it was refused. Never shown by `repr`."""

from .policy import Reason, TokenRequest

# A token is renewed when this share of its life is over (C15).
_REFRESH_AT = 0.8
# A source that failed is asked again after this share of what is left.
_ASK_AGAIN_AFTER = 0.5


class Credentials:
    """The credential of one client; a fixed one cannot be renewed."""

    def __init__(self, fixed: str | None, *, is_renewable: bool) -> None:
        self.token = fixed
        self.is_renewable = is_renewable
        self.rejections = 0
        self._asked: tuple[Reason, int] | None = None
        self._expires_at: float | None = None
        self._refresh_at: float | None = None

    def needed(self, now: float) -> TokenRequest | None:
        """What to ask the source for before a connection is opened, if anything."""
        if not self.is_renewable:
            return None
        if self.rejections:
            return self._ask("rejected")
        if self.token is None:
            return self._ask("initial")
        if self._expires_at is not None and now >= self._expires_at:
            return self._ask("expiring")
        return None

    def _ask(self, reason: Reason) -> TokenRequest:
        attempt = self._asked[1] + 1 if self._asked and self._asked[0] == reason else 1
        self._asked = (reason, attempt)
        return TokenRequest(reason, attempt)

    def renewed(self, token: str) -> None:
        """The source gave a credential."""
        self.token = token
        self._asked = None
        self._expires_at = self._refresh_at = None

    def accepted(self, expires_in: float | None, now: float) -> None:
        """A `welcome` came: the credential is good, for that long."""
        self.rejections = 0
        self._expires_at = None if expires_in is None else now + expires_in
        self._refresh_at = None if expires_in is None or not self.is_renewable else now + _REFRESH_AT * expires_in

    def rejected(self) -> bool:
        """The hub refused it; whether another one may be tried."""
        self.rejections += 1
        return self.is_renewable and self.rejections < 2

    def deadline(self) -> float | None:
        """When to renew within the connection."""
        return self._refresh_at

    def expiring(self, now: float) -> TokenRequest | None:
        """The renewal that is due now, if any; the next one if this one fails is set at the same time."""
        if self._refresh_at is None or now < self._refresh_at:
            return None
        left = (self._expires_at or now) - now
        self._refresh_at = now + _ASK_AGAIN_AFTER * left if left > 1 else None
        return self._ask("expiring")

    def __repr__(self) -> str:
        return f"<Credentials {'held' if self.token else 'none'}{' renewable' if self.is_renewable else ''}>"
