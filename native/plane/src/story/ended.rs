//! Stories of connections that have ended: the last of them, for some time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::figures::ConnectionFigures;

/// Bounded by number and age; the oldest go.
#[derive(Debug, Default)]
pub struct Ended {
    most: usize,
    keep: Duration,
    figures: HashMap<u64, Arc<ConnectionFigures>>,
    order: VecDeque<(Instant, u64)>,
}

impl Ended {
    /// At most so many, and each for so long.
    pub fn new(most: usize, keep: Duration) -> Self {
        Self {
            most,
            keep,
            ..Self::default()
        }
    }

    /// A connection has ended.
    pub fn add(&mut self, conn: u64, figures: Arc<ConnectionFigures>, now: Instant) {
        if self.most == 0 {
            return;
        }
        self.figures.insert(conn, figures);
        self.order.push_back((now, conn));
        self.sweep(now);
    }

    /// A connection that is remembered.
    pub fn find(&self, conn: u64) -> Option<Arc<ConnectionFigures>> {
        self.figures.get(&conn).cloned()
    }

    /// Those that are too many, or too old, go.
    pub fn sweep(&mut self, now: Instant) {
        while let Some((ended, conn)) = self.order.front().copied() {
            let old = now.saturating_duration_since(ended) > self.keep;
            if !old && self.order.len() <= self.most {
                return;
            }
            self.order.pop_front();
            self.figures.remove(&conn);
        }
    }

    /// How many are remembered, and the bytes of their stories.
    pub fn size(&self) -> (usize, usize) {
        let bytes = self.figures.values().map(|one| one.story.bytes()).sum();
        (self.figures.len(), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest are kept, and none longer than it was asked for.
    #[test]
    fn the_last_are_kept_for_some_time() {
        let start = Instant::now();
        let mut ended = Ended::new(2, Duration::from_secs(60));
        for conn in 1..=3 {
            ended.add(conn, Arc::default(), start + Duration::from_secs(conn));
        }
        assert_eq!(
            [false, true, true],
            [1, 2, 3].map(|conn| ended.find(conn).is_some())
        );
        ended.sweep(start + Duration::from_millis(62_500));
        assert_eq!((1, 0), ended.size());
        let mut none = Ended::new(0, Duration::from_secs(60));
        none.add(1, Arc::default(), start);
        assert!(none.find(1).is_none());
    }
}
