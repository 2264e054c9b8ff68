//! What is told of positions: to clients, where nothing else tells them (P9); to Python, when it asks; and by clients, what
//! they have handled (M36).

use std::time::Instant;

use crate::batch::Event;
use crate::cursor::Cursor;
use crate::epoch::Position;
use crate::shard::Shard;
use crate::watermark::{self, FAR, LONG};

impl Shard {
    /// Open the windows of those subscriptions whose client has handled something (S10).
    pub(super) fn acknowledge(&mut self, conn: u64, positions: &[(u64, String, u64)]) {
        let Some(slot) = self.open_slot(conn) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let figures = &self.shared.figures;
        for (channel, epoch, offset) in positions {
            let cursor = connection
                .cursor_on(*channel)
                .and_then(|at| connection.cursors.get_mut(at));
            let applied = cursor.is_some_and(|cursor| {
                let told = cursor.no_further(cursor.told.clone());
                let window = cursor.window.as_mut();
                window.is_some_and(|window| window.acknowledge(epoch, *offset, &told))
            });
            if applied {
                &figures.acks
            } else {
                &figures.acks_ignored
            }
            .add(1);
        }
        self.enqueue(slot);
    }

    /// Where the cursors of a connection stand is told at the end of the turn in which all that waits now was handed to its
    /// transport: who hears it may take a `welcome` before it for written (R11).
    pub(super) fn ask_positions(&mut self, conn: u64) {
        let slot = self.open_slot(conn);
        if let Some(connection) = slot.and_then(|slot| self.connections.get_mut(slot)) {
            connection.questions.ask(connection.out.waiting());
            self.asked.push(conn);
        }
    }

    pub(super) fn tell_positions(&mut self) {
        for conn in std::mem::take(&mut self.asked) {
            let slot = self.slots.get(&conn).copied();
            let connection = slot.and_then(|slot| self.connections.get_mut(slot));
            let Some(connection) = connection.filter(|one| one.closing.is_none()) else {
                continue;
            };
            let out = &connection.out;
            let due = connection.questions.take(|waited| out.has_handed(waited));
            for _ in 0..due {
                self.tell_position(conn);
            }
        }
    }

    fn tell_position(&mut self, conn: u64) {
        let slot = self.slots.get(&conn).copied();
        let cursors = slot
            .and_then(|slot| self.connections.get(slot))
            .into_iter()
            .flat_map(|connection| &connection.cursors);
        let positions = cursors.map(|cursor| (cursor.channel.id, self.safe_position(cursor)));
        let event = Event::Positions(positions.collect());
        self.batch.push(conn, event);
    }

    /// From where a resume loses nothing: with a window, what the client has acknowledged (R8), else what was sent. It will be
    /// sealed, and then counts as a proof (N4): so no place that a client has made up.
    fn safe_position(&self, cursor: &Cursor) -> Position {
        cursor.no_further(match &cursor.window {
            Some(window) => window.acked().clone(),
            None => self.position(cursor),
        })
    }

    /// Whether a cursor that has nothing to send now stands far beyond what its client knows; from now on time counts.
    pub(super) fn is_far(&mut self, slot: usize, at: usize, now: Instant) -> bool {
        let cursor = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.cursors.get_mut(at));
        let Some((cursor, offset)) = cursor.and_then(|cursor| {
            let offset = self.views.untold(cursor)?;
            Some((cursor, offset))
        }) else {
            return false;
        };
        cursor.untold_since.get_or_insert(now);
        offset - cursor.told.offset >= FAR
    }

    /// Watermarks for those whose clients have not known for long where they stand.
    pub(super) fn tell_standing(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (slot, connection) in &mut self.connections {
            if !connection.is_clear() {
                continue;
            }
            let mut long = false;
            for cursor in &mut connection.cursors {
                if self.views.untold(cursor).is_some() {
                    let since = *cursor.untold_since.get_or_insert(now);
                    long |= now.saturating_duration_since(since) >= LONG;
                }
            }
            if long {
                due.push(slot);
            }
        }
        for slot in due {
            self.push_watermark(slot);
            self.enqueue(slot);
        }
    }

    /// P9: all subscriptions of a connection are told together.
    pub(super) fn push_watermark(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let encoding = connection.encoding();
        let told = connection.cursors.iter_mut().filter_map(|cursor| {
            let offset = self.views.untold(cursor)?;
            cursor.tell(offset);
            Some((&*cursor.channel.name, cursor.told.clone()))
        });
        let mut told = told.peekable();
        if told.peek().is_none() {
            return;
        }
        let message = watermark::message(told, encoding);
        self.shared.figures.watermarks.add(1);
        self.queue_message(slot, &message);
    }

    /// E4: where the cursors on some channels stand is told, moved or not. It is what the stream holds at this place of it, and
    /// neither what the client has acknowledged nor where a cursor stood a moment ago: a gap may have led elsewhere since (I1).
    /// A gap that is owed tells it by itself.
    pub(super) fn affirm(&mut self, conn: u64, channels: &[u64]) {
        let Some(slot) = self.open_slot(conn) else {
            return;
        };
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let standing: Vec<(usize, u64)> = channels
            .iter()
            .filter_map(|channel| connection.cursor_on(*channel))
            .filter_map(|at| Some((at, connection.cursors.get(at)?)))
            .filter(|(_, cursor)| cursor.owed_gap().is_none())
            .map(|(at, cursor)| (at, self.views.settled(cursor)))
            .collect();
        if standing.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let encoding = connection.encoding();
        for (at, offset) in &standing {
            if let Some(cursor) = connection.cursors.get_mut(*at) {
                cursor.tell(*offset);
            }
        }
        let told = standing
            .iter()
            .filter_map(|(at, _)| connection.cursors.get(*at))
            .map(|cursor| (&*cursor.channel.name, cursor.told.clone()));
        let message = watermark::message(told, encoding);
        self.shared.figures.watermarks.add(1);
        self.queue_message(slot, &message);
        self.enqueue(slot);
    }
}
