//! What holds for the filters of all channels together: how many there are, and what they hold.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crate::error::PlaneError;
use crate::figures::Count;

/// Bounds of filters.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Distinct (channel, filter) that events may have to be looked at for though they do not pass.
    pub all: usize,
    /// The same of one channel.
    pub of_channel: usize,
    /// Bytes of all distinct (channel, filter), with what they have judged.
    pub bytes: usize,
}

/// What filters of a channel have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    /// Distinct balls.
    pub(super) balls: usize,
    /// Bytes of the members that they look at.
    pub(super) bytes: usize,
}

/// What holds for the filters of all channels together.
#[derive(Debug)]
pub struct Totals {
    bounds: Bounds,
    next: AtomicU64,
    count: AtomicUsize,
    /// Those that are not free (see [`Index::is_free`](crate::filter::index::Index::is_free)).
    evaluated: AtomicUsize,
    /// Of filters.
    bytes: AtomicUsize,
    /// Of verdicts.
    judging: AtomicUsize,
    balls: AtomicUsize,
    /// Subscriptions refused for these bounds.
    pub refused: Count,
    /// Evaluations of a filter for an entry.
    pub judged: Count,
    /// Those of them for entries that had been judged already, which was let go for want of room.
    pub rejudged: Count,
    /// Filters whose ball held the vector of an entry, for each entry.
    pub near: Count,
}

impl Totals {
    /// No filters.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next: AtomicU64::new(1),
            count: AtomicUsize::new(0),
            evaluated: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            judging: AtomicUsize::new(0),
            balls: AtomicUsize::new(0),
            refused: Count::default(),
            judged: Count::default(),
            rejudged: Count::default(),
            near: Count::default(),
        }
    }

    /// Distinct (channel, filter) that somebody follows.
    pub fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Bytes that are counted for them, and for what they have judged.
    pub fn bytes(&self) -> usize {
        self.bytes.load(SeqCst) + self.judging.load(SeqCst)
    }

    /// Distinct (channel, ball) that vectors are looked up in.
    pub fn balls(&self) -> usize {
        self.balls.load(SeqCst)
    }

    /// A number that no other filter has.
    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, SeqCst)
    }

    /// What the filters of a channel have in common, instead of what they had before.
    pub(super) fn share(&self, now: Shared, before: Shared) {
        self.balls.fetch_add(now.balls, SeqCst);
        self.balls.fetch_sub(before.balls, SeqCst);
        self.bytes.fetch_add(now.bytes, SeqCst);
        self.bytes.fetch_sub(before.bytes, SeqCst);
    }

    /// Count one filter more, `of_channel` before it, and say which bound that passes.
    pub(super) fn make_room(
        &self,
        more: usize,
        of_channel: usize,
        size: usize,
    ) -> Result<(), PlaneError> {
        let bounds = self.bounds;
        let of_all = self.evaluated.fetch_add(more, SeqCst);
        self.count.fetch_add(1, SeqCst);
        let bytes = self.bytes.fetch_add(size, SeqCst) + size;
        if more > 0 && of_channel >= bounds.of_channel {
            Err(PlaneError::Filters("of the channel", bounds.of_channel))
        } else if more > 0 && of_all >= bounds.all {
            Err(PlaneError::Filters("of all channels", bounds.all))
        } else if bytes > self.most(bounds.bytes / 4)
            || bytes + self.judging.load(SeqCst) > bounds.bytes
        {
            Err(PlaneError::FilterMemory(self.most(bounds.bytes / 4)))
        } else {
            Ok(())
        }
    }

    /// One filter less.
    pub(super) fn uncount(&self, less: usize, size: usize) {
        self.evaluated.fetch_sub(less, SeqCst);
        self.count.fetch_sub(1, SeqCst);
        self.bytes.fetch_sub(size, SeqCst);
    }

    /// What is left of the bytes where so many are kept for others.
    fn most(&self, kept: usize) -> usize {
        self.bounds.bytes.saturating_sub(kept)
    }

    /// Count so many bytes of verdicts more, if they are there: a quarter is left to filters, and another they leave to verdicts.
    pub(super) fn grow(&self, more: usize) -> bool {
        let all = self.judging.fetch_add(more, SeqCst).saturating_add(more);
        // Whichever of the two counts later sees the other.
        let filters = self.bytes.load(SeqCst).max(self.bounds.bytes / 4);
        let has_room = all <= self.most(filters);
        if !has_room {
            self.shrink(more);
        }
        has_room
    }

    /// So many bytes of verdicts less.
    pub(super) fn shrink(&self, less: usize) {
        self.judging.fetch_sub(less, SeqCst);
    }
}
