//! Cursors that have nothing to send now, and who wakes them.

use crate::shard::Shard;
use crate::shard::writing::Step;

/// So many that have gone are never looked for.
const FEW: usize = 16;

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

    /// A cursor that waited is gone. On a channel where nothing comes nobody else strikes those: once they may be half of all,
    /// the others are looked for, which costs each of them a step.
    pub(super) fn left_waiting(&mut self, number: usize) {
        let Some(view) = self.views.all.get_mut(number) else {
            return;
        };
        view.left_waiting += 1;
        if view.left_waiting < FEW.max(view.waiting.len() / 2) {
            return;
        }
        view.left_waiting = 0;
        let mut waiting = std::mem::take(&mut view.waiting);
        waiting.sort_unstable();
        waiting.dedup();
        waiting.retain(|slot| {
            let connection = self.connections.get(*slot);
            connection.is_some_and(|connection| {
                let mut cursors = connection.cursors.iter();
                cursors.any(|cursor| cursor.view == number && cursor.waiting)
            })
        });
        if let Some(view) = self.views.all.get_mut(number) {
            view.waiting = waiting;
        }
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
