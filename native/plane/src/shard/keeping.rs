//! Cursors that stay where they are while something else changes: their options, subscribing again without a start (M26), or
//! what their client decodes itself (M21).

use std::sync::Arc;

use crate::content::Accepts;
use crate::cursor::{Cursor, Delivery, Options, Way};
use crate::feed::Feed;
use crate::form::Writer;
use crate::round::Round;
use crate::shard::Shard;
use crate::staging::Staging;

impl Shard {
    /// M21: from here on what the client accepts is sent as it was published, and the rest decoded.
    pub(super) fn accept(&mut self, conn: u64, accepts: Accepts) {
        let Some(slot) = self.open_slot(conn) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        if std::mem::replace(&mut connection.form.accepts, accepts) == accepts {
            return;
        }
        for at in 0..connection.cursors.len() {
            self.change_view(slot, at);
        }
        self.enqueue(slot);
    }

    /// The cursor goes on where it stands, in the view of its filter and its connection's form; what was staged for it is sent as it is.
    fn change_view(&mut self, slot: usize, at: usize) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let (form, Some(cursor)) = (connection.form, connection.cursors.get(at)) else {
            return;
        };
        let (channel, former) = (Arc::clone(&cursor.channel), cursor.view);
        let sieve = cursor.sieve.clone();
        self.unfollow(slot, former, |settled, _| {
            Way::Feed(Box::new(Feed::new(settled)))
        });
        let view = self.join_view(&channel, form, sieve.as_ref());
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        if let Some(cursor) = cursor {
            cursor.view = view;
            if std::mem::take(&mut cursor.waiting) {
                self.left_waiting(former);
            }
        }
        self.leave_view(&channel, former);
    }

    /// M26: a cursor stays where it is, under other options, and another filter from there on (F11).
    ///
    /// `is_silent`: its client is not told of it, and knows what it knew.
    pub(super) fn take_over(
        &mut self,
        slot: usize,
        at: usize,
        cursor: &mut Cursor,
        is_silent: bool,
    ) {
        if is_silent
            && let Some(held) = self.connections.get(slot)
            && let Some(held) = held.cursors.get(at)
        {
            cursor.told = match held.way {
                Way::Follow(_) => held.epoch.position(self.views.told(held)),
                _ => held.told.clone(),
            };
            cursor.untold_since = held.untold_since;
        }
        let sieve = cursor.sieve.as_ref().map(|sieve| sieve.id);
        cursor.way = self.kept_way(slot, at, cursor.options, sieve);
        let held = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        if let Some(held) = held {
            cursor.epoch = held.epoch.clone();
            cursor.turn = held.turn;
            // What is under way stays counted.
            cursor.window = held.window.take().filter(|_| cursor.options.ack.is_some());
        }
    }

    /// M26: how a cursor that stays goes on under other options. What was staged for it is not lost, and not repeated.
    fn kept_way(&mut self, slot: usize, at: usize, options: Options, sieve: Option<u64>) -> Way {
        let held = self
            .connections
            .get(slot)
            .and_then(|connection| connection.cursors.get(at));
        let settled = held.map_or(0, |cursor| self.views.settled(cursor));
        let former = held.and_then(|cursor| cursor.sieve.as_ref());
        let same_filter = former.map(|former| former.id) == sieve;
        if !same_filter {
            self.recompose_gap(slot, at);
        }
        // What is staged was judged by the former filter (F11), or a window may have become smaller than that: what of it is
        // owed and allowed is staged again.
        let stays = same_filter && options.ack.is_none();
        let connection = self.connections.get_mut(slot);
        let feed = match connection
            .and_then(|connection| connection.cursors.get_mut(at))
            .map(|cursor| &mut cursor.way)
        {
            Some(Way::Feed(feed)) if stays || feed.staging.owed_gap().is_some() => {
                std::mem::replace(&mut **feed, Feed::new(settled))
            }
            Some(Way::Round(round)) if round.staging.owed_gap().is_some() => {
                std::mem::replace(&mut **round, Round::new(settled)).into_feed()
            }
            Some(Way::Round(round)) if options.delivery == Delivery::Latest => {
                return Way::Round(Box::new(round.restaged(settled)));
            }
            // From here the view is reached at once where the cursor was following it.
            _ => Feed::new(settled),
        };
        if options.max_rate.is_some() {
            Way::Round(Box::new(Round::continuing(feed)))
        } else {
            Way::Feed(Box::new(feed))
        }
    }

    /// A gap that was not sent yet: how many of its entries the new filter would have let through is not known (M48).
    fn recompose_gap(&mut self, slot: usize, at: usize) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let mut writer = Writer::new(connection.form, &mut self.deflater);
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return;
        };
        let Some(mut gap) = cursor.owed_gap().cloned() else {
            return;
        };
        gap.missed = None;
        let message = gap.message(&cursor.channel.name, &cursor.epoch, writer.form.encoding);
        let staging = match &mut cursor.way {
            Way::Feed(feed) => &mut feed.staging,
            Way::Round(round) => &mut round.staging,
            Way::Follow(_) => return,
        };
        // It stands alone, and nothing of it was sent.
        *staging = Staging::new(staging.settled());
        staging.push_gap(&gap, &message, &mut writer);
    }
}
