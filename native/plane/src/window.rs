//! What a subscription with `ack` may have under way (S10), and what its client has acknowledged (M36).

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::epoch::Position;

/// The largest window that may be asked for (S10).
pub const MAX_WINDOW: u64 = 10_000;

/// Events sent and not yet acknowledged. A position acknowledged covers all events up to it, gaps are no events.
#[derive(Debug)]
pub struct Window {
    size: u64,
    acked: Position,
    /// Stretches without a hole, the oldest first.
    sent: VecDeque<RangeInclusive<u64>>,
    under_way: u64,
    /// It was counted as waiting since it was last opened.
    pub waits: bool,
}

impl Window {
    /// Nothing under way; at first the start counts as acknowledged.
    pub fn new(size: u64, start: Position) -> Self {
        Self {
            size,
            acked: start,
            sent: VecDeque::new(),
            under_way: 0,
            waits: false,
        }
    }

    /// M26: another size; what is under way stays counted.
    pub fn resize(&mut self, size: u64) {
        self.size = size;
    }

    /// Events that may be sent now.
    pub fn left(&self) -> u64 {
        self.size.saturating_sub(self.under_way)
    }

    /// Events that may be sent now, with a window or without.
    pub fn left_of(window: Option<&Self>) -> u64 {
        window.map_or(u64::MAX, Self::left)
    }

    /// What the client has acknowledged.
    pub fn acked(&self) -> &Position {
        &self.acked
    }

    /// An event was sent.
    pub fn sent(&mut self, offset: u64) {
        self.under_way += 1;
        match self.sent.back_mut() {
            Some(run) if *run.end() + 1 == offset => *run = *run.start()..=offset,
            _ => self.sent.push_back(offset..=offset),
        }
    }

    /// A gap was sent that ends at `to`. Behind one that leads elsewhere than forward the subscription starts again: what
    /// was under way before it cannot be acknowledged any more (M36).
    pub fn crossed(&mut self, from: &Position, to: &Position) {
        if from.epoch == to.epoch && to.offset >= from.offset {
            return;
        }
        if self.acked.epoch == to.epoch {
            self.acked.offset = self.acked.offset.min(to.offset);
        }
        self.sent.clear();
        self.under_way = 0;
    }

    /// M36: whether an acknowledgement counts, where `told` is the last that was sent.
    pub fn acknowledge(&mut self, epoch: &str, offset: u64, told: &Position) -> bool {
        let older = self.acked.epoch == told.epoch && offset < self.acked.offset;
        if epoch != told.epoch.as_str() || offset > told.offset || older {
            return false;
        }
        self.acked = told.epoch.position(offset);
        while let Some(run) = self.sent.front_mut().filter(|run| *run.start() <= offset) {
            let (start, end) = (*run.start(), *run.end());
            let covered = end.min(offset);
            self.under_way -= covered + 1 - start;
            if covered == end {
                self.sent.pop_front();
            } else {
                *run = covered + 1..=end;
            }
        }
        self.waits = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;

    fn window(sent: &[u64]) -> (Window, Epoch) {
        let epoch = Epoch::named("k3Fq");
        let mut window = Window::new(5, epoch.position(0));
        for offset in sent {
            window.sent(*offset);
        }
        (window, epoch)
    }

    /// S10: events count, holes do not; an acknowledgement covers everything up to it.
    #[test]
    fn a_position_covers_every_event_up_to_it() {
        let (mut window, epoch) = window(&[1, 2, 3, 7, 9]);
        let told = epoch.position(9);
        assert_eq!(0, window.left());
        assert!(window.acknowledge("k3Fq", 2, &told));
        assert_eq!(2, window.left());
        assert!(window.acknowledge("k3Fq", 8, &told));
        assert_eq!((4, 1), (window.left(), window.sent.len()));
        assert!(window.acknowledge("k3Fq", 9, &told));
        assert_eq!((5, 0), (window.left(), window.sent.len()));
    }

    /// M36: older than an earlier one, not yet sent, of another epoch: ignored.
    #[test]
    fn what_acknowledges_nothing_is_ignored() {
        let (mut window, epoch) = window(&[1, 2, 3]);
        let told = epoch.position(3);
        assert!(window.acknowledge("k3Fq", 2, &told));
        for (epoch, offset) in [("k3Fq", 1), ("k3Fq", 4), ("t0aZ", 3)] {
            assert!(!window.acknowledge(epoch, offset, &told));
        }
        assert_eq!("k3Fq:2", window.acked().to_string());
        assert!(
            window.acknowledge("k3Fq", 2, &told),
            "the same is not older"
        );
    }

    /// S10, M26: a smaller window lets nothing more out before enough was acknowledged.
    #[test]
    fn another_size_leaves_what_is_under_way_counted() {
        let (mut window, epoch) = window(&[1, 2, 3]);
        window.resize(2);
        assert_eq!(0, window.left());
        assert!(window.acknowledge("k3Fq", 2, &epoch.position(3)));
        assert_eq!(1, window.left());
    }

    /// M36, P12: behind a gap into another history nothing of the former one is waited for, though it was not acknowledged.
    #[test]
    fn a_gap_that_leads_elsewhere_starts_again() {
        let (mut window, epoch) = window(&[1, 2, 3]);
        window.crossed(&epoch.position(3), &epoch.position(8));
        assert_eq!(2, window.left());
        let next = Epoch::named("t0aZ");
        window.crossed(&epoch.position(8), &next.position(0));
        assert_eq!(
            (5, "k3Fq:0".into()),
            (window.left(), window.acked().to_string())
        );
        assert!(!window.acknowledge("k3Fq", 3, &next.position(0)));
        assert!(window.acknowledge("t0aZ", 0, &next.position(0)));
        assert_eq!("t0aZ:0", window.acked().to_string());
    }
}
