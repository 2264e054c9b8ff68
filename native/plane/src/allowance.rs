//! Token buckets that Python and the I/O threads take from alike (L22-L24): what one of them has paid the other cannot pay again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::bucket::Rate;

/// Instants as Python counts them: seconds of the machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    at: Instant,
    seconds: f64,
}

impl Clock {
    /// Both readings of this moment.
    pub fn new() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        Self {
            at: Instant::now(),
            #[allow(
                clippy::cast_precision_loss,
                reason = "a machine runs for less than 2^53 seconds"
            )]
            seconds: time.tv_sec as f64 + time.tv_nsec as f64 / 1e9,
        }
    }

    /// An instant after the clock was made.
    pub fn seconds(&self, now: Instant) -> f64 {
        self.seconds + now.saturating_duration_since(self.at).as_secs_f64()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// One bucket, full at the start, refilled steadily; `now` is always an argument, in seconds of one monotonic clock. A clock that
/// steps back gives nothing and takes nothing.
#[derive(Debug)]
pub struct SharedBucket {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    level: f64,
    at: f64,
}

impl State {
    fn level(&self, rate: Rate, now: f64) -> f64 {
        let elapsed = now - self.at;
        if elapsed <= 0.0 {
            return self.level;
        }
        (self.level + elapsed * rate.refill).min(rate.capacity)
    }

    fn set(&mut self, level: f64, now: f64) {
        self.level = level;
        self.at = self.at.max(now);
    }
}

impl SharedBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: f64) -> Self {
        let state = State {
            level: rate.capacity,
            at: now,
        };
        Self {
            rate,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What could be paid at `now`; below zero after a debt.
    pub fn level(&self, now: f64) -> f64 {
        self.state().level(self.rate, now)
    }

    /// Pay `cost`, whether it is there or not.
    pub fn pay(&self, cost: f64, now: f64) {
        let mut state = self.state();
        let level = state.level(self.rate, now) - cost;
        state.set(level, now);
    }

    /// Pay `cost` elsewhere granted: at most `most` capacities are ever owed.
    pub fn drain(&self, cost: f64, now: f64, most: f64) {
        let mut state = self.state();
        let level = (state.level(self.rate, now) - cost).max(-most * self.rate.capacity);
        state.set(level, now);
    }

    /// The latest time at which it paid; from then on it is refilled.
    pub fn at(&self) -> f64 {
        self.state().at
    }

    /// Pay `cost` from this bucket and from `other`, or nothing from either: whether it was paid.
    pub fn take(&self, other: Option<&Self>, cost: f64, now: f64) -> bool {
        // Always the connection's own before the subject's: two can never wait for each other.
        let mut state = self.state();
        let level = state.level(self.rate, now);
        if level < cost {
            return false;
        }
        if let Some(other) = other {
            let mut theirs = other.state();
            let left = theirs.level(other.rate, now);
            if left < cost {
                return false;
            }
            theirs.set(left - cost, now);
        }
        state.set(level - cost, now);
        true
    }

    /// Pay 1 from both, up to `most` times: how often that could be done, exactly as one by one. A float of at least 1 loses
    /// nothing by 1 being taken from it, so that it may be done at once.
    pub fn take_each(&self, other: Option<&Self>, most: u32, now: f64) -> u32 {
        let mut state = self.state();
        let level = state.level(self.rate, now);
        let mut theirs = other.map(|other| (other.state(), other.rate));
        let left = theirs
            .as_ref()
            .map_or(f64::INFINITY, |(state, rate)| state.level(*rate, now));
        let count = whole(level.min(left), most);
        if count > 0 {
            state.set(level - f64::from(count), now);
            if let Some((state, _)) = &mut theirs {
                state.set(left - f64::from(count), now);
            }
        }
        count
    }
}

/// The whole part of `level`, from 0 to `most`.
fn whole(level: f64, most: u32) -> u32 {
    if level >= f64::from(most) {
        return most;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and a u32"
    )]
    let count = level.max(0.0) as u32;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Rate = Rate::new(10.0, 1.0);

    /// L23: a cost is paid whole from both or from neither.
    #[test]
    fn a_cost_is_paid_from_both_or_from_neither() {
        let (own, shared) = (SharedBucket::new(TEN, 0.0), SharedBucket::new(TEN, 0.0));
        assert!(own.take(Some(&shared), 6.0, 0.0));
        shared.pay(3.0, 0.0);
        assert!(!own.take(Some(&shared), 2.0, 0.0));
        assert!(!SharedBucket::new(Rate::new(1.0, 1.0), 0.0).take(Some(&shared), 1.5, 0.0));
        let levels = [own.level(0.0), shared.level(0.0), own.level(2.0)];
        assert_eq!(["4", "1", "6"], levels.map(|level| format!("{level:.0}")));
    }

    /// L22, L23: how often 1 is paid is what would be paid one by one.
    #[test]
    fn many_ones_are_as_one_by_one() {
        for (own, shared) in [(10.0, 4.5), (2.5, 10.0), (0.5, 10.0), (10.0, -3.0)] {
            let pair = || {
                let buckets = [SharedBucket::new(TEN, 0.0), SharedBucket::new(TEN, 0.0)];
                buckets[0].pay(10.0 - own, 0.0);
                buckets[1].pay(10.0 - shared, 0.0);
                buckets
            };
            let (together, singly) = (pair(), pair());
            let count = together[0].take_each(Some(&together[1]), 6, 0.25);
            let one = (0..6)
                .filter(|_| singly[0].take(Some(&singly[1]), 1.0, 0.25))
                .count();
            assert_eq!(usize::try_from(count), Ok(one));
            let level = |bucket: &SharedBucket| bucket.level(0.25).to_bits();
            assert_eq!(
                together.each_ref().map(level),
                singly.each_ref().map(level),
                "{own} {shared}"
            );
        }
    }

    /// A clock that steps back gives nothing and takes nothing.
    #[test]
    fn a_clock_that_steps_back_changes_nothing() {
        let bucket = SharedBucket::new(TEN, 100.0);
        bucket.pay(5.0, 100.0);
        bucket.pay(1.0, 50.0);
        assert_eq!(
            [4, 4, 5],
            [50.0, 100.0, 101.0].map(|now| whole(bucket.level(now), 99))
        );
    }

    /// The clock is Python's: an instant is so many seconds after another there as here.
    #[test]
    fn instants_are_seconds_of_the_monotonic_clock() {
        let clock = Clock::new();
        let now = Instant::now();
        let later = now + std::time::Duration::from_millis(1_500);
        assert!((clock.seconds(later) - clock.seconds(now) - 1.5).abs() < 1e-6);
        assert!((Clock::new().seconds(later) - clock.seconds(later)).abs() < 0.5);
    }
}
