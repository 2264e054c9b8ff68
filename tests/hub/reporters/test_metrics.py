"""hub/reporters/metrics.py, channels/histograms.py, hub/metrics.py: what the figures mean."""

import math

import pytest

from channels.config import Catalog
from channels.histograms import Histogram, difference, quantile, total
from hub.counters import Counters
from hub.metrics import by_configured_name
from hub.reporters.host import HostSampler
from hub.reporters.metrics import core_document, hub_document
from tests.support.figures import channel, histogram, stats

CORE = {
    "emits": 0,
    "novel": 0,
    "tokens": 5,
    "token_connections": 4,
    "window_points": 5,
    "index_depth": 2,
    "emit_p50_us": 0.4,
    "emit_p99_us": 2.0,
    "queue_depth": 3,
    "dropped": 0,
    "refused": 1,
}


def test_rates_are_those_between_two_readings() -> None:
    before = stats({"signals": channel(appended=10)}, messages_in=5, deliveries=100, bytes_out=1_000)
    after = stats({"signals": channel(appended=30)}, messages_in=9, deliveries=300, bytes_out=3_000)
    document = hub_document(after, before, 2.0, Catalog())
    assert document["messages_in_per_sec"] == 2.0
    assert document["events_in_per_sec"] == 10.0
    assert document["events_out_per_sec"] == 100.0
    assert document["bytes_out_per_sec"] == 1_000.0


def test_subscribers_are_counted_per_configured_channel_and_gaps_in_all() -> None:
    catalog = Catalog.from_tables({"room:*": {"subscribe": ["viewer"]}})
    reading = stats(
        {
            "room:1": channel(cursors=2, gaps={"slow": (1, 7)}),
            "room:2": channel(cursors=3),
            "logs": channel(cursors=1, gaps={"slow": (2, 9), "epoch": (1, 0)}),
        }
    )
    document = hub_document(reading, reading, 1.0, catalog)
    assert document["subscribers"] == {"room:*": 5, "logs": 1}
    assert document["gaps"] == 4
    assert set(by_configured_name(reading["channels"], catalog)) == {"room:*", "logs"}


def test_latency_is_that_of_the_events_in_between() -> None:
    before = stats({"signals": channel(first_write_seconds=histogram(0, 0, 0, 1_000))})
    after = stats({"signals": channel(first_write_seconds=histogram(98, 2, 0, 1_000))})
    document = hub_document(after, before, 1.0, Catalog())
    assert (document["latency_p50_ms"], document["latency_p99_ms"]) == (1.0, 10.0)
    assert hub_document(after, after, 1.0, Catalog())["latency_p50_ms"] is None


def test_the_core_tells_rate_novelty_and_queue() -> None:
    document = core_document({**CORE, "emits": 50, "novel": 10}, CORE, 2.0)
    assert document["events_per_sec"] == 25.0
    assert document["novel_ratio"] == 0.2
    assert (document["total_tokens"], document["queue_depth"], document["p99_us"]) == (5, 3, 2.0)
    assert (document["token_connections"], document["window_points"], document["index_depth"]) == (4, 5, 2)
    assert core_document(CORE, CORE, 2.0)["novel_ratio"] == 0.0


def test_the_host_is_sampled_for_real() -> None:
    clock = iter([0.0, 2.0])
    sample = HostSampler(lambda: next(clock)).sample()
    assert sample["memory_mb"] > 1
    assert 0 < sample["memory_percent"] <= 100
    assert sample["cpu_percent"] >= 0
    assert sample["network_received_bytes_per_s"] >= 0


def test_a_histogram_counts_by_inclusive_bounds() -> None:
    one = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        one.observe(value)
    assert one.figures() == {"bounds": (1.0, 2.0), "counts": [2, 1, 1], "sum": 12.0}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.001), (0.9, 0.01), (1.0, math.inf)])
def test_a_quantile_is_the_bound_it_lies_within(share: float, expected: float) -> None:
    assert quantile(histogram(5, 4, 0, 1), share) == expected
    assert quantile(histogram(), share) is None


def test_histograms_are_added_and_subtracted_bound_by_bound() -> None:
    one, two = histogram(1, 2, 3, 4, total=5.0), histogram(1, 1, 1, 1, total=1.0)
    assert total([one, two]) == histogram(2, 3, 4, 5, total=6.0)
    assert difference(one, two) == histogram(0, 1, 2, 3, total=4.0)
    assert difference(one, None) == one


def test_a_counter_takes_exactly_the_labels_of_its_family() -> None:
    counters = Counters()
    counters.add("errors", "auth", "rate", count=2)
    counters.error("auth", "rate")
    assert counters.values["errors"] == {("auth", "rate"): 3}
    with pytest.raises(ValueError, match="expected labels"):
        counters.add("errors", "auth")
    with pytest.raises(KeyError):
        counters.add("unknown")
