"""How many connections may come in, from where, and how fast (L1-L3, C12); `now` is an argument everywhere."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from channels.buckets import Rate, SubjectBuckets
from hub.addresses import address_key
from hub.quantities import is_loopback, read_origin

if TYPE_CHECKING:
    from hub.config import Settings

RETRY_FULL = 5.0
"""Seconds after which a client that met a full or draining node may try again."""
MAX_ADDRESSES = 100_000


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """The settings of the same names."""

    max_connections: int = 20_000
    max_connections_per_address: int = 200
    handshake_rate: Rate = Rate(200, 50)  # noqa: RUF009 - immutable
    waiting_share: float = 0.1
    loopback_is_exempt: bool = True

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """Loopback is exempt from the limit per address in development only (L2)."""
        return cls(
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
            handshake_rate=settings.handshake_rate,
            waiting_share=settings.waiting_share,
            loopback_is_exempt=not settings.is_production,
        )


@dataclass(frozen=True, slots=True)
class Denial:
    """A handshake that is answered by HTTP instead of an upgrade (C11). `label`: layer/reason for the metrics."""

    status: int
    reason: str
    label: str
    retry_after: float | None = None


class Admission:
    """Counts connections and handshakes; bounded by the connections there are and by `MAX_ADDRESSES`."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self.limits = limits
        self.is_draining = False
        self.open = 0
        self.waiting = 0
        """Of those, how many have yet to log in (C13)."""
        self._by_address: Counter[str] = Counter()
        self._handshakes = SubjectBuckets({"handshake": limits.handshake_rate}, most=MAX_ADDRESSES)

    def deny(self, address: str, now: float) -> Denial | None:
        """Why a handshake from `address` is not upgraded; None if it is. Charges the address for the attempt (L3)."""
        bucket = self._handshakes.bucket(address_key(address), "handshake", now)
        if bucket is not None and (wait := bucket.take(1, now)):
            return Denial(429, "too many handshakes from this address", "limit/handshakes", wait)
        if self.is_draining:
            return Denial(503, "this node goes away", "limit/draining", RETRY_FULL)
        if self.open >= self.limits.max_connections:
            return Denial(503, "this node is full", "limit/connections", RETRY_FULL)
        if self.waiting >= max(1.0, self.limits.max_connections * self.limits.waiting_share):
            return Denial(503, "too many connections of this node wait for their login", "limit/waiting", RETRY_FULL)
        return None

    def has_too_many(self, address: str) -> bool:
        """Whether one more connection of `address` is over its limit: closed with 4229 after the upgrade (L2)."""
        if self.limits.loopback_is_exempt and is_loopback(address):
            return False
        return self._by_address[address_key(address)] >= self.limits.max_connections_per_address

    def opened(self, address: str | None, *, waits: bool) -> None:
        """A connection of `address` is open now; None: it counts for no address, since it is closed at once."""
        self.open += 1
        self.waiting += waits
        if address is not None:
            self._by_address[address_key(address)] += 1

    def logged_in(self) -> None:
        """One of those that waited does not wait any more."""
        self.waiting -= 1

    def closed(self, address: str | None, *, waits: bool) -> None:
        """A connection of `address` is gone; `waits`: it never logged in."""
        self.open -= 1
        self.waiting -= waits
        if address is None:
            return
        key = address_key(address)
        self._by_address[key] -= 1
        if self._by_address[key] <= 0:
            del self._by_address[key]

    def sweep(self, now: float) -> None:
        """Once a second: forget buckets that are full again."""
        self._handshakes.sweep(now)


def is_allowed_origin(
    origins: Sequence[str], host: str, scheme: str, allowed: Sequence[str], *, development: bool
) -> bool:
    """C12: none is allowed, `null` and foreign ones only where listed; two are one too many.

    `origins` are the values of the `Origin` headers, `scheme` and `host` those under which the hub itself was asked.
    """
    if not origins:
        return True
    if len(origins) > 1:
        return False
    if origins[0] == "null":
        return "null" in allowed
    try:
        origin = read_origin(origins[0])
        own = read_origin(f"{scheme}://{host}")
    except ValueError:
        return False
    return origin == own or origin in allowed or (development and is_loopback(_host_of(origin)))


def _host_of(origin: str) -> str:
    """Host of an origin in its one spelling."""
    authority = origin.split("://", 1)[1]
    return authority.rpartition("]")[0] + "]" if authority.startswith("[") else authority.partition(":")[0]
