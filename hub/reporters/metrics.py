"""`metrics`: figures of this host, of the SignalSystem and of the hub, every `NG_METRICS_INTERVAL` (C21)."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from channels.histograms import difference, quantile, total
from hub.metrics import by_configured_name
from hub.reporters.host import HostSampler
from hub.reporters.publisher import Publisher

if TYPE_CHECKING:
    from channels.config import Catalog
    from hub.hub import Hub

EVENTS = ("system_metrics", "core_metrics", "hub_metrics")
SERIES = ("system", "core", "hub")
"""What keys end in, behind the node's name."""


class MetricsReporter:
    """Three series, key = `<node>/system`, `<node>/core`, `<node>/hub`; rates are those since the last report."""

    def __init__(self, hub: "Hub", publisher: Publisher, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._publisher = publisher
        self._monotonic = monotonic
        self._host = HostSampler(monotonic)
        self._at = monotonic()
        self._stats: Mapping[str, Any] | None = None
        self._core: Mapping[str, Any] = {}
        self._last: dict[str, Any] = {}

    def snapshot(self) -> dict[str, Any]:
        """What was reported last; gathered now if nothing was."""
        return self._last or self.gather()

    def report(self) -> None:
        """Gather and publish."""
        node = self._hub.node
        for event, (key, data) in zip(EVENTS, self.gather().items(), strict=True):
            self._publisher.publish("metrics", event, data, key=f"{node}/{key}")

    def gather(self) -> dict[str, Any]:
        """The three documents, and the starting point of the next rates."""
        now = self._monotonic()
        elapsed = max(now - self._at, 1e-3)
        stats, core = self._hub.plane.stats(), self._hub.signals.get_stats().to_dict()
        before, core_before = self._stats or stats, self._core or core
        self._last = {
            "system": self._system(),
            "core": core_document(core, core_before, elapsed),
            "hub": hub_document(stats, before, elapsed, self._hub.catalog),
        }
        self._at, self._stats, self._core = now, stats, core
        return self._last

    def _system(self) -> dict[str, Any]:
        lag = self._hub.loop_lag.figures()
        return {
            **self._host.sample(),
            "loop_lag_p50_ms": round(lag.p50 * 1_000, 3),
            "loop_lag_p99_ms": round(lag.p99 * 1_000, 3),
            "connections": len(self._hub.connections),
        }


def core_document(core: Mapping[str, Any], before: Mapping[str, Any], elapsed: float) -> dict[str, Any]:
    """What the SignalSystem did between two readings of its figures."""
    emitted, novel = (core[name] - before[name] for name in ("emits", "novel"))
    return {
        "events_per_sec": round(emitted / elapsed, 1),
        "total_tokens": core["tokens"],
        "token_connections": core["token_connections"],
        "window_points": core["window_points"],
        "index_depth": core["index_depth"],
        "novel_ratio": round(novel / emitted, 4) if emitted else 0.0,
        "p50_us": round(core["emit_p50_us"], 3),
        "p99_us": round(core["emit_p99_us"], 3),
        "queue_depth": core["queue_depth"],
        "dropped": core["dropped"],
        "refused": core["refused"],
        "emits": core["emits"],
    }


def hub_document(
    stats: Mapping[str, Any], before: Mapping[str, Any], elapsed: float, catalog: "Catalog"
) -> dict[str, Any]:
    """What went through the hub between two readings of the plane's figures."""
    channels = by_configured_name(stats["channels"], catalog)
    appended, appended_before = (sum(one["appended"] for one in of["channels"].values()) for of in (stats, before))
    return {
        "messages_in_per_sec": _rate("messages_in", stats, before, elapsed),
        "events_in_per_sec": round(max(0, appended - appended_before) / elapsed, 1),
        "events_out_per_sec": _rate("deliveries", stats, before, elapsed),
        "bytes_in_per_sec": _rate("bytes_in", stats, before, elapsed),
        "bytes_out_per_sec": _rate("bytes_out", stats, before, elapsed),
        "latency_p50_ms": _latency(0.5, stats, before),
        "latency_p99_ms": _latency(0.99, stats, before),
        "subscribers": {name: sum(one["cursors"] for one in group) for name, group in channels.items()},
        "gaps": sum(count for one in stats["channels"].values() for count, _ in one["gaps"].values()),
        "stalls": stats["stalls"],
        "log_bytes": stats["log_bytes"],
    }


def _rate(name: str, stats: Mapping[str, Any], before: Mapping[str, Any], elapsed: float) -> float:
    return round(float(stats[name] - before[name]) / elapsed, 1)


def _latency(share: float, stats: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
    """Append to first write, in ms, of the events in between; None if there were none."""
    key = "first_write_seconds"
    news = [
        difference(figures[key], before["channels"].get(name, {}).get(key))
        for name, figures in stats["channels"].items()
    ]
    found = quantile(total(news), share) if news else None
    return None if found is None else round(found * 1_000, 3)
