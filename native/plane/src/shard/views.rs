//! The views of a shard, and who follows them.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

use crate::channel::Channel;
use crate::cursor::{Cursor, Delivery, Way};
use crate::epoch::Position;
use crate::feed::Feed;
use crate::form::Form;
use crate::round::Round;
use crate::shard::Shard;
use crate::view::{Follower, View};

/// All views of a shard.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub(super) all: Slab<View>,
    by_channel: HashMap<u64, Vec<usize>>,
    /// Views with entries that were not yet written.
    pub(super) dirty: Vec<usize>,
    /// Bytes of all segments.
    pub(super) bytes: usize,
}

impl Views {
    /// The views of a channel.
    pub(super) fn of(&self, channel: u64) -> impl Iterator<Item = usize> {
        self.by_channel.get(&channel).into_iter().flatten().copied()
    }

    /// One cursor more on the view of (channel, form), which is made if it is the first.
    fn join(&mut self, channel: &Arc<Channel>, form: Form) -> usize {
        let views = self.by_channel.entry(channel.id).or_default();
        let is_it = |number: &&usize| {
            let view = self.all.get(**number);
            view.is_some_and(|view| view.form == form)
        };
        let number = views.iter().find(is_it).copied().unwrap_or_else(|| {
            let number = self.all.insert(View::new(Arc::clone(channel), form));
            views.push(number);
            number
        });
        if let Some(view) = self.all.get_mut(number) {
            view.cursors += 1;
        }
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
            let channel = view.channel.id;
            self.all.remove(number);
            if let Some(views) = self.by_channel.get_mut(&channel) {
                views.retain(|other| *other != number);
                if views.is_empty() {
                    self.by_channel.remove(&channel);
                }
            }
        }
    }
}

impl Shard {
    /// A cursor comes. The thread is counted as following before the log is looked at, so that no append is missed.
    pub(super) fn join_view(&mut self, channel: &Arc<Channel>, form: Form) -> usize {
        channel.join(self.thread);
        self.views.join(channel, form)
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
        owed.unwrap_or_else(|| cursor.epoch.position(self.settled(cursor)))
    }

    /// What a cursor has settled (M26).
    pub(super) fn settled(&self, cursor: &Cursor) -> u64 {
        let Way::Follow(seat) = cursor.way else {
            return cursor.way.settled().unwrap_or(0);
        };
        let view = self.views.all.get(cursor.view);
        view.and_then(|view| Some(view.offset_at(view.followers.get(seat)?.position)))
            .unwrap_or(0)
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
        let (settled, delivery) = (self.settled(cursor), cursor.options.delivery);
        if let Way::Follow(seat) = cursor.way {
            self.leave_seat(number, seat);
            let cursor = self
                .connections
                .get_mut(slot)
                .and_then(|connection| connection.cursors.get_mut(at));
            if let Some(cursor) = cursor {
                cursor.way = way(settled, delivery);
                cursor.tell(settled);
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
