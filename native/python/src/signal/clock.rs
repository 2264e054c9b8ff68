//! The clocks of the `SignalSystem`, which has none of its own.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of a clock that never goes back.
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// The wall clock in microseconds.
pub fn now_us() -> u64 {
    nanoseconds(ClockId::Realtime) / 1_000
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let ns = time.tv_sec.saturating_mul(1_000_000_000);
    // Before 1970 it is no time.
    u64::try_from(ns.saturating_add(time.tv_nsec)).unwrap_or(0)
}
