//! The views of a shard, and who follows them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::channel::Channel;
use crate::cursor::{Cursor, Delivery, Way};
use crate::epoch::Position;
use crate::feed::Feed;
use crate::filter::Sieve;
use crate::form::Form;
use crate::round::Round;
use crate::shard::Shard;
use crate::shard::sifting::Watch;
use crate::view::{Follower, View};

/// Channel, the number of the filter (0 is none), and form.
type Key = (u64, u64, Form);

fn key_of(channel: &Channel, form: Form, sieve: Option<&Arc<Sieve>>) -> Key {
    (channel.id, sieve.map_or(0, |sieve| sieve.id), form)
}

/// All views of a shard.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub(super) all: Slab<View>,
    by_key: BTreeMap<Key, usize>,
    /// Views without a filter, with entries that were not yet written.
    pub(super) dirty: Vec<usize>,
    /// By channel, what was read for the views with filters.
    pub(super) watches: HashMap<u64, Watch>,
    /// Channels of these with entries that were not yet read.
    pub(super) unread: Vec<u64>,
    /// Bytes of all segments.
    pub(super) bytes: usize,
}

impl Views {
    /// The views of a channel.
    pub(super) fn of(&self, channel: u64) -> impl Iterator<Item = usize> {
        self.between((channel, 0), (channel.saturating_add(1), 0))
    }

    /// Those without a filter.
    fn unfiltered(&self, channel: u64) -> impl Iterator<Item = usize> {
        self.between((channel, 0), (channel, 1))
    }

    /// Those with one.
    pub(super) fn filtered(&self, channel: u64) -> Vec<usize> {
        self.between((channel, 1), (channel.saturating_add(1), 0))
            .collect()
    }

    /// Those of one filter, by its number.
    pub(super) fn through(&self, channel: u64, sieve: u64) -> Vec<usize> {
        self.between((channel, sieve), (channel, sieve.saturating_add(1)))
            .collect()
    }

    fn between(&self, first: (u64, u64), end: (u64, u64)) -> impl Iterator<Item = usize> {
        let key = |(channel, sieve)| (channel, sieve, Form::FIRST);
        let all = self.by_key.range(key(first)..key(end));
        all.map(|(_, number)| *number)
    }

    /// Something waits to be written.
    pub(super) fn has_unread(&self) -> bool {
        !self.dirty.is_empty() || !self.unread.is_empty()
    }

    /// New entries of a channel wait to be written; whether there is a view that wants to know.
    pub(super) fn appended(&mut self, channel: u64, at: Instant) -> bool {
        let numbers: Vec<usize> = self.unfiltered(channel).collect();
        let is_wanted = !numbers.is_empty() || self.watches.contains_key(&channel);
        for number in numbers {
            if let Some(view) = self.all.get_mut(number)
                && view.appended_at.is_none()
            {
                view.appended_at = Some(at);
                self.dirty.push(number);
            }
        }
        if let Some(watch) = self.watches.get_mut(&channel)
            && watch.appended_at.is_none()
        {
            watch.appended_at = Some(at);
            self.unread.push(channel);
        }
        is_wanted
    }

    /// When the thread was told of entries of a channel that it has yet to read.
    fn told_at(&self, channel: u64) -> Option<Instant> {
        let by_watch = self
            .watches
            .get(&channel)
            .and_then(|watch| watch.appended_at);
        let mut views = self.unfiltered(channel);
        by_watch.or_else(|| views.find_map(|number| self.all.get(number)?.appended_at))
    }

    /// One cursor more on the view of (channel, filter, form), which is made if it is the first.
    fn join(&mut self, channel: &Arc<Channel>, form: Form, sieve: Option<&Arc<Sieve>>) -> usize {
        let key = key_of(channel, form, sieve);
        let number = match self.by_key.get(&key) {
            Some(number) => *number,
            None => self.begin(channel, form, sieve),
        };
        if let Some(view) = self.all.get_mut(number) {
            view.cursors += 1;
        }
        number
    }

    /// The thread was told of what is appended from here on too, and will not be told again before it reads.
    fn begin(&mut self, channel: &Arc<Channel>, form: Form, sieve: Option<&Arc<Sieve>>) -> usize {
        let told_at = self.told_at(channel.id);
        let through = sieve.map(|sieve| {
            let watch = self.watches.entry(channel.id).or_insert_with(|| {
                self.unread.extend(told_at.map(|_| channel.id));
                Watch::new(channel, told_at)
            });
            watch.views += 1;
            (Arc::clone(sieve), Arc::clone(&watch.passed))
        });
        let mut view = View::new(Arc::clone(channel), form, through);
        if sieve.is_none() {
            view.appended_at = told_at;
        }
        let number = self.all.insert(view);
        self.dirty
            .extend(told_at.filter(|_| sieve.is_none()).map(|_| number));
        self.by_key.insert(key_of(channel, form, sieve), number);
        number
    }

    /// One cursor less; without cursors the view is dropped.
    fn leave(&mut self, number: usize, thread: usize) {
        let Some(view) = self.all.get_mut(number) else {
            return;
        };
        view.cursors -= 1;
        if view.cursors == 0 {
            // What it was told of and has not read, nobody will read.
            view.channel.heard(thread);
            self.bytes -= view.bytes();
            let key = key_of(&view.channel, view.form, view.sieve.as_ref());
            if view.sieve.is_some() {
                self.unwatch(key.0);
            }
            self.by_key.remove(&key);
            self.all.remove(number);
        }
    }

    fn unwatch(&mut self, channel: u64) {
        if let Some(watch) = self.watches.get_mut(&channel) {
            watch.views -= 1;
            if watch.views == 0 {
                self.watches.remove(&channel);
            }
        }
    }

    /// The follower that a cursor is, in its view.
    fn followed(&self, cursor: &Cursor) -> Option<(&View, u64)> {
        let Way::Follow(seat) = cursor.way else {
            return None;
        };
        let view = self.all.get(cursor.view)?;
        Some((view, view.followers.get(seat)?.position))
    }

    /// What a cursor has settled (M26). What was passed over is settled once its client was told so.
    pub(super) fn settled(&self, cursor: &Cursor) -> u64 {
        let Some((view, position)) = self.followed(cursor) else {
            return cursor.way.settled().unwrap_or(0);
        };
        let read = view.offset_at(position);
        if view.sieve.is_none() || cursor.told.epoch != cursor.epoch {
            return read;
        }
        read.max(cursor.told.offset)
    }

    /// What the client of a cursor knows that follows: every entry tells itself, but what was passed over does not.
    pub(super) fn told(&self, cursor: &Cursor) -> u64 {
        match self.followed(cursor) {
            Some((view, position)) if view.sieve.is_some() => {
                let sent = view.sent_at(position);
                if cursor.told.epoch == cursor.epoch {
                    sent.max(cursor.told.offset)
                } else {
                    sent
                }
            }
            _ => self.settled(cursor),
        }
    }

    /// Where a cursor stands without its client having been told so by anything (P9). Of one that follows, what it was sent
    /// meanwhile is noted as told.
    pub(super) fn untold(&self, cursor: &mut Cursor) -> Option<u64> {
        if !matches!(cursor.way, Way::Follow(_)) || cursor.sieve.is_none() {
            return cursor.untold();
        }
        let told = self.told(cursor);
        if told > cursor.told.offset || cursor.told.epoch != cursor.epoch {
            cursor.tell(told);
        }
        let (view, position) = self.followed(cursor)?;
        let further = position >= view.end() && view.head() > told;
        further.then_some(view.head())
    }
}

impl Shard {
    /// A cursor comes. The thread is counted as following before the log is looked at, so that no append is missed.
    pub(super) fn join_view(
        &mut self,
        channel: &Arc<Channel>,
        form: Form,
        sieve: Option<&Arc<Sieve>>,
    ) -> usize {
        channel.join(self.thread);
        self.views.join(channel, form, sieve)
    }

    /// A cursor goes.
    pub(super) fn release_cursor(&mut self, cursor: &Cursor) {
        if let Way::Follow(seat) = cursor.way {
            self.leave_seat(cursor.view, seat);
        }
        if cursor.waiting {
            self.left_waiting(cursor.view);
        }
        self.leave_view(&cursor.channel, cursor.view);
    }

    /// A cursor is on this view no more.
    pub(super) fn leave_view(&mut self, channel: &Channel, number: usize) {
        self.views.leave(number, self.thread);
        channel.leave(self.thread);
    }

    /// All cursors of a connection go.
    pub(super) fn drop_cursors(&mut self, slot: usize) {
        let cursors = self
            .connections
            .get_mut(slot)
            .map(|connection| std::mem::take(&mut connection.cursors));
        for cursor in cursors.unwrap_or_default() {
            self.release_cursor(&cursor);
        }
    }

    /// Take a follower out of its view; the last one takes its seat.
    fn leave_seat(&mut self, number: usize, seat: usize) -> Option<Follower> {
        let view = self.views.all.get_mut(number)?;
        if seat >= view.followers.len() {
            return None;
        }
        let left = view.followers.swap_remove(seat);
        if let Some(moved) = view.followers.get(seat) {
            let cursors = self
                .connections
                .get_mut(moved.slot)
                .map(|connection| &mut connection.cursors);
            let cursor =
                cursors.and_then(|cursors| cursors.iter_mut().find(|cursor| cursor.view == number));
            if let Some(cursor) = cursor {
                cursor.way = Way::Follow(seat);
            }
        }
        Some(left)
    }

    /// The cursor number `at` of a connection follows its view from `position` on.
    pub(super) fn follow(&mut self, slot: usize, at: usize, position: u64) {
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        let Some(cursor) = cursor else {
            return;
        };
        if let Some(view) = self.views.all.get_mut(cursor.view) {
            cursor.way = Way::Follow(view.followers.len());
            view.followers.push(Follower { slot, position });
        }
    }

    /// Where a cursor stands, as its client may be told: before a gap that it was not told of yet.
    pub(super) fn position(&self, cursor: &Cursor) -> Position {
        let owed = cursor.owed_gap().map(|gap| gap.from.clone());
        owed.unwrap_or_else(|| cursor.epoch.position(self.views.settled(cursor)))
    }

    /// A follower gets its entries from the log from now on, by the way that is made of what it has settled.
    pub(super) fn unfollow(&mut self, slot: usize, number: usize, way: fn(u64, Delivery) -> Way) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let Some(at) = connection
            .cursors
            .iter()
            .position(|cursor| cursor.view == number)
        else {
            return;
        };
        let Some(cursor) = connection.cursors.get(at) else {
            return;
        };
        let (settled, told) = (self.views.settled(cursor), self.views.told(cursor));
        let delivery = cursor.options.delivery;
        if let Way::Follow(seat) = cursor.way {
            self.leave_seat(number, seat);
            let cursor = self
                .connections
                .get_mut(slot)
                .and_then(|connection| connection.cursors.get_mut(at));
            if let Some(cursor) = cursor {
                cursor.way = way(settled, delivery);
                cursor.tell(told);
            }
        }
    }

    /// S3: the socket takes bytes again. What a `latest` cursor has not sent yet may be conflated.
    pub(super) fn unblocked(&mut self, slot: usize) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        for at in 0..connection.cursors.len() {
            self.conflate(slot, at);
        }
    }

    fn conflate(&mut self, slot: usize, at: usize) {
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        // A shut window is no reason to conflate.
        let conflated = |cursor: &&mut Cursor| {
            cursor.options.delivery == Delivery::Latest && !cursor.is_exhausted()
        };
        let Some(cursor) = cursor.filter(conflated) else {
            return;
        };
        let number = cursor.view;
        match &mut cursor.way {
            Way::Follow(seat) => {
                let view = self.views.all.get(number);
                let behind = view.is_some_and(|view| {
                    view.followers
                        .get(*seat)
                        .is_some_and(|follower| follower.position < view.end())
                });
                if behind {
                    self.unfollow(slot, number, way_from);
                }
            }
            Way::Feed(feed) => {
                let feed = std::mem::replace(&mut **feed, Feed::new(0));
                cursor.way = Way::Round(Box::new(Round::continuing(feed)));
            }
            Way::Round(round) => round.again = true,
        }
    }
}

/// How entries after `settled` come when they do not come from the view.
pub(super) fn way_from(settled: u64, delivery: Delivery) -> Way {
    match delivery {
        Delivery::All => Way::Feed(Box::new(Feed::new(settled))),
        Delivery::Latest => Way::Round(Box::new(Round::new(settled))),
    }
}
