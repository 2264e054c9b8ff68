//! From the log to the wire bytes of a view, and the bounds on those.

use std::sync::Arc;

use crate::channel::Channel;
use crate::cursor::{Cursor, Delivery, Way};
use crate::entry::Entry;
use crate::feed::{Feed, Reading};
use crate::form::Writer;
use crate::log::Log;
use crate::segment::SEGMENT;
use crate::shard::Shard;
use crate::shard::views::way_from;
use crate::view::Follower;

/// Entries read under one lock of a log.
const BATCH: usize = 256;
/// Bytes a view takes from its log before its followers are written to.
pub(super) const ADVANCED: usize = 512 << 10;
/// Bytes looked through that cost as much as one that is written.
pub(super) const LOOKING: usize = 4;
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
            let stands = (view.turn, view.head());
            let more = match read_on(&channel, stands, &mut reading.entries) {
                ReadOn::Entries(_) => {
                    let worth = self.compose(number, &reading);
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

    /// Append entries to a view; the bytes that came to.
    fn compose(&mut self, number: usize, reading: &Reading) -> usize {
        let Some(view) = self.views.all.get_mut(number) else {
            return 0;
        };
        let before = view.bytes();
        let mut writer = Writer::new(view.form, &mut self.deflater);
        for entry in &reading.entries {
            view.push(entry, &mut writer);
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
        self.turn_view(number, turned);
        self.enqueue_on(|cursor| cursor.view == number);
    }

    /// The same for those who follow.
    pub(super) fn turn_view(&mut self, number: usize, turned: &Turned) {
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
    }

    /// Connections that have such a cursor have a turn.
    pub(super) fn enqueue_on(&mut self, is_such: impl Fn(&Cursor) -> bool) {
        let slots: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.cursors.iter().any(&is_such))
            .map(|(slot, _)| slot)
            .collect();
        for slot in slots {
            self.enqueue(slot);
        }
    }

    /// Entries left the log before this thread came to read them: every cursor finds that out by itself.
    pub(super) fn overtaken(&mut self, number: usize, head: u64) {
        self.feed_before(number, u64::MAX, way_from);
        if let Some(view) = self.views.all.get_mut(number) {
            self.views.bytes -= view.bytes();
            view.restart(head);
        }
    }
}

/// What comes after what was read of a log.
pub(super) enum ReadOn {
    /// The next ones, or none; and the history they are of.
    Entries(u64),
    /// They are gone: go on after this offset.
    Lost(u64),
    /// Whoever reads has to look where he stands.
    Turned(Turned),
}

/// Where a log stands that has to be looked at anew.
pub(super) struct Turned {
    pub(super) turn: u64,
    pub(super) origin: u64,
    /// What was read up to then is not what comes before the entries of the log.
    pub(super) is_elsewhere: bool,
}

/// Where a log stands for who has read it up to `head` as of a turn of it; nothing, if it has not turned since.
pub(super) fn turned_for(log: &Log, (turn, head): (u64, u64)) -> Option<Turned> {
    (log.turn() != turn).then(|| Turned {
        turn: log.turn(),
        origin: log.origin(),
        is_elsewhere: log.began_after(turn) || head < log.origin(),
    })
}

/// What a log has for who has read it up to `head` as of a turn of it.
pub(super) fn read_on(
    channel: &Channel,
    (turn, head): (u64, u64),
    entries: &mut Vec<Arc<Entry>>,
) -> ReadOn {
    let log = channel.log();
    if let Some(turned) = turned_for(&log, (turn, head)) {
        return ReadOn::Turned(turned);
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
