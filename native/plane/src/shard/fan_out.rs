//! What was appended goes out to all who follow: the one loop that runs per subscriber.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::channel::Channel;
use crate::connection::Connection;
use crate::entry::Entry;
use crate::inbox::{Batch, Event};
use crate::segment::SEGMENT;
use crate::shard::Shard;
use crate::view::{Follower, View};

/// Entries read under one lock of a log.
const BATCH: usize = 256;
/// Bytes a view takes from its log before its followers are written to.
const ADVANCED: usize = 512 << 10;
/// Bytes that a view keeps for followers that are behind.
const KEPT: usize = 1 << 20;

/// When appends are written: at once when there is little to do, together when there is much.
#[derive(Debug)]
pub(super) struct FlushClock {
    ended: Instant,
    window: Duration,
}

impl FlushClock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ended: now,
            window: Duration::ZERO,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.ended + self.window
    }

    /// The next flush waits at most `longest`, and no longer than four times what this one took: then flushing costs at most
    /// a fifth of the thread, or what it must.
    fn flushed(&mut self, started: Instant, ended: Instant, longest: Duration) {
        self.window = longest.min(ended.saturating_duration_since(started) * 4);
        self.ended = ended;
    }
}

/// What one pass over the followers of a view came to.
#[derive(Debug, Default)]
struct Pass {
    delivered: u64,
    first_at: Option<Instant>,
    lowest: u64,
    /// Followers that were not written to the end.
    behind: Vec<usize>,
    lost: Vec<usize>,
    panicked: Vec<usize>,
}

impl Shard {
    /// New entries of a channel wait to be written. Without a view, nobody reads the log who could say so.
    pub(super) fn appended(&mut self, channel: &Channel, at: Instant) {
        let numbers: Vec<usize> = self.views.of(channel.id).collect();
        if numbers.is_empty() {
            channel.heard(self.thread);
        }
        for number in numbers {
            if let Some(view) = self.views.all.get_mut(number)
                && view.appended_at.is_none()
            {
                view.appended_at = Some(at);
                self.views.dirty.push(number);
            }
        }
    }

    /// Write what was appended, if its time has come.
    pub fn flush(&mut self, now: Instant) {
        if self.views.dirty.is_empty() || self.flush.due() > now {
            return;
        }
        for number in std::mem::take(&mut self.views.dirty) {
            self.fan_out(number, now);
        }
        let longest = self.settings().flush;
        self.flush.flushed(now, Instant::now(), longest);
    }

    fn fan_out(&mut self, number: usize, now: Instant) {
        let more = self.advance(number);
        let Some(view) = self.views.all.get_mut(number) else {
            return;
        };
        let appended_at = view.appended_at.take();
        let woken = std::mem::take(&mut view.waiting);
        let mut followers = std::mem::take(&mut view.followers);
        let pass = self.pass(number, &mut followers, now);
        if let Some(view) = self.views.all.get_mut(number) {
            view.followers = followers;
            self.views.bytes -= view.bytes();
            view.release(pass.lowest);
            self.views.bytes += view.bytes();
            if let Some(at) = appended_at {
                observe(&view.channel, &pass, at);
            }
            if more {
                view.appended_at = Some(now);
                self.views.dirty.push(number);
            }
        }
        for slot in woken {
            self.wake(slot, number);
        }
        self.attend(pass, now);
    }

    /// A cursor that waited for something new on this view has its turn.
    fn wake(&mut self, slot: usize, number: usize) {
        let cursors = self
            .connections
            .get_mut(slot)
            .map(|connection| &mut connection.cursors);
        if let Some(cursor) =
            cursors.and_then(|cursors| cursors.iter_mut().find(|cursor| cursor.view == number))
        {
            cursor.waiting = false;
        }
        self.enqueue(slot);
    }

    fn pass(&mut self, number: usize, followers: &mut [Follower], now: Instant) -> Pass {
        let mut pass = Pass::default();
        let Some(view) = self.views.all.get(number) else {
            return pass;
        };
        pass.lowest = view.end();
        let budget = self.shared.settings.turn_write;
        let mut at = 0;
        while at < followers.len() {
            let (connections, batch) = (&mut self.connections, &mut self.batch);
            let written = catch_unwind(AssertUnwindSafe(|| {
                while let Some(follower) = followers.get_mut(at) {
                    write_to(follower, view, connections, batch, &mut pass, budget, now);
                    at += 1;
                }
            }));
            if written.is_err()
                && let Some(follower) = followers.get(at)
            {
                pass.panicked.push(follower.slot);
                at += 1;
            }
        }
        pass
    }

    fn attend(&mut self, pass: Pass, now: Instant) {
        self.shared.figures.deliveries.add(pass.delivered);
        for slot in pass.behind {
            self.enqueue(slot);
        }
        for slot in pass.lost {
            self.lose(slot);
        }
        for slot in pass.panicked {
            self.panicked(slot, now);
        }
    }

    /// Compose what the log has beyond the view; whether there is more.
    fn advance(&mut self, number: usize) -> bool {
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

fn write_to(
    follower: &mut Follower,
    view: &View,
    connections: &mut Slab<Connection>,
    batch: &mut Batch,
    pass: &mut Pass,
    budget: usize,
    now: Instant,
) {
    let Some(segment) = view.segment_at(follower.position) else {
        return;
    };
    let Some(connection) = connections.get_mut(follower.slot) else {
        return;
    };
    if connection.is_clear() {
        let mut budget = budget;
        match connection.out.follow(
            &mut connection.transport,
            segment,
            follower.position,
            &mut budget,
            now,
        ) {
            Ok(position) => {
                pass.delivered += segment.messages_between(follower.position, position) as u64;
                follower.position = position;
                pass.first_at.get_or_insert_with(Instant::now);
            }
            Err(_) => pass.lost.push(follower.slot),
        }
        if connection.out.take_tell() {
            batch.push(connection.id, Event::Output);
        }
    }
    if follower.position < view.end() {
        pass.lowest = pass.lowest.min(follower.position);
        if !connection.out.is_blocked() {
            pass.behind.push(follower.slot);
        }
    }
}

fn observe(channel: &Channel, pass: &Pass, appended_at: Instant) {
    let figures = channel.figures();
    figures.deliveries.add(pass.delivered);
    if let Some(first_at) = pass.first_at {
        figures
            .first_write
            .observe(first_at.saturating_duration_since(appended_at));
        figures.last_write.observe(appended_at.elapsed());
    }
}
