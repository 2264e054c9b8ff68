"""What `/metrics` and `/api/v1/status` show of the backplane (hardening.md section 8)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from channels.histograms import quantile
from hub.families import family, histogram

if TYPE_CHECKING:
    from channels.backplane import Backplane
    from channels.backplane.bus import Bus
    from channels.config import Catalog


def store_families(backplane: "Backplane", catalog: "Catalog") -> Iterator[Metric]:
    """Zeros where the node is alone."""
    figures = backplane.figures
    yield family(GaugeMetricFamily, "redis_up", "1 while the command connection works", None, {"": int(figures.is_up)})
    alone = {"": int(backplane.is_alone)}
    yield family(GaugeMetricFamily, "alone", "1 while the node goes on without its store by choice", None, alone)
    yield family(GaugeMetricFamily, "outbox_events", "publishes that wait for the store", None, {"": figures.outbox})
    lag = "head of the store minus own head, the worst of each name"
    yield family(GaugeMetricFamily, "bus_lag_entries", lag, "channel", _worst(figures.lag, catalog))
    yield family(CounterMetricFamily, "heals", "holes read from the store", "channel", _sums(figures.heals, catalog))
    yield histogram("canary_seconds", "from publish to receipt over the bus", {(): figures.canary_seconds.figures()})
    yield histogram("append_batch_size", "entries per append", {(): figures.batch_sizes.figures()})
    commands: dict[tuple[str, ...], Mapping[str, Any]] = {
        (name,): one.figures() for name, one in figures.command_seconds.items()
    }
    yield histogram("redis_command_seconds", "commands of the store", commands, ["command"])


def store_document(backplane: "Backplane", bus: "Bus") -> dict[str, Any]:
    """For `/api/v1/status`: what the backplane is, how it does, and which other nodes are there."""
    if backplane.is_local:
        return {"kind": "memory"}
    figures = backplane.figures
    canary = quantile(figures.canary_seconds.figures(), 0.99)
    return {
        "kind": "redis",
        "up": figures.is_up,
        "alone": backplane.is_alone,
        "failure": backplane.failure,
        "outbox": figures.outbox,
        "lag": max(figures.lag.values(), default=0),
        "heals": sum(figures.heals.values()),
        "epoch_rotations": sum(figures.rotations.values()),
        "canary_p99_ms": None if canary is None or canary == float("inf") else round(canary * 1_000, 3),
        "errors": dict(figures.errors),
        "redis": dict(figures.report),
        "nodes": {bus.node: 0.0, **{name: round(seconds, 3) for name, seconds in bus.nodes().items()}},
    }


def configured_name(channel: str, catalog: "Catalog") -> str:
    """The name of the configuration that `channel` falls under: labels are bounded, rooms are not."""
    config = catalog.find(channel)
    return config.name if config else "unknown"


def _sums(values: Mapping[str, int], catalog: "Catalog") -> dict[str, int]:
    grouped: Counter[str] = Counter()
    for channel, value in values.items():
        grouped[configured_name(channel, catalog)] += value
    return grouped


def _worst(values: Mapping[str, int], catalog: "Catalog") -> dict[str, int]:
    worst: dict[str, int] = {}
    for channel, value in values.items():
        name = configured_name(channel, catalog)
        worst[name] = max(worst.get(name, 0), value)
    return worst
