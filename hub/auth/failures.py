"""Failed logins per address: who guesses is refused before any signature is checked (`login_failures`, id9)."""

from channels.buckets import Rate, SubjectBuckets
from hub.addresses import address_key

MAX_ADDRESSES = 20_000
_BUCKET = "login"


class FailureBook:
    """What each address can still afford to fail.

    Bounded as `SubjectBuckets` are. Who is only looked at takes no place: it costs a failure to push another out.
    """

    def __init__(self, rate: Rate) -> None:
        self._buckets = SubjectBuckets({_BUCKET: rate}, most=MAX_ADDRESSES)

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str, now: float) -> float:
        """Seconds until a login from `address` is looked at again; 0 if it is now. `now`: monotonic seconds."""
        bucket = self._buckets.find(address_key(address), _BUCKET)
        return 0.0 if bucket is None else bucket.wait(1, now)

    def failed(self, address: str, now: float) -> None:
        """One more failure."""
        bucket = self._buckets.bucket(address_key(address), _BUCKET, now)
        if bucket:
            bucket.take(1, now)

    def sweep(self, now: float) -> None:
        """Forget addresses whose failures have drained."""
        self._buckets.sweep(now)
