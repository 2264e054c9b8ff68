"""Failed logins per address: who guesses is refused before any signature is checked (`login_failures`, id9)."""

from channels.buckets import Rate, SubjectBuckets
from hub.addresses import address_key

MAX_ADDRESSES = 20_000
_BUCKET = "login"


class FailureBook:
    """What each address can still afford to fail. Bounded: the address looked at longest ago is forgotten first."""

    def __init__(self, rate: Rate) -> None:
        self._buckets = SubjectBuckets({_BUCKET: rate}, most=MAX_ADDRESSES)

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str, now: float) -> float:
        """Seconds until a login from `address` is looked at again; 0 if it is now. `now`: monotonic seconds."""
        bucket = self._buckets.bucket(address_key(address), _BUCKET, now)
        return bucket.wait(1, now) if bucket else 0.0

    def failed(self, address: str, now: float) -> None:
        """One more failure."""
        bucket = self._buckets.bucket(address_key(address), _BUCKET, now)
        if bucket:
            bucket.take(1, now)

    def sweep(self, now: float) -> None:
        """Forget addresses whose failures have drained."""
        self._buckets.sweep(now)
