"""When to try again, and with which credential."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .errors import AuthError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter (X4): before attempt n a time drawn between 0 and min(cap, base·2ⁿ) seconds.

    n starts again only after `stable_after` seconds of a connection in order, so that a hub that accepts and closes
    is not hammered. `max_attempts` in a row end it; None never does.
    """

    base: float = 0.5
    cap: float = 30.0
    stable_after: float = 60.0
    max_attempts: int | None = None

    def delay(self, attempt: int, drawn: float, at_least: float = 0.0) -> float:
        """Seconds before attempt `attempt` (from 0), `drawn` from 0 to 1; never below a `Retry-After`."""
        # Beyond 2⁶⁴ the cap has long won, and the shift would only cost memory.
        longest = min(self.cap, self.base * (1 << min(attempt, 64)))
        return max(at_least, drawn * longest)

    def is_used_up(self, attempt: int) -> bool:
        """Whether attempt `attempt` (from 0) is one too many."""
        return self.max_attempts is not None and attempt >= self.max_attempts


Reason = Literal["initial", "expiring", "rejected"]


class TokenRequest(NamedTuple):
    """Why a credential is needed: the first one, the present one nears its end, or it was refused."""

    reason: Reason
    attempt: int = 1


TokenSource = str | Callable[[TokenRequest], str | Awaitable[str]]


async def token_from(source: TokenSource | None, request: TokenRequest) -> str:
    """Ask a source; empty where it has no credential, AuthError for whatever it raises."""
    try:
        answer = source(request) if callable(source) else ""
        return str((answer if isinstance(answer, str) else await answer) or "")
    except Exception as fault:
        text = f"the token source failed: {type(fault).__name__}: {fault}"
        raise AuthError(text, temporary=True) from fault
