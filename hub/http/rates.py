"""What a publisher over HTTP pays: the buckets its subject has over all connections (L24), or the channel's own."""

import math

from channels.buckets import Rate, SubjectBuckets
from channels.channel import ChannelConfig
from hub.addresses import address_key
from hub.auth import Identity
from hub.counters import Counters
from hub.protocol.errors import Refusal

MAX_OWNERS = 20_000


def owner_of(identity: Identity, address: str) -> str:
    """Whose `mid`s and buckets these are: the subject's, or the anonymous address's. No subject begins with NUL."""
    return identity.subject or f"\0{address_key(address)}"


class PublishRates:
    """Charges publishes and signals."""

    def __init__(self, subjects: SubjectBuckets, counters: Counters) -> None:
        self._subjects = subjects
        self._counters = counters
        self._own: dict[str, SubjectBuckets] = {}

    def pay(self, owner: str, bucket: str, cost: float, now: float) -> None:
        """Take `cost` from the subject's `bucket`; raises `Refusal` 429 and takes nothing."""
        self._take(self._subjects, owner, bucket, cost, now)

    def pay_publish(self, owner: str, config: ChannelConfig | None, now: float) -> None:
        """One publish: by the channel's own rate where it has one, else by the subject's."""
        if config is None or config.publish_rate is None:
            self.pay(owner, "publish", 1, now)
            return
        own = self._own.get(config.name)
        if own is None:  # as many as there are configured names
            own = self._own[config.name] = SubjectBuckets({"publish": config.publish_rate}, most=MAX_OWNERS)
        self._take(own, owner, "publish", 1, now)

    def sweep(self, now: float) -> None:
        """Forget full buckets."""
        for own in self._own.values():
            own.sweep(now)

    def _take(self, buckets: SubjectBuckets, owner: str, name: str, cost: float, now: float) -> None:
        bucket = buckets.bucket(owner, name, now)
        wait = bucket.take(cost, now) if bucket else 0.0
        if bucket and wait:
            self._counters.add("rate_limited", name)
            raise Refusal("rate_limited", f"{name}: {_words(bucket.rate)}", retry_after=_wait(wait))


def _words(rate: Rate) -> str:
    return f"{rate.capacity:g} at once, {rate.refill:g} per second"


def _wait(seconds: float) -> float:
    return math.ceil(min(seconds, 86_400.0) * 1_000) / 1_000
