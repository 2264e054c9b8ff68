//! From the log to the wire bytes of a view, and the bounds on those.

use std::sync::Arc;

use crate::channel::Channel;
use crate::cursor::{Cursor, Delivery, Way};
use crate::entry::Entry;
use crate::feed::{Feed, Reading};
use crate::form::Writer;
use crate::segment::SEGMENT;
use crate::shard::Shard;
use crate::shard::views::way_from;
use crate::view::{Follower, View};

/// Entries read under one lock of a log.
const BATCH: usize = 256;
/// Bytes a view takes from its log before its followers are written to.
const ADVANCED: usize = 512 << 10;
/// Bytes looked through that cost as much as one that is written.
const LOOKING: usize = 4;
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
            let mut reading = std::mem::take(&mut self.reading);
            let Some(view) = self.views.all.get(number) else {
                return false;
            };
            let found = read_on(&channel, view, &mut reading.entries);
            let more = match found {
                ReadOn::Entries(history) => {
                    let worth = self.compose(number, history, &mut reading);
                    budget = budget.saturating_sub(worth);
                    !reading.entries.is_empty()
                }
                ReadOn::Lost(head) => {
                    self.overtaken(number, head);
                    false
                }
                ReadOn::Turned(turned) => {
                    self.turned(number, &turned);
                    true
                }
            };
            reading.entries.clear();
            self.reading = reading;
            if budget == 0 || !more {
                return budget == 0;
            }
        }
    }

    /// Append entries to a view, those that pass; the bytes that came to, or were worth looking through.
    fn compose(&mut self, number: usize, history: u64, reading: &mut Reading) -> usize {
        let Some(view) = self.views.all.get_mut(number) else {
            return 0;
        };
        let before = view.bytes();
        let mut writer = Writer::new(view.form, &mut self.deflater);
        let mut looked = 0;
        if let Some(sieve) = &view.sieve {
            reading.judge(Some(sieve), history);
            for (entry, passes) in reading.entries.iter().zip(&reading.passes) {
                looked += entry.size();
                if *passes {
                    view.push(entry, &mut writer);
                } else {
                    view.pass_over(entry);
                }
            }
        } else {
            for entry in &reading.entries {
                view.push(entry, &mut writer);
            }
        }
        let composed = view.bytes() - before;
        self.views.bytes += composed;
        self.keep_bounds(number);
        composed.max(looked / LOOKING)
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
        self.feed_before(number, start, way_from);
        if let Some(view) = self.views.all.get_mut(number) {
            self.views.bytes -= view.bytes();
            view.release(start);
            self.views.bytes += view.bytes();
        }
    }

    /// Followers before `position` are fed from the log.
    fn feed_before(&mut self, number: usize, position: u64, way: fn(u64, Delivery) -> Way) {
        let Some(view) = self.views.all.get(number) else {
            return;
        };
        let before = |follower: &&Follower| follower.position < position;
        let slots = view.followers.iter().filter(before);
        self.feed(number, slots.map(|follower| follower.slot).collect(), way);
    }

    /// Followers that want the latest are fed from the log.
    fn feed_latest(&mut self, number: usize, way: fn(u64, Delivery) -> Way) {
        let Some(view) = self.views.all.get(number) else {
            return;
        };
        let is_latest = |slot: &usize| {
            let connection = self.connections.get(*slot);
            let at = connection.and_then(|connection| connection.cursor_on(view.channel.id));
            let cursor = connection.and_then(|connection| connection.cursors.get(at?));
            cursor.is_some_and(|cursor| cursor.options.delivery == Delivery::Latest)
        };
        let slots = view.followers.iter().map(|follower| follower.slot);
        self.feed(number, slots.filter(is_latest).collect(), way);
    }

    fn feed(&mut self, number: usize, slots: Vec<usize>, way: fn(u64, Delivery) -> Way) {
        for slot in slots {
            self.unfollow(slot, number, way);
            self.enqueue(slot);
        }
    }

    /// P12: the log has begun another history, or stands further on. What was composed before and not sent is covered by a
    /// gap, which every cursor gives in its turn.
    fn turned(&mut self, number: usize, turned: &Turned) {
        // S3: nothing is conflated that its socket would have taken.
        let fed = |settled, _| Way::Feed(Box::new(Feed::new(settled)));
        if turned.is_elsewhere {
            self.feed_before(number, u64::MAX, fed);
        } else {
            self.feed_latest(number, fed);
        }
        if let Some(view) = self.views.all.get_mut(number) {
            view.turn = turned.turn;
            if turned.is_elsewhere {
                self.views.bytes -= view.bytes();
                view.restart(turned.origin);
            }
        }
        let on_it = |cursor: &Cursor| cursor.view == number;
        let slots: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.cursors.iter().any(on_it))
            .map(|(slot, _)| slot)
            .collect();
        for slot in slots {
            self.enqueue(slot);
        }
    }

    /// Entries left the log before this thread came to read them: every cursor finds that out by itself.
    fn overtaken(&mut self, number: usize, head: u64) {
        self.feed_before(number, u64::MAX, way_from);
        if let Some(view) = self.views.all.get_mut(number) {
            self.views.bytes -= view.bytes();
            view.restart(head);
        }
    }
}

/// What comes after the entries of a view.
enum ReadOn {
    /// The next ones, or none; and the history they are of.
    Entries(u64),
    /// They are gone: go on after this offset.
    Lost(u64),
    /// Whoever reads has to look where he stands.
    Turned(Turned),
}

/// Where a log stands that a view has to look at anew.
struct Turned {
    turn: u64,
    origin: u64,
    /// What the view has composed is not what comes before the entries of the log.
    is_elsewhere: bool,
}

fn read_on(channel: &Channel, view: &View, entries: &mut Vec<Arc<Entry>>) -> ReadOn {
    let (log, head) = (channel.log(), view.head());
    if log.turn() != view.turn {
        return ReadOn::Turned(Turned {
            turn: log.turn(),
            origin: log.origin(),
            is_elsewhere: log.began_after(view.turn) || head < log.origin(),
        });
    }
    if log.first() > head + 1 {
        return ReadOn::Lost(log.head());
    }
    let mut bytes = 0;
    for entry in log.after(head).take(BATCH) {
        if bytes > SEGMENT {
            break;
        }
        bytes += entry.size();
        entries.push(Arc::clone(entry));
    }
    ReadOn::Entries(log.history())
}
