//! Token buckets with the clock as an argument (L17–L19, S7).

use std::time::{Duration, Instant};

/// How much at once, and how much per second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub capacity: f64,
    /// Tokens per second.
    pub refill: f64,
}

impl Rate {
    /// A rate; both figures count in tokens.
    pub const fn new(capacity: f64, refill: f64) -> Self {
        Self { capacity, refill }
    }

    /// At most `per_second` in any one second, with as little as possible at once (S7).
    pub fn paced(per_second: f64) -> Self {
        // Above 20 per second a timer for each event would cost more than the event: a twentieth goes out together.
        let capacity = (per_second / 20.0).floor().max(1.0);
        let refill = if capacity > 1.0 {
            per_second - capacity
        } else {
            per_second
        };
        Self { capacity, refill }
    }
}

/// One bucket, full at the start (L22). Its rate is passed in, because thousands of connections share it.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: rate.capacity,
            at: now,
        }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        if !elapsed.is_zero() {
            self.tokens = (self.tokens + elapsed.as_secs_f64() * rate.refill).min(rate.capacity);
            self.at = now;
        }
    }

    /// Take `cost`, or nothing at all.
    pub fn take(&mut self, rate: Rate, cost: f64, now: Instant) -> bool {
        self.refill(rate, now);
        let granted = self.tokens >= cost;
        if granted {
            self.tokens -= cost;
        }
        granted
    }

    /// Take `cost` even if it leaves a debt; the result is how long the debt stands.
    pub fn charge(&mut self, rate: Rate, cost: f64, now: Instant) -> Duration {
        self.refill(rate, now);
        self.tokens -= cost;
        self.wait_for(rate, 0.0)
    }

    /// Time until `cost` can be taken, after a `take` at this very moment was refused.
    pub fn wait_for(&self, rate: Rate, cost: f64) -> Duration {
        let missing = cost - self.tokens;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // A rate of nothing never pays; an hour is long enough to be looked at again.
        Duration::try_from_secs_f64(missing / rate.refill).unwrap_or(Duration::from_secs(3_600))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const RATE: Rate = Rate::new(2.0, 10.0);

    /// L22: a bucket is full at the start and pays again exactly when its refill has come.
    #[test]
    fn a_bucket_pays_its_capacity_and_then_its_refill() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RATE, start);
        assert!(bucket.take(RATE, 1.0, start));
        assert!(bucket.take(RATE, 1.0, start));
        assert!(!bucket.take(RATE, 1.0, start));
        assert_eq!(Duration::from_millis(100), bucket.wait_for(RATE, 1.0));
        assert!(!bucket.take(RATE, 1.0, start + Duration::from_millis(99)));
        assert!(bucket.take(RATE, 1.0, start + Duration::from_millis(101)));
    }

    /// L19: bytes that were already read are charged, and the debt says how long not to read.
    #[test]
    fn a_charge_beyond_the_tokens_is_a_debt_with_a_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RATE, start);
        assert_eq!(Duration::ZERO, bucket.charge(RATE, 2.0, start));
        assert_eq!(Duration::from_millis(500), bucket.charge(RATE, 5.0, start));
    }

    /// S7: whatever the rate, no second sees more than it, but for the first token of a slow one.
    #[test]
    fn a_paced_rate_never_gives_more_than_itself_in_a_second() {
        for per_second in [0.1, 1.0, 10.0, 20.0, 50.0, 333.0, 1_000.0] {
            let rate = Rate::paced(per_second);
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, start);
            let taken = (0..10_000_u64)
                .filter(|tick| bucket.take(rate, 1.0, start + Duration::from_micros(tick * 100)))
                .count();
            let allowed = per_second.ceil() + f64::from(u8::from(rate.capacity <= 1.0));
            assert!(
                f64::from(u32::try_from(taken).unwrap()) <= allowed,
                "{per_second}: {taken}"
            );
        }
    }
}
