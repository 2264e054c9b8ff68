//! Subscribing again without a start: the cursor stays, its options change (M26).

use crate::cursor::{Cursor, Delivery, Options, Way};
use crate::feed::Feed;
use crate::round::Round;
use crate::shard::Shard;

impl Shard {
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
