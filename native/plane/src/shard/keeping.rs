//! Cursors that stay where they are while something else changes: their options, subscribing again without a start (M26), or
//! what their client decodes itself (M21).

use std::sync::Arc;

use crate::content::Accepts;
use crate::cursor::{Cursor, Delivery, Options, Way};
use crate::feed::Feed;
use crate::round::Round;
use crate::shard::Shard;

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

    /// The cursor goes on where it stands, in the view of its connection's form; what was staged for it is sent as it is.
    fn change_view(&mut self, slot: usize, at: usize) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let (form, Some(cursor)) = (connection.form, connection.cursors.get(at)) else {
            return;
        };
        let (channel, former) = (Arc::clone(&cursor.channel), cursor.view);
        self.unfollow(slot, former, |settled, _| {
            Way::Feed(Box::new(Feed::new(settled)))
        });
        let view = self.join_view(&channel, form);
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

    /// M26: a cursor stays where it is, under other options.
    pub(super) fn take_over(&mut self, slot: usize, at: usize, cursor: &mut Cursor) {
        cursor.way = self.kept_way(slot, at, cursor.options);
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
    fn kept_way(&mut self, slot: usize, at: usize, options: Options) -> Way {
        let settled = self
            .connections
            .get(slot)
            .and_then(|connection| connection.cursors.get(at));
        let settled = settled.map_or(0, |cursor| self.settled(cursor));
        let connection = self.connections.get_mut(slot);
        let feed = match connection
            .and_then(|connection| connection.cursors.get_mut(at))
            .map(|cursor| &mut cursor.way)
        {
            // A window may have become smaller than what is staged: what of it is allowed is staged again.
            Some(Way::Feed(feed)) if options.ack.is_none() || feed.staging.owed_gap().is_some() => {
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
}
