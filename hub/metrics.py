"""`/metrics`: the families of hardening.md section 8, gathered at scrape and kept nowhere.

Native counters are read from the plane, Python's from `hub.counters`; nothing is counted a second time for Prometheus.
Labels come from fixed sets: `channel` is a configured name, `room:*` standing for all its rooms.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from channels.histograms import total
from channels.permissions import Role
from hub import __version__, logs, upgrade
from hub.counters import FAMILIES
from hub.families import PREFIX, family, histogram, labelled
from hub.store_metrics import configured_name, store_families

if TYPE_CHECKING:
    from channels.config import Catalog
    from hub.hub import Hub

_PLANE_COUNTERS = {
    "connections_opened": ("opened", "connections handed over to the plane or relayed"),
    "direct_publishes": ("direct_publishes", "publishes that I/O threads took by themselves"),
    "ring_sends": ("ring_sends", "writes that were gathered in an io_uring"),
    "stalled": ("stalls", "connections closed because their sockets took nothing"),
    "deflated": ("deflated", "messages compressed, an event once for all of its view"),
    "deflate_in_bytes": ("deflate_bytes_in", "bytes of messages before they were compressed"),
    "deflate_out_bytes": ("deflate_bytes_out", "bytes of messages after they were compressed"),
    "inflated": ("inflated", "compressed messages from clients"),
    "inflate_in_bytes": ("inflate_bytes_in", "bytes of compressed messages from clients"),
    "inflate_out_bytes": ("inflate_bytes_out", "bytes of these messages decompressed"),
    "bombs": ("bombs", "compressed messages from clients that would have become larger than they may (L20)"),
    "panics": ("panics", "panics of the native plane that were contained"),
    "late_commands": ("late", "commands for connections or logs that were gone"),
    "filters_refused": ("filters_refused", "subscriptions refused because there were too many distinct filters"),
    "filters_judged": ("filters_judged", "evaluations of a filter for an entry"),
    "filters_rejudged": (
        "filters_rejudged",
        "evaluations for an entry that had been judged already, which was let go for want of memory",
    ),
}
_PLANE_GAUGES = {
    "view_bytes": ("view_bytes", "bytes of wire segments"),
    "log_bytes": ("log_bytes", "bytes of all logs"),
    "filter_bytes": ("filter_bytes", "bytes of the distinct filters of subscriptions"),
    "filters": ("filters", "distinct filters of subscriptions, each counted on each of its channels"),
}
_DURABLE_COUNTERS = {
    "durable_records": ("records", "entries written to durable logs"),
    "durable_writes": ("batches", "writes to durable logs"),
    "durable_syncs": ("syncs", "syncs of durable logs by the interval"),
    "durable_segments_removed": ("segments_removed", "files that went because of the retention"),
    "durable_marks_cut": ("marks_cut", "of these, files with mids that still counted"),
    "durable_unfinished": ("unfinished", "logs that the end of the node left unsynced, for its time was over"),
    "durable_torn": ("torn", "tails that were cut off at a recovery"),
    "durable_carried": ("carried", "entries that new epochs began with after a loss of power or damage"),
    "durable_set_aside": ("set_aside", "logs of which damaged files were set aside"),
}
_DURABLE_FAILURES = {"write": "failures", "sync": "sync_failures", "queue": "refused"}
_DURABLE_GAUGES = {
    "durable_waiting": ("waiting", "entries that wait to be written"),
    "durable_waiting_bytes": ("waiting_bytes", "bytes that wait to be written"),
    "durable_bytes": ("bytes", "bytes of all files of durable logs"),
    "durable_segments": ("segments", "files of durable logs"),
}
_PLANE_HISTOGRAMS = {
    "io_turn_seconds": ("io_turn_seconds", "work of an I/O thread between two waits"),
    "heartbeat_latency_seconds": ("heartbeat_seconds", "from ping to pong"),
}
_CHANNEL_HISTOGRAMS = {
    "message_latency_seconds": ("first_write_seconds", "from append to the first subscriber written"),
    "broadcast_duration_seconds": ("last_write_seconds", "from append to the last subscriber written"),
}


class HubMetrics:
    """The scrape page of one hub."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._registry = CollectorRegistry()
        self._registry.register(_HubCollector(hub))
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """Prometheus text: the hub's families, the process's, and the SignalSystem's own."""
        return generate_latest(self._registry) + self._hub.signals.export_metrics().encode()


class _HubCollector(Collector):
    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def describe(self) -> Iterable[Metric]:
        return ()  # asked at registration, when there is no hub to ask yet

    def collect(self) -> Iterator[Metric]:
        stats: Mapping[str, Any] = self._hub.plane.stats()
        yield from _plane_families(stats)
        yield from _near_families(stats)
        yield from _durable_families(stats["durable"])
        yield from store_families(self._hub.broker.backplane, self._hub.catalog)
        yield self._differing()
        yield self._rotations(stats["durable"])
        yield from _channel_families(by_configured_name(stats["channels"], self._hub.catalog))
        yield from _counter_families(self._counted())
        yield from self._hub_families(stats)

    def _differing(self) -> Metric:
        cluster = self._hub.cluster
        count = 0 if cluster is None else len(cluster.agreement.differing)
        text = "other nodes whose keys for tokens are not ours"
        return family(GaugeMetricFamily, "nodes_with_other_keys", text, None, {"": count})

    def _rotations(self, durable: Mapping[str, Any] | None) -> Metric:
        """By the store (N4); alone, by a token that told of more than the log held, and by what a start has found of
        durable logs. Of these two the channels are not told.
        """
        ended: Counter[tuple[str, ...]] = Counter()
        if self._hub.broker.backplane.is_local:
            ended["", "token"] = self._hub.broker.replicas.rotations
        for (channel, reason), count in self._hub.broker.backplane.figures.rotations.items():
            ended[configured_name(channel, self._hub.catalog), reason] += count
        for reason, count in (durable or {}).get("epoch_rotations", {}).items():
            ended["", reason] += count
        text = "epochs that ended because entries were lost"
        return labelled(CounterMetricFamily, "epoch_rotations", text, ("channel", "reason"), ended)

    def _counted(self) -> dict[str, Counter[tuple[str, ...]]]:
        self._hub.connections.grants.count()
        values = {family: Counter(counter) for family, counter in self._hub.counters.values.items()}
        values["auth"].update(self._hub.authenticator.counts)
        values["errors"].update({("bus", reason): n for reason, n in self._hub.broker.backplane.figures.errors.items()})
        values["errors"].update({("handshake", reason): count for reason, count in upgrade.refusals.items()})
        values["log_dropped"][()] = logs.current().limiter.dropped_total + self._hub.log_channel.dropped_total
        return values

    def _hub_families(self, stats: Mapping[str, Any]) -> Iterator[Metric]:
        roles = self._hub.connections.roles()
        # A gauge in spite of its name, which is the documents' (G1).
        yield family(
            GaugeMetricFamily, "connections_total", "open connections", "role", {role: roles[role] for role in Role}
        )
        closed = {str(code): count for code, count in self._hub.connections.closed.items()}
        yield family(CounterMetricFamily, "connections_closed", "ended connections by close code", "code", closed)
        yield histogram(
            "connection_duration_seconds", "life of ended connections", {(): self._hub.counters.durations.figures()}
        )
        entries = sum(channel["entries"] for channel in stats["channels"].values())
        queued = {"log": entries, "inbox": stats["inbox"], "signals": self._hub.signals.get_stats().queue_depth}
        untold = self._hub.connections.announcements
        queued["connections"] = len(untold)
        yield family(GaugeMetricFamily, "buffered_events", "events kept or waiting", "queue", queued)
        overflows = {"log": stats["log_overflow"], "inbox": stats["inbox_full"], "cursor": stats["overruns"]}
        overflows["connections"] = untold.dropped
        yield family(CounterMetricFamily, "buffer_overflow", "what left early, or had to wait", "queue", overflows)
        yield family(
            CounterMetricFamily, "bound_refusals", "what found no room on this node", "bound", self._bound_refusals()
        )
        yield histogram("loop_lag_seconds", "how late the event loop is", {(): self._hub.loop_lag.histogram.figures()})
        yield family(
            GaugeMetricFamily, "draining", "1 while the node goes away", None, {"": int(self._hub.health.is_draining)}
        )
        verified = self._hub.authenticator.verified
        yield family(GaugeMetricFamily, "verified_tokens", "tokens remembered as checked", None, {"": len(verified)})
        looks = {"known": verified.found, "checked": verified.missed}
        yield family(
            CounterMetricFamily, "token_looks", "tokens known as checked, and checked in full", "result", looks
        )
        resumption = self._hub.resumption
        yield family(GaugeMetricFamily, "sessions", "sessions with tokens", None, {"": len(resumption)})
        evicted = {"": resumption.evicted}
        yield family(CounterMetricFamily, "sessions_evicted", "sessions forgotten before their time", None, evicted)
        yield family(GaugeMetricFamily, "build_info", "version of the hub", "version", {__version__: 1})

    def _bound_refusals(self) -> dict[str, int]:
        broker = self._hub.broker.statistics()
        return {
            "channels": broker["channels_refused"],
            "publish_mids": broker["mids_refused"],
            "recovered_mids": broker["mids_forgotten"],
            "batch_ids": broker["batches_refused"],
            "emit_mids": self._hub.emissions.statistics()["mids_refused"],
            "grants": self._hub.connections.grants.refused,
        }


def by_configured_name(channels: Mapping[str, Any], catalog: "Catalog") -> dict[str, list[Mapping[str, Any]]]:
    """Figures of channels under the names of the configuration: labels are bounded, rooms are not."""
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for name, figures in channels.items():
        grouped[configured_name(name, catalog)].append(figures)
    return grouped


def _plane_families(stats: Mapping[str, Any]) -> Iterator[Metric]:
    for name, (key, text) in _PLANE_COUNTERS.items():
        yield family(CounterMetricFamily, name, text, None, {"": stats[key]})
    for name, (key, text) in _PLANE_GAUGES.items():
        yield family(GaugeMetricFamily, name, text, None, {"": stats[key]})
    for name, (key, text) in _PLANE_HISTOGRAMS.items():
        yield histogram(name, text, {(): stats[key]})
    sizes = HistogramMetricFamily(
        PREFIX + "message_size_bytes", "size of messages: count and sum", labels=["direction"]
    )
    sent = stats["answers"] + stats["deliveries"]
    for direction, count, size in (("in", stats["messages_in"], stats["bytes_in"]), ("out", sent, stats["bytes_out"])):
        sizes.add_metric([direction], [("+Inf", count)], sum_value=size)
    yield sizes


def _near_families(stats: Mapping[str, Any]) -> Iterator[Metric]:
    """Of semantic subscriptions, under the SignalSystem's prefix."""
    text = "distinct balls of near conditions by which filters are found, each counted on each of its channels"
    balls = GaugeMetricFamily("neurograph_signal_near_balls", text)
    balls.add_metric((), stats["near_balls"])
    matches = CounterMetricFamily("neurograph_signal_near_matches", "filters found by such a ball, for each entry")
    matches.add_metric((), stats["near_matches"])
    yield from (balls, matches)


def _durable_families(stats: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Nothing where the hub has no data directory."""
    if stats is None:
        return
    for name, (key, text) in _DURABLE_COUNTERS.items():
        yield family(CounterMetricFamily, name, text, None, {"": stats[key]})
    for name, (key, text) in _DURABLE_GAUGES.items():
        yield family(GaugeMetricFamily, name, text, None, {"": stats[key]})
    failed = {kind: stats[key] for kind, key in _DURABLE_FAILURES.items()}
    yield family(
        CounterMetricFamily, "durable_failures", "writes and syncs that failed, entries refused", "kind", failed
    )


def _channel_families(channels: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Metric]:
    cursors = {name: sum(one["cursors"] for one in group) for name, group in channels.items()}
    yield family(GaugeMetricFamily, "channel_subscribers", "subscriptions now", "channel", cursors)
    for title, key, text in (
        ("events_appended", "appended", "entries of logs"),
        ("events_delivered", "deliveries", "events written to subscribers"),
    ):
        sums = {name: sum(one[key] for one in group) for name, group in channels.items()}
        yield family(CounterMetricFamily, title, text, "channel", sums)
    for name, (key, text) in _CHANNEL_HISTOGRAMS.items():
        yield histogram(
            name,
            text,
            {(channel,): total(one[key] for one in group) for channel, group in channels.items()},
            ["channel"],
        )
    yield from _gap_families(channels)


def _gap_families(channels: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Metric]:
    gaps = CounterMetricFamily(PREFIX + "gaps", "gaps given", labels=["channel", "reason"])
    entries = CounterMetricFamily(PREFIX + "gap_entries", "entries known missed", labels=["channel", "reason"])
    for channel, group in channels.items():
        counted: dict[str, tuple[int, int]] = {}
        for reason, (count, missed) in (item for one in group for item in one["gaps"].items()):
            before = counted.get(reason, (0, 0))
            counted[reason] = before[0] + count, before[1] + missed
        for reason, (count, missed) in counted.items():
            gaps.add_metric([channel, reason], count)
            entries.add_metric([channel, reason], missed)
    yield from (gaps, entries)


def _counter_families(values: Mapping[str, Mapping[tuple[str, ...], int]]) -> Iterator[Metric]:
    for name, (labels, text) in FAMILIES.items():
        family = CounterMetricFamily(PREFIX + name, text, labels=labels)
        for label_values, count in values[name].items():
            family.add_metric(label_values, count)
        if not labels and not values[name]:
            family.add_metric((), 0)
        yield family
