//! Publishes that this thread takes by itself: their places, who hears of them, and their answers.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::channel::{Channel, Held};
use crate::connection::Connection;
use crate::inbound::{Answers, Grant, Grants, Run};
use crate::shard::Shard;

impl Shard {
    /// Python lets this thread take the publishes of a connection to a channel.
    pub(super) fn grant(&mut self, conn: u64, grant: Grant) {
        let slot = self.open_slot(conn);
        if let Some(connection) = slot.and_then(|slot| self.connections.get_mut(slot)) {
            connection.grants.get_or_insert_default().add(grant);
        }
    }

    /// Python has handled so many messages of a connection.
    pub(super) fn handled(&mut self, conn: u64, count: u64) {
        let Some((slot, connection)) = self.by_number(conn) else {
            return;
        };
        let came = connection.peer.message_count;
        let grants = connection.grants.as_deref_mut();
        if grants.is_some_and(|grants| grants.handled(count, came)) {
            self.enqueue(slot);
        }
    }

    /// What a connection says goes to Python again, all of it.
    pub(super) fn withdraw(&mut self, conn: u64) {
        if let Some((slot, connection)) = self.by_number(conn)
            && connection.grants.as_deref_mut().is_some_and(Grants::clear)
        {
            self.enqueue(slot);
        }
        self.port.withdrawn();
    }

    fn by_number(&mut self, conn: u64) -> Option<(usize, &mut Connection)> {
        let slot = self.slots.get(&conn).copied()?;
        Some((slot, self.connections.get_mut(slot)?))
    }

    /// What was taken of the input of a connection gets its places, in the order in which it came.
    pub(super) fn publish(&mut self, slot: usize, now: Instant) {
        if self.direct.is_empty() {
            return;
        }
        let mut direct = std::mem::take(&mut self.direct);
        for (channel, run) in direct.runs() {
            self.publish_run(slot, channel, run, now);
        }
        direct.clear();
        self.direct = direct;
    }

    fn publish_run(&mut self, slot: usize, channel: &Held, run: Run<'_>, now: Instant) {
        // What has just been read is of a connection that is there: it is taken away after its turn, never within it.
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let (conn, is_closing) = (connection.id, connection.closing.is_some());
        let logs = &self.shared.appending.logs;
        let first = logs.append_held(channel, run.members(), wall_clock());
        let count = run.len();
        channel.figures().appended.add(count as u64);
        self.tell_followers(channel, now);
        let figures = &self.shared.figures;
        figures.direct_publishes.add(count as u64);
        if !is_closing {
            let answers = Answers::to(conn, run, count, &first);
            figures.direct_acks.add(answers.len() as u64);
            self.queue_acks(slot, &answers, now);
        }
        self.has_published = true;
    }

    /// The turn in which they were read writes them.
    fn queue_acks(&mut self, slot: usize, answers: &Answers, now: Instant) {
        for message in answers.messages() {
            self.queue_answer(slot, message);
        }
        self.bound_answers(slot, answers.largest(), now);
    }

    fn tell_followers(&mut self, channel: &Arc<Channel>, now: Instant) {
        for thread in channel.to_tell() {
            if thread == self.thread {
                self.appended(channel, now);
            } else {
                self.shared.appending.tell(thread, channel, now);
                self.woken.push(thread);
            }
        }
    }

    /// Write what this turn has published, if its time has come; other threads do the same.
    pub fn flush_published(&mut self) {
        if self.views.has_unread() {
            self.flush(Instant::now());
        }
        for thread in self.woken.drain(..) {
            if let Some(port) = self.shared.appending.port(thread) {
                port.flush();
            }
        }
    }
}

/// Seconds since 1970, as Python counts them.
fn wall_clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
