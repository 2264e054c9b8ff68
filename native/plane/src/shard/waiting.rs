//! Cursors that have nothing to send now, and who wakes them.

use crate::shard::Shard;
use crate::shard::writing::Step;

impl Shard {
    /// The view wakes the connection when there is something new.
    pub(super) fn wait_for_view(&mut self, slot: usize, at: usize) -> Step {
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        if let Some(cursor) = cursor
            && let Some(view) = self.views.all.get_mut(cursor.view)
            && !std::mem::replace(&mut cursor.waiting, true)
        {
            view.waiting.push(slot);
        }
        Step::Nothing
    }

    /// Nothing may be sent before the client acknowledges what is under way (S10); what is ahead is counted as waiting once.
    pub(super) fn wait_for_ack(&mut self, slot: usize, at: usize) -> Step {
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        let Some(cursor) = cursor else {
            return Step::Nothing;
        };
        let settled = cursor.way.settled().unwrap_or(u64::MAX);
        let ahead = self
            .views
            .all
            .get(cursor.view)
            .is_some_and(|view| view.head() > settled);
        if let Some(window) = &mut cursor.window
            && ahead
            && !std::mem::replace(&mut window.waits, true)
        {
            self.shared.figures.window_waits.add(1);
        }
        Step::Nothing
    }
}
