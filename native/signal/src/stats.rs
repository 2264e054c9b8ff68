//! Figures of a system, and their Prometheus form.

use std::fmt::{Display, Write};

use space::IndexInfo;

use crate::core::Counts;
use crate::histogram::{BOUNDS_NS, Durations, as_f64};

/// Figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs)]
pub struct Stats {
    pub counts: Counts,
    /// Tokens that exist.
    pub tokens: u64,
    /// Connections between them.
    pub connections: u64,
    /// Bytes reserved for them.
    pub token_bytes: u64,
    pub index: IndexInfo,
    /// Events that wait for the consumer.
    pub queue_depth: u64,
    pub emit: Durations,
}

const PREFIX: &str = "neurograph_signal_";

/// Write one family of the system, with its only value.
pub fn family(out: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    // Writing into a string cannot fail.
    let _ = write!(
        out,
        "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n{PREFIX}{name} {value}\n"
    );
}

impl Stats {
    /// Prometheus text format 0.0.4.
    pub fn to_prometheus(&self) -> String {
        let mut out = String::with_capacity(4_096);
        let counts = &self.counts;
        for (name, help, value) in [
            ("emits_total", "Signals processed.", counts.emits),
            ("novel_total", "Signals that were novel.", counts.novel),
            (
                "refused_total",
                "Signals refused because the queue was full.",
                counts.refused,
            ),
            (
                "dropped_total",
                "Events lost to the policy drop_oldest.",
                counts.dropped,
            ),
            (
                "evicted_total",
                "Tokens that left because their slots came round.",
                counts.evicted,
            ),
            ("queries_total", "Questions to the grid.", counts.queries),
            (
                "connections_refused_total",
                "Token connections for which the table had no room.",
                counts.connections_refused,
            ),
        ] {
            family(&mut out, name, "counter", help, value);
        }
        for (name, help, value) in [
            ("tokens", "Tokens that exist.", self.tokens),
            (
                "token_connections",
                "Connections between tokens.",
                self.connections,
            ),
            ("window_points", "Points in the index.", self.index.points),
            (
                "index_depth",
                "Longest way from the root of the index to a bucket.",
                self.index.depth.into(),
            ),
            (
                "queue_depth",
                "Events waiting for the consumer.",
                self.queue_depth,
            ),
        ] {
            family(&mut out, name, "gauge", help, value);
        }
        family(
            &mut out,
            "index_fill",
            "gauge",
            "Share of the buckets' room in use.",
            self.index.fill,
        );
        self.write_emit_seconds(&mut out);
        out
    }

    fn write_emit_seconds(&self, out: &mut String) {
        let name = format!("{PREFIX}emit_seconds");
        let _ = write!(
            out,
            "# HELP {name} Duration of an emit.\n# TYPE {name} histogram\n"
        );
        let mut below = 0;
        for (count, bound) in self.emit.counts.iter().zip(BOUNDS_NS) {
            below += count;
            let _ = writeln!(
                out,
                "{name}_bucket{{le=\"{}\"}} {below}",
                as_f64(bound) / 1e9
            );
        }
        let count = self.emit.count();
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(
            out,
            "{name}_sum {}\n{name}_count {count}",
            as_f64(self.emit.sum_ns) / 1e9
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    #[test]
    fn the_text_names_every_family_once_and_sums_the_buckets_up() {
        let histogram = Histogram::default();
        histogram.observe(300, 2);
        histogram.observe(50_000_000, 1);
        let stats = Stats {
            tokens: 7,
            emit: histogram.snapshot(),
            ..Stats::default()
        };
        let text = stats.to_prometheus();
        for line in [
            "neurograph_signal_tokens 7",
            "neurograph_signal_emit_seconds_bucket{le=\"0.0000001\"} 0",
            "neurograph_signal_emit_seconds_bucket{le=\"0.0000002\"} 2",
            "neurograph_signal_emit_seconds_bucket{le=\"0.01\"} 2",
            "neurograph_signal_emit_seconds_bucket{le=\"+Inf\"} 3",
            "neurograph_signal_emit_seconds_count 3",
            "neurograph_signal_index_fill 0",
        ] {
            assert_eq!(
                1,
                text.lines().filter(|other| *other == line).count(),
                "{line} in\n{text}"
            );
        }
        let types = text.lines().filter(|line| line.starts_with("# TYPE "));
        assert_eq!(14, types.count());
    }
}
