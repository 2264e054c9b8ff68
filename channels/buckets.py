"""Token buckets (L22-L24): full at the start, refilled steadily, and a cost is paid whole or refused whole.

`now` is always an argument, in seconds of one monotonic clock. What is refused is counted too, because a client that
keeps asking is abusing the hub (L24).
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Self

from channels._native import SharedBucket

ABUSE_SECONDS = 5
ABUSE_FACTOR = 100.0
SUBJECT_FACTOR = 10.0
MAX_SUBJECTS = 100_000
SWEEP_BUCKETS = 4_096
MUCH = 0.25
"""Of a capacity: when so much was granted, the other nodes are told at once."""
EVICTION_LOOK = 64
"""Of the buckets asked for longest ago, how many are looked at for a full one before one in use has to go."""


Key = tuple[str, str]
"""Subject and name of a bucket."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`capacity` at once, `refill` per second."""

    capacity: float
    refill: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"60/10"`: capacity / refill per second; raises `ValueError`."""
        parts = text.split("/")
        try:
            capacity, refill = (float(part) for part in parts)
        except ValueError:
            raise ValueError(f"expected capacity/refill such as 60/10, came {text!r}") from None
        if not (1 <= capacity < math.inf and 0 < refill < math.inf):
            raise ValueError(f"expected a capacity of at least 1 and a refill above 0, both finite, came {text!r}")
        return cls(capacity, refill)

    def times(self, factor: float) -> Self:
        """The same rate, `factor` times as large."""
        return type(self)(self.capacity * factor, self.refill * factor)

    def __str__(self) -> str:
        return f"{self.capacity:g}/{self.refill:g}"


DEFAULT_RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "ping": Rate(120, 2),
        "subscribe": Rate(30, 1),
        "unsubscribe": Rate(30, 1),
        "publish": Rate(60, 10),
        "emit": Rate(1000, 1000),
        "default": Rate(60, 10),
    }
)
"""The buckets of a connection (L22)."""

SUBJECT_RATES: Mapping[str, Rate] = MappingProxyType(
    {name: DEFAULT_RATES[name].times(SUBJECT_FACTOR) for name in ("publish", "emit")}
)
"""The buckets that a subject has in addition, over all its connections (L24)."""


class TokenBucket:
    """One bucket. `refused` is the cost of everything it could not pay since it was made."""

    __slots__ = ("_slots", "rate", "refused", "shared")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.refused = 0.0
        self.shared = SharedBucket(rate.capacity, rate.refill, now)
        """What is in it: an I/O thread to which it is lent pays from there too."""
        self._slots: list[list[float]] = []  # [second, cost refused in it]: the last `ABUSE_SECONDS` of them

    def take(self, cost: float, now: float) -> float:
        """Pay `cost`: 0.0 if it was granted, else the seconds to wait, and nothing was taken (L23)."""
        return take_all(self, None, cost, now)

    def level(self, now: float) -> float:
        """What could be paid at `now`. A clock that steps back gives nothing and takes nothing."""
        return self.shared.level(now)

    def take_each(self, most: int, now: float) -> int:
        """Pay 1 up to `most` times: how often that was granted; the rest is refused."""
        granted = self.shared.take_each(most, now)
        if granted:
            self._paid(granted)
        if granted < most:
            self._refuse(most - granted, now)
        return granted

    def wait(self, cost: float, now: float) -> float:
        """Seconds after `now` until `cost` can be paid, infinite above the capacity. Takes nothing."""
        missing = cost - self.level(now)
        if missing <= 0:
            return 0.0
        if cost > self.rate.capacity:
            return math.inf
        wait = max(0.0, self.shared.at - now) + missing / self.rate.refill
        # The answer is a promise: rounding must not make a client that waited exactly so long come too early.
        step = math.ulp(now + wait)
        while self.level(now + wait) < cost:
            wait += step
            step *= 2
        return wait

    def drain(self, cost: float, now: float, most: float = 1.0) -> None:
        """`cost` was granted elsewhere: what is missing is refilled first. At most `most` capacities are ever owed."""
        self.shared.drain(cost, now, most)

    def is_full(self, now: float) -> bool:
        """Whether forgetting the bucket changes nothing."""
        return self.level(now) >= self.rate.capacity

    def is_abused(self, now: float) -> bool:
        """Whether more than 100 times the refill was refused within the last 5 s (L24)."""
        first = math.floor(now) - ABUSE_SECONDS + 1
        recent = sum(cost for second, cost in self._slots if second >= first)
        return recent > ABUSE_FACTOR * self.rate.refill

    def _paid(self, cost: float) -> None:
        """`cost` was taken out of it."""

    def _refuse(self, cost: float, now: float) -> None:
        self.refused += cost
        second = math.floor(now)
        if not self._slots or self._slots[-1][0] < second:
            self._slots.append([second, 0.0])
            del self._slots[:-ABUSE_SECONDS]
        self._slots[-1][1] += cost

    def __repr__(self) -> str:
        at = self.shared.at
        return f"TokenBucket({self.rate}, level={self.level(at):g} at {at:g}, refused={self.refused:g})"


class _Book:
    """What was granted and others do not know yet; `much` is called when of one bucket it is `MUCH` of its capacity."""

    __slots__ = ("much", "spent")

    def __init__(self, much: Callable[[], None]) -> None:
        self.much = much
        self.spent: dict[Key, float] = {}

    def paid(self, key: Key, cost: float, capacity: float) -> None:
        before = self.spent.get(key, 0.0)
        self.spent[key] = before + cost
        if before < MUCH * capacity <= before + cost:
            self.much()


class _Recorded(TokenBucket):
    """A bucket that keeps book of what it grants."""

    __slots__ = ("_book", "_key")

    def __init__(self, rate: Rate, now: float, key: Key, book: _Book) -> None:
        super().__init__(rate, now)
        self._key = key
        self._book = book

    def _paid(self, cost: float) -> None:
        self._book.paid(self._key, cost, self.rate.capacity)


def take_all(own: TokenBucket, shared: TokenBucket | None, cost: float, now: float) -> float:
    """Pay `cost` from both buckets, or from neither: 0.0, or the seconds until both can pay (L23, L24)."""
    buckets = (own,) if shared is None else (own, shared)
    if own.shared.take(cost, now, None if shared is None else shared.shared):
        for bucket in buckets:
            bucket._paid(cost)
        return 0.0
    waits = [bucket.wait(cost, now) for bucket in buckets]
    for bucket, wait in zip(buckets, waits, strict=True):
        if wait > 0.0:
            bucket._refuse(cost, now)
    return max(waits)


def take_each(own: TokenBucket, shared: TokenBucket | None, most: int, now: float) -> int:
    """Pay 1 from both buckets, up to `most` times: how often that could be done, exactly as one by one."""
    count = own.shared.take_each(most, now, None if shared is None else shared.shared)
    if count:
        own._paid(count)
        if shared is not None:
            shared._paid(count)
    return count


class SubjectBuckets:
    """Buckets that have an owner beyond one connection: a subject (L24), an address (L3).

    Kept until they are full, so that a reconnect refills none. Bounded even where every bucket is in use: a full one
    makes room first, since forgetting it changes nothing, else the one asked for longest ago, which starts full again.
    """

    def __init__(self, rates: Mapping[str, Rate] = SUBJECT_RATES, *, most: int = MAX_SUBJECTS) -> None:
        self._rates = dict(rates)
        self._most = most
        self._buckets: OrderedDict[Key, TokenBucket] = OrderedDict()  # asked for longest ago first
        self._unswept: list[Key] = []
        """What a pass of sweeps has yet to look at; the order of `_buckets` is not its own to change."""
        self._book: _Book | None = None

    def __len__(self) -> int:
        return len(self._buckets)

    def find(self, subject: str, name: str) -> TokenBucket | None:
        """The bucket `name` of `subject` if there is one; None says nothing of it was used, and makes none."""
        found = self._buckets.get((subject, name))
        if found is not None:
            self._buckets.move_to_end((subject, name))
        return found

    def bucket(self, subject: str, name: str, now: float) -> TokenBucket | None:
        """The bucket `name` of `subject`; None if nobody has a bucket of that name."""
        key = subject, name
        found = self._buckets.get(key)
        if found is not None:
            self._buckets.move_to_end(key)
        elif name in self._rates:
            if len(self._buckets) >= self._most:
                self._make_room(now)
            found = self._buckets[key] = self._new(subject, name, now)
        return found

    def record(self, much: Callable[[], None]) -> None:
        """Keep book from now on, for `take_spent`; before any bucket is asked for.

        `much` is called when a quarter of the capacity of one bucket was granted since the last time.
        """
        self._book = _Book(much)

    def take_spent(self) -> dict[Key, float]:
        """What was granted since the last time, by (subject, name); not to who has no name (it begins with NUL)."""
        if self._book is None:
            return {}
        spent, self._book.spent = self._book.spent, {}
        return {key: cost for key, cost in spent.items() if not key[0].startswith("\0")}

    def spend_elsewhere(self, subject: str, name: str, cost: float, now: float, nodes: int = 1) -> None:
        """Another of so many `nodes` has granted `cost` to `subject`: each can have granted one capacity too much."""
        bucket = self.bucket(subject, name, now)
        if bucket is not None:
            bucket.drain(cost, now, most=nodes)

    def sweep(self, now: float, most: int = SWEEP_BUCKETS) -> None:
        """Forget buckets that are full again; looks at `most` of them in turn, so that no sweep holds up the loop."""
        self._unswept = self._unswept or list(reversed(self._buckets))
        for _ in range(min(most, len(self._unswept))):
            key = self._unswept.pop()
            bucket = self._buckets.get(key)
            if bucket is not None and bucket.is_full(now) and not bucket.shared.is_lent:
                del self._buckets[key]

    def _new(self, subject: str, name: str, now: float) -> TokenBucket:
        rate = self._rates[name]
        if self._book is None:
            return TokenBucket(rate, now)
        return _Recorded(rate, now, (subject, name), self._book)

    def _make_room(self, now: float) -> None:
        """Those that are lent are in use, however long ago they were asked for here."""
        oldest = list(islice(self._buckets.items(), EVICTION_LOOK))
        idle = [key for key, bucket in oldest if not bucket.shared.is_lent]
        for key, bucket in oldest:
            if bucket.shared.is_lent:
                self._buckets.move_to_end(key)
        full = next((key for key in idle if self._buckets[key].is_full(now)), None)
        del self._buckets[(idle[0] if idle else next(iter(self._buckets))) if full is None else full]
