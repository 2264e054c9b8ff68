"""Families of metrics in the shape in which Prometheus takes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

PREFIX = "neurograph_ws_"


def family(kind: Any, name: str, text: str, label: str | None, values: Mapping[str, float]) -> Metric:
    """Of one label, or of none (its value is the empty string then)."""
    return labelled(kind, name, text, [label] if label else [], {(value,): one for value, one in values.items()})


def labelled(kind: Any, name: str, text: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    """Of several labels."""
    names = list(labels)
    made = kind(PREFIX + name, text, labels=names)
    for value, figure in values.items():
        made.add_metric(list(value) if names else [], figure)
    metric: Metric = made
    return metric


def histogram(
    name: str, text: str, values: Mapping[tuple[str, ...], Mapping[str, Any]], labels: list[str] | None = None
) -> Metric:
    """From the figures of `channels.histograms`, or the plane's own."""
    made = HistogramMetricFamily(PREFIX + name, text, labels=labels or [])
    for label_values, figures in values.items():
        made.add_metric(list(label_values), _buckets(figures), sum_value=figures["sum"])
    return made


def _buckets(figures: Mapping[str, Any]) -> list[Any]:
    """Cumulated, as Prometheus wants them."""
    seen, buckets = 0, []
    for bound, count in zip([*figures["bounds"], "+Inf"], figures["counts"], strict=True):
        seen += count
        buckets.append((str(bound), seen))
    return buckets
