//! Figures as plain dicts.
//!
//! `Plane.stats()`, all counted since the start unless they are called gauges:
//!
//! | key | |
//! |---|---|
//! | `connections` | gauge: connections that have not ended |
//! | `opened`, `closed` | connections attached; ended, by close code |
//! | `messages_in`, `bytes_in`, `unreadable` | from peers, up to a second old |
//! | `deflated`, `deflate_bytes_in`, `deflate_bytes_out` | messages compressed, an event once for all of its view; their bytes before and after |
//! | `inflated`, `inflate_bytes_in`, `inflate_bytes_out`, `bombs` | compressed messages from peers; their bytes before and after; those beyond their limit (L20) |
//! | `answers`, `deliveries`, `bytes_out` | messages queued by `send` and with subscriptions; events and gaps written; bytes written in turns |
//! | `direct_publishes`, `direct_acks` | publishes that I/O threads took by themselves; their answers |
//! | `ring_sends` | writes that were gathered in an `io_uring`; 0 where the kernel has none for us |
//! | `stalls`, `overruns`, `panics`, `late`, `inbox_full` | 4213 for bytes or answers not taken; 4213 for overruns; panics contained; commands for what was gone; times reading stopped for Python |
//! | `watermarks` | pushes that told clients where they stand (P9) |
//! | `acks`, `acks_ignored`, `window_waits` | positions acknowledged by clients; in vain (M36); times a subscription with `ack` began to wait for one |
//! | `inbox`, `logs`, `log_bytes`, `view_bytes` | gauges: events not drained; open logs; their bytes; bytes of wire segments |
//! | `filters`, `filters_refused`, `filters_judged`, `filters_rejudged` | gauge: distinct filters, each counted on each of its channels; subscriptions refused for their bounds; evaluations of a filter for an entry, and those of them for entries whose verdict was let go for want of memory |
//! | `filter_bytes`, `near_balls`, `near_matches` | gauges: bytes of the distinct filters, distinct balls of `near` conditions by which filters are found, each counted on each of its channels; counter: filters found so, for each entry |
//! | `log_overflow` | entries that left early because of `log_memory` |
//! | `io_turn_seconds`, `heartbeat_seconds` | histograms: work of an I/O thread between two waits; PING to PONG |
//! | `channels` | by channel: `appended`, `deliveries`, `cursors`, `entries`, `bytes`, `gaps` {reason: (count, entries)}, `first_write_seconds`, `last_write_seconds` (histograms from append to the first and last subscriber written) |
//! | `durable` | `None` without a data directory, else: `records`, `batches`, `syncs`, `sync_failures`, `failures` (writes), `refused` (too much waited), `segments_removed`, `marks_cut` (of these, with `mid`s that still counted), `unfinished` (not synced by an end), `leftovers` (rotations that could not remove every former file), `torn`, `carried` (entries that new epochs began with), `set_aside` (histories of which damaged files were kept), `epoch_rotations` {reason: count}, and gauges `waiting`, `waiting_bytes`, `bytes`, `segments` |
//!
//! A histogram is `{"bounds": seconds, "counts": one more than bounds and not cumulated, "sum": seconds}`.

use ::plane::{BOUNDS_US, Channel, ConnectionFigures, Durable, Histogram, Plane, Reason};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// All figures of a plane.
pub fn plane<'py>(py: Python<'py>, plane: &Plane) -> PyResult<Bound<'py, PyDict>> {
    let figures = plane.figures();
    let stats = PyDict::new(py);
    stats.set_item("connections", plane.connections())?;
    stats.set_item("closed", figures.closed())?;
    for (name, count) in [
        ("opened", &figures.opened),
        ("messages_in", &figures.messages_in),
        ("bytes_in", &figures.bytes_in),
        ("unreadable", &figures.unreadable),
        ("deflated", &figures.deflated),
        ("deflate_bytes_in", &figures.deflate_bytes_in),
        ("deflate_bytes_out", &figures.deflate_bytes_out),
        ("inflated", &figures.inflated),
        ("inflate_bytes_in", &figures.inflate_bytes_in),
        ("inflate_bytes_out", &figures.inflate_bytes_out),
        ("bombs", &figures.bombs),
        ("direct_publishes", &figures.direct_publishes),
        ("direct_acks", &figures.direct_acks),
        ("answers", &figures.answers),
        ("deliveries", &figures.deliveries),
        ("bytes_out", &figures.bytes_out),
        ("ring_sends", &figures.ring_sends),
        ("stalls", &figures.stalls),
        ("overruns", &figures.overruns),
        ("panics", &figures.panics),
        ("late", &figures.late),
        ("inbox_full", &figures.inbox_full),
        ("watermarks", &figures.watermarks),
        ("acks", &figures.acks),
        ("acks_ignored", &figures.acks_ignored),
        ("window_waits", &figures.window_waits),
        ("view_bytes", &figures.view_bytes),
        ("log_overflow", &plane.logs().overflowed),
        ("filters_refused", &plane.filters().refused),
        ("filters_judged", &plane.filters().judged),
        ("filters_rejudged", &plane.filters().rejudged),
        ("near_matches", &plane.filters().near),
    ] {
        stats.set_item(name, count.get())?;
    }
    stats.set_item("filters", plane.filters().count())?;
    stats.set_item("filter_bytes", plane.filters().bytes())?;
    stats.set_item("near_balls", plane.filters().balls())?;
    stats.set_item("inbox", plane.inbox().len())?;
    stats.set_item("logs", plane.logs().len())?;
    stats.set_item("log_bytes", plane.logs().bytes())?;
    stats.set_item("io_turn_seconds", histogram(py, &figures.turns)?)?;
    stats.set_item("heartbeat_seconds", histogram(py, &figures.heartbeat)?)?;
    let channels = PyDict::new(py);
    for one in plane.logs().all() {
        channels.set_item(&*one.name, channel(py, &one)?)?;
    }
    stats.set_item("channels", channels)?;
    stats.set_item("durable", durable(py, plane)?)?;
    Ok(stats)
}

fn durable<'py>(py: Python<'py>, plane: &Plane) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some((figures, (entries, waiting_bytes))) = plane.durable_figures() else {
        return Ok(None);
    };
    let stats = PyDict::new(py);
    for (name, count) in [
        ("records", &figures.records),
        ("batches", &figures.batches),
        ("syncs", &figures.syncs),
        ("sync_failures", &figures.sync_failures),
        ("failures", &figures.failures),
        ("refused", &figures.refused),
        ("segments_removed", &figures.segments_removed),
        ("marks_cut", &figures.marks_cut),
        ("unfinished", &figures.unfinished),
        ("leftovers", &figures.leftovers),
        ("torn", &figures.torn),
        ("carried", &figures.carried),
        ("set_aside", &figures.set_aside),
    ] {
        stats.set_item(name, count.get())?;
    }
    let rotations = PyDict::new(py);
    rotations.set_item(Reason::Power.name(), figures.lost_power.get())?;
    rotations.set_item(Reason::Damage.name(), figures.damaged.get())?;
    rotations.set_item(Reason::Apart.name(), figures.apart.get())?;
    stats.set_item("epoch_rotations", rotations)?;
    stats.set_item("waiting", entries)?;
    stats.set_item("waiting_bytes", waiting_bytes)?;
    let logs = plane.logs().all();
    let on_disk = logs.iter().filter_map(|one| one.durable.as_ref());
    let (bytes, segments) = on_disk
        .map(Durable::on_disk)
        .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    stats.set_item("bytes", bytes)?;
    stats.set_item("segments", segments)?;
    Ok(Some(stats))
}

fn channel<'py>(py: Python<'py>, channel: &Channel) -> PyResult<Bound<'py, PyDict>> {
    let figures = channel.figures();
    let stats = PyDict::new(py);
    stats.set_item("appended", figures.appended.get())?;
    stats.set_item("deliveries", figures.deliveries.get())?;
    stats.set_item("cursors", channel.cursors())?;
    let (entries, bytes) = {
        let log = channel.log();
        (log.len(), log.bytes())
    };
    stats.set_item("entries", entries)?;
    stats.set_item("bytes", bytes)?;
    let gaps = PyDict::new(py);
    for (reason, count, entries) in figures.gaps() {
        gaps.set_item(reason, (count, entries))?;
    }
    stats.set_item("gaps", gaps)?;
    stats.set_item("first_write_seconds", histogram(py, &figures.first_write)?)?;
    stats.set_item("last_write_seconds", histogram(py, &figures.last_write)?)?;
    Ok(stats)
}

fn histogram<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let snapshot = histogram.snapshot();
    let seconds = BOUNDS_US.map(|us| std::time::Duration::from_micros(us).as_secs_f64());
    let stats = PyDict::new(py);
    stats.set_item("bounds", seconds.to_vec())?;
    stats.set_item("counts", snapshot.counts)?;
    stats.set_item("sum", snapshot.sum)?;
    Ok(stats)
}

/// Figures of one connection.
pub fn connection<'py>(
    py: Python<'py>,
    figures: &ConnectionFigures,
) -> PyResult<Bound<'py, PyDict>> {
    let stats = PyDict::new(py);
    for (name, count) in [
        ("messages_in", &figures.messages_in),
        ("bytes_in", &figures.bytes_in),
        ("bytes_out", &figures.bytes_out),
        ("subscriptions", &figures.subscriptions),
        ("unread_answers", &figures.unread_answers),
        ("blocked", &figures.blocked),
    ] {
        stats.set_item(name, count.get())?;
    }
    Ok(stats)
}

/// What stands in a log.
pub fn log_info<'py>(py: Python<'py>, channel: &Channel) -> PyResult<Bound<'py, PyDict>> {
    let stats = PyDict::new(py);
    stats.set_item("channel", &*channel.name)?;
    stats.set_item("cursors", channel.cursors())?;
    stats.set_item("appended", channel.figures().appended.get())?;
    if let Some(durable) = &channel.durable {
        let (bytes, segments) = durable.on_disk();
        stats.set_item("placed", durable.placed())?;
        stats.set_item("disk_bytes", bytes)?;
        stats.set_item("segments", segments)?;
    }
    let log = channel.log();
    stats.set_item("epoch", log.epoch().as_str())?;
    stats.set_item("head", log.head())?;
    stats.set_item("first", log.first())?;
    stats.set_item("entries", log.len())?;
    stats.set_item("bytes", log.bytes())?;
    stats.set_item("keys", log.newest().map_or(0, ::plane::Newest::keys))?;
    Ok(stats)
}
