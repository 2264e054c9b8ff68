//! Figures as an object.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::fields::{dict, item};

/// Figures of a system at one moment; counters are since the start or the last reset.
#[pyclass(frozen, get_all, module = "channels._native")]
pub struct Stats {
    emits: u64,
    novel: u64,
    published: u64,
    refused: u64,
    dropped: u64,
    created: u64,
    deleted: u64,
    evicted: u64,
    queries: u64,
    connections_refused: u64,
    tokens: u64,
    token_connections: u64,
    token_bytes: u64,
    window_points: u64,
    index_buckets: u64,
    index_depth: u32,
    index_fill: f64,
    index_bytes: u64,
    queue_depth: u64,
    emit_p50_us: f64,
    emit_p99_us: f64,
}

const FIELDS: [&str; 21] = [
    "emits",
    "novel",
    "published",
    "refused",
    "dropped",
    "created",
    "deleted",
    "evicted",
    "queries",
    "connections_refused",
    "tokens",
    "token_connections",
    "token_bytes",
    "window_points",
    "index_buckets",
    "index_depth",
    "index_fill",
    "index_bytes",
    "queue_depth",
    "emit_p50_us",
    "emit_p99_us",
];

impl From<signal::Stats> for Stats {
    fn from(stats: signal::Stats) -> Self {
        let (counts, index) = (stats.counts, stats.index);
        Self {
            emits: counts.emits,
            novel: counts.novel,
            published: counts.published,
            refused: counts.refused,
            dropped: counts.dropped,
            created: counts.created,
            deleted: counts.deleted,
            evicted: counts.evicted,
            queries: counts.queries,
            connections_refused: counts.connections_refused,
            tokens: stats.tokens,
            token_connections: stats.connections,
            token_bytes: stats.token_bytes,
            window_points: index.points,
            index_buckets: index.buckets,
            index_depth: index.depth,
            index_fill: index.fill,
            index_bytes: index.bytes,
            queue_depth: stats.queue_depth,
            emit_p50_us: stats.emit.quantile_ns(0.5) / 1e3,
            emit_p99_us: stats.emit.quantile_ns(0.99) / 1e3,
        }
    }
}

#[pymethods]
impl Stats {
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        item(slf, &FIELDS, key)
    }

    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        dict(slf, &FIELDS)
    }

    fn __repr__(&self) -> String {
        format!(
            "Stats(emits={}, novel={}, tokens={}, window_points={}, queue_depth={}, dropped={})",
            self.emits, self.novel, self.tokens, self.window_points, self.queue_depth, self.dropped
        )
    }
}
