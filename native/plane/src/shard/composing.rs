//! From the log to the wire bytes of a view, and the bounds on those.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::segment::SEGMENT;
use crate::shard::Shard;
use crate::view::{Follower, View};

/// Entries read under one lock of a log.
const BATCH: usize = 256;
/// Bytes a view takes from its log before its followers are written to.
const ADVANCED: usize = 512 << 10;
/// Bytes that a view keeps for followers that are behind.
const KEPT: usize = 1 << 20;

impl Shard {
    /// Compose what the log has beyond the view; whether there is more.
    pub(super) fn advance(&mut self, number: usize) -> bool {
        let Some(view) = self.views.all.get(number) else {
            return false;
        };
        let (channel, mut budget) = (Arc::clone(&view.channel), ADVANCED);
        channel.heard(self.thread);
        loop {
            let mut entries = std::mem::take(&mut self.entries);
            let head = self.views.all.get(number).map_or(0, View::head);
            let overrun = read_on(&channel, head, &mut entries);
            let before = budget;
            if let Some(head) = overrun {
                self.overtaken(number, head);
            } else {
                budget = budget.saturating_sub(self.compose(number, &entries));
            }
            entries.clear();
            self.entries = entries;
            if budget == 0 || budget == before {
                return budget == 0;
            }
        }
    }

    /// Append entries to a view; the bytes that came to.
    fn compose(&mut self, number: usize, entries: &[Arc<Entry>]) -> usize {
        let Some(view) = self.views.all.get_mut(number) else {
            return 0;
        };
        let before = view.bytes();
        for entry in entries {
            view.push(entry);
        }
        let composed = view.bytes() - before;
        self.views.bytes += composed;
        self.keep_bounds(number);
        composed
    }

    /// The bounds on wire bytes: followers before what is kept are fed from the log.
    pub(super) fn keep_bounds(&mut self, number: usize) {
        let share = self.settings().view_memory / self.settings().io_threads.max(1);
        let limit = if self.views.bytes > share {
            SEGMENT
        } else {
            KEPT
        };
        let Some(view) = self.views.all.get(number) else {
            return;
        };
        let Some(start) = view.excess(limit) else {
            return;
        };
        self.feed_before(number, start);
        if let Some(view) = self.views.all.get_mut(number) {
            self.views.bytes -= view.bytes();
            view.release(start);
            self.views.bytes += view.bytes();
        }
    }

    /// Followers before `position` are fed from the log.
    fn feed_before(&mut self, number: usize, position: u64) {
        let Some(view) = self.views.all.get(number) else {
            return;
        };
        let before = |follower: &&Follower| follower.position < position;
        let slots: Vec<usize> = view
            .followers
            .iter()
            .filter(before)
            .map(|follower| follower.slot)
            .collect();
        for slot in slots {
            self.unfollow(slot, number);
            self.enqueue(slot);
        }
    }

    /// Entries left the log before this thread came to read them: every cursor finds that out by itself.
    fn overtaken(&mut self, number: usize, head: u64) {
        self.feed_before(number, u64::MAX);
        if let Some(view) = self.views.all.get_mut(number) {
            self.views.bytes -= view.bytes();
            view.restart(head);
        }
    }
}

/// The next entries after `head`, or where to go on because those are gone.
fn read_on(channel: &Channel, head: u64, entries: &mut Vec<Arc<Entry>>) -> Option<u64> {
    let log = channel.log();
    if log.first() > head + 1 {
        return Some(log.head());
    }
    let mut bytes = 0;
    for entry in log.after(head).take(BATCH) {
        if bytes > SEGMENT {
            break;
        }
        bytes += entry.size();
        entries.push(Arc::clone(entry));
    }
    None
}
