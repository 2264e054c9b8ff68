//! How long emits took; counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the buckets in nanoseconds; a last one has none.
pub const BOUNDS_NS: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// Counters by duration.
#[derive(Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// Per bucket, not summed up.
    pub counts: [u64; BOUNDS_NS.len() + 1],
    /// All durations together.
    pub sum_ns: u64,
}

impl Histogram {
    /// Count `n` emits that took `total_ns` together.
    pub fn observe(&self, total_ns: u64, n: u64) {
        if let Some(each) = total_ns.checked_div(n) {
            let bucket = BOUNDS_NS.partition_point(|bound| *bound < each);
            self.counts[bucket].fetch_add(n, Relaxed);
            self.sum_ns.fetch_add(total_ns, Relaxed);
        }
    }

    /// The counters now.
    pub fn snapshot(&self) -> Durations {
        Durations {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }

    /// Start again at zero.
    pub fn reset(&self) {
        for count in &self.counts {
            count.store(0, Relaxed);
        }
        self.sum_ns.store(0, Relaxed);
    }
}

impl Durations {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration in nanoseconds that the share `q` does not exceed, interpolated inside its bucket; 0 if there are none.
    pub fn quantile_ns(&self, q: f64) -> f64 {
        let rank = q * as_f64(self.count());
        let mut below = 0;
        let mut floor = 0;
        for (count, bound) in self.counts.iter().zip(BOUNDS_NS) {
            if *count > 0 && as_f64(below + count) >= rank {
                let share = (rank - as_f64(below)) / as_f64(*count);
                return as_f64(floor) + share * as_f64(bound - floor);
            }
            below += count;
            floor = bound;
        }
        if self.count() == 0 {
            0.0
        } else {
            as_f64(floor)
        }
    }
}

#[allow(clippy::cast_precision_loss)] // counters: 53 bits are enough
pub(crate) fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_that_ends_at_or_above_them() {
        let histogram = Histogram::default();
        histogram.observe(100, 1);
        histogram.observe(101, 1);
        histogram.observe(20_000_000, 1);
        histogram.observe(0, 0);
        let now = histogram.snapshot();
        assert_eq!(
            (1, 1, 1),
            (now.counts[0], now.counts[1], now.counts[BOUNDS_NS.len()])
        );
        assert_eq!((3, 20_000_201), (now.count(), now.sum_ns));
    }

    #[test]
    fn a_batch_counts_as_many_emits_of_its_mean() {
        let histogram = Histogram::default();
        histogram.observe(256 * 1_500, 256);
        let now = histogram.snapshot();
        assert_eq!(256, now.counts[4]);
        assert!((1_499.0..=1_501.0).contains(&now.quantile_ns(0.5)));
    }

    #[test]
    fn quantiles_of_nothing_are_zero() {
        assert!(Histogram::default().snapshot().quantile_ns(0.99).abs() < f64::EPSILON);
    }
}
