//! Histograms of durations with the same buckets everywhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds; a last bucket holds what is longer.
pub const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// Counts of durations; any thread may add, nobody waits.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// One count per bound of [`BOUNDS_US`], and one for what is longer; not cumulated.
    pub counts: Vec<u64>,
    /// Seconds of everything observed.
    pub sum: f64,
}

impl Histogram {
    /// Count one duration.
    pub fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| bound.saturating_mul(1_000) < ns);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum_ns.fetch_add(ns, Relaxed);
    }

    /// The counts as they are.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Relaxed))
                .collect(),
            sum: Duration::from_nanos(self.sum_ns.load(Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A duration is counted under the first bound that is not below it, the longest in the last bucket.
    #[test]
    fn durations_fall_into_the_bucket_of_their_bound() {
        let histogram = Histogram::default();
        for us in [1, 50, 51, 5_000_000, 9_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let seen = histogram.snapshot();
        let filled: Vec<_> = (0..)
            .zip(seen.counts)
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(vec![(0, 2), (1, 1), (15, 1), (16, 1)], filled);
        assert!((seen.sum - 14.000_102).abs() < 1e-9);
    }
}
