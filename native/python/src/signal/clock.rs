//! The clocks of the `SignalSystem`, which has none of its own.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// So long the wall clock is taken to go on as the monotonic one does; then it is read again.
const TRUSTED_NS: u64 = 1_000_000;

/// When the wall clock was read last; 0: never.
static READ_NS: AtomicU64 = AtomicU64::new(0);
/// How far it was ahead of the monotonic clock.
static AHEAD_NS: AtomicI64 = AtomicI64::new(0);

/// Nanoseconds of a clock that never goes back.
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic).cast_unsigned()
}

/// The wall clock in microseconds, where the monotonic one says `now_ns`; at most a millisecond late to follow a step.
pub fn wall_us(now_ns: u64) -> u64 {
    let read_ns = READ_NS.load(Ordering::Acquire);
    if read_ns == 0 || now_ns.wrapping_sub(read_ns) >= TRUSTED_NS {
        let ahead = nanoseconds(ClockId::Realtime).wrapping_sub(now_ns.cast_signed());
        AHEAD_NS.store(ahead, Ordering::Relaxed);
        READ_NS.store(now_ns, Ordering::Release);
    }
    let wall_ns = AHEAD_NS
        .load(Ordering::Relaxed)
        .wrapping_add(now_ns.cast_signed());
    u64::try_from(wall_ns / 1_000).unwrap_or(0)
}

/// The same at this moment.
pub fn now_us() -> u64 {
    wall_us(monotonic_ns())
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec)
}
