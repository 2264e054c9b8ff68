//! Deadlines of connections: what must happen sooner than the scan of all of them would notice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines in the order of their time. One that is no longer wanted is not taken out: who is woken looks whether there is
/// anything to do.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize, u64)>>,
}

impl Timers {
    /// Wake connection `id` in `slot` at `at`.
    pub fn set(&mut self, at: Instant, slot: usize, id: u64) {
        self.heap.push(Reverse((at, slot, id)));
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// One (slot, id) whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<(usize, u64)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, slot, id))| (slot, id))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Deadlines come in the order of their time and not before it.
    #[test]
    fn the_earliest_deadline_comes_first_and_not_early() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(start + Duration::from_millis(20), 2, 20);
        timers.set(start + Duration::from_millis(10), 1, 10);
        assert_eq!(Some(start + Duration::from_millis(10)), timers.next());
        assert_eq!(None, timers.due(start));
        assert_eq!(Some((1, 10)), timers.due(start + Duration::from_millis(30)));
        assert_eq!(Some((2, 20)), timers.due(start + Duration::from_millis(30)));
        assert_eq!(None, timers.due(start + Duration::from_millis(30)));
    }
}
