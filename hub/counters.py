"""Counts of what Python sees happen, by fixed families and labels; read at scrape, never on the way of an event.

The families are rows of the table below (hardening.md section 8); a label never holds a user, an address or a token.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from channels.histograms import Histogram

DURATIONS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)

FAMILIES: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "messages_sent": (("type",), "messages to clients, a batch counted by its content"),
        "messages_received": (("type",), "messages from clients, a batch counted by its content"),
        "subscriptions": (("channel", "result"), "subscribe requests per channel"),
        "errors": (("layer", "reason"), "every refusal and fault"),
        "payloads": (("encoding", "result"), "published payloads that are no plain JSON, by their content encoding"),
        "auth": (("kind", "result"), "logins by kind of credential"),
        "recoveries": (("result",), "sessions that were to be resumed: resumed, partial, refused"),
        "rate_limited": (("bucket",), "requests refused with 429"),
        "http_requests": (("route", "status"), "answered HTTP requests by route and status class"),
        "log_dropped": ((), "log lines left out"),
    }
)
"""Family without `_total` -> (labels, help)."""


class Counters:
    """The counts of one hub."""

    def __init__(self) -> None:
        self.values: dict[str, Counter[tuple[str, ...]]] = {family: Counter() for family in FAMILIES}
        self.durations = Histogram(DURATIONS)
        """Life of ended connections, in seconds."""

    def add(self, family: str, *labels: str, count: int = 1) -> None:
        """Count `count` more under `labels`, which must be as many as the family has."""
        if len(labels) != len(FAMILIES[family][0]):
            raise ValueError(f"{family}: expected labels {FAMILIES[family][0]}, came {labels}")
        self.values[family][labels] += count

    def error(self, layer: str, reason: str) -> None:
        """One refusal or fault."""
        self.add("errors", layer, reason)
