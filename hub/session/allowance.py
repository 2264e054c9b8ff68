"""What a connection may still do: its own buckets, and those its subject shares over all connections (L22-L24)."""

import math
from typing import NamedTuple

from channels._native import SharedBucket
from channels.buckets import Rate, SubjectBuckets, TokenBucket, take_all, take_each
from hub.protocol.errors import Refusal

MAX_RETRY_AFTER = 86_400.0


class Shortage(NamedTuple):
    """A cost that was not paid: which rate refused it, when to come again, and whether that is abuse (L24)."""

    rate: Rate
    wait: float
    is_shared: bool
    is_abuse: bool

    def refusal(self, bucket: str) -> Refusal:
        """The 429, with an exact `retry_after` in whole milliseconds (L23); the last one, where it is abuse."""
        whose = " over all connections of the subject" if self.is_shared else ""
        return Refusal(
            "rate_limited",
            f"{bucket}: {self.rate.capacity:g} at once, {self.rate.refill:g} per second{whose}",
            retry_after=math.ceil(min(self.wait, MAX_RETRY_AFTER) * 1_000) / 1_000,
            closes=("rate_abuse", bucket) if self.is_abuse else None,
        )


class Allowance:
    """The buckets of one connection, each made when it is first needed: an idle connection has none."""

    __slots__ = ("_buckets", "_shared")

    def __init__(self, shared: SubjectBuckets) -> None:
        self._buckets: dict[str, TokenBucket] = {}
        self._shared = shared

    def take(self, name: str, rate: Rate, cost: float, now: float, subject: str | None = None) -> Shortage | None:
        """Pay `cost` from bucket `name` and from the one `subject` shares; None if paid, else nothing was taken."""
        own = self._buckets.get(name)
        if own is None or own.rate is not rate:
            own = self._bucket(name, rate, now)
        shared = None if subject is None else self._shared.bucket(subject, name, now)
        wait = take_all(own, shared, cost, now)
        if wait == 0.0:
            return None
        buckets = (own,) if shared is None else (own, shared)
        slowest = max(buckets, key=lambda one: one.wait(cost, now))
        return Shortage(slowest.rate, wait, slowest is shared, any(one.is_abused(now) for one in buckets))

    def take_each(self, name: str, rate: Rate, subject: str | None, most: int, now: float) -> int:
        """Pay 1 up to `most` times: how often it could be paid. What could not is not counted as refused."""
        own = self._buckets.get(name)
        if own is None or own.rate is not rate:
            own = self._bucket(name, rate, now)
        return take_each(own, None if subject is None else self._shared.bucket(subject, name, now), most, now)

    def lend(self, name: str, rate: Rate, now: float, subject: str | None) -> tuple[SharedBucket, SharedBucket | None]:
        """What is in bucket `name` and in the one `subject` shares, for an I/O thread that pays from there."""
        shared = None if subject is None else self._shared.bucket(subject, name, now)
        return self._bucket(name, rate, now).shared, None if shared is None else shared.shared

    def _bucket(self, name: str, rate: Rate, now: float) -> TokenBucket:
        """A new bucket starts full; one of an equal rate is kept, so that a new login does not fill it."""
        known = self._buckets.get(name)
        if known is None or known.rate != rate:
            known = self._buckets[name] = TokenBucket(rate, now)
        return known
