//! The end of connections.

use std::time::Instant;

use crate::batch::Event;
use crate::closing::{Cause, Verdict};
use crate::connection::Connection;
use crate::shard::Shard;

/// Bytes read and thrown away at most before a socket is closed, so that the peer gets our close frame and not a reset.
const DRAINED: usize = 4 << 20;

impl Shard {
    /// Close a connection for a reason; the first verdict stands.
    pub(super) fn begin_close(&mut self, slot: usize, verdict: Verdict, now: Instant) {
        self.drop_cursors(slot);
        let settings = &self.shared.settings;
        let Some(connection) = self
            .connections
            .get_mut(slot)
            .filter(|connection| connection.closing.is_none())
        else {
            return;
        };
        connection.begin_close(verdict, settings, now);
        self.timers
            .set(now + settings.close_wait, slot, connection.id);
        self.enqueue(slot);
    }

    /// The peer said that it closes, or answered our close frame.
    pub(super) fn peer_closed(&mut self, slot: usize, verdict: Verdict, now: Instant) {
        let closing = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.closing.as_mut());
        match closing {
            Some(closing) => closing.peer_done = true,
            None => self.begin_close(slot, verdict, now),
        }
        self.enqueue(slot);
    }

    /// The stream has ended. Without a close frame from either side that is a loss (1006); after ours it is the end.
    pub(super) fn stream_ended(&mut self, slot: usize) {
        let closing = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.closing.as_mut());
        match closing {
            Some(closing) if !closing.written => closing.peer_done = true,
            Some(_) => self.finish(slot),
            None => self.lose(slot),
        }
    }

    /// The connection is gone: nothing can be written any more.
    pub(super) fn lose(&mut self, slot: usize) {
        if let Some(connection) = self.connections.get_mut(slot)
            && connection.closing.is_none()
        {
            connection.begin_close(Verdict::lost(), &self.shared.settings, Instant::now());
        }
        self.finish(slot);
    }

    /// Everything before the close frame, and the frame itself, is written.
    pub(super) fn close_written(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let Some(closing) = connection.closing.as_mut() else {
            return;
        };
        if closing.peer_done {
            self.finish(slot);
        } else if !std::mem::replace(&mut closing.written, true)
            && matches!(closing.verdict.cause, Cause::Protocol | Cause::Limit)
        {
            // Its stream is perhaps no longer parsed, and its close frame not seen; its FIN will be.
            connection.transport.shutdown_write();
        }
    }

    /// A deadline of this connection has come.
    pub(super) fn deadline(&mut self, slot: usize, now: Instant) {
        let closing = self
            .connections
            .get(slot)
            .and_then(|connection| connection.closing.as_ref());
        if closing.is_some_and(|closing| closing.deadline <= now) {
            self.finish(slot);
        } else {
            self.enqueue(slot);
        }
    }

    /// The end: nothing of the connection is left but its last event.
    pub(super) fn finish(&mut self, slot: usize) {
        self.drop_cursors(slot);
        let Some(mut connection) = self.connections.try_remove(slot) else {
            return;
        };
        let mut drained = 0;
        while drained < DRAINED {
            match connection.transport.read(&mut self.buffer) {
                Ok(count) if count > 0 => drained += count,
                _ => break,
            }
        }
        let verdict = match connection.closing.take() {
            Some(closing) => closing.verdict,
            None => Verdict::lost(),
        };
        self.slots.remove(&connection.id);
        self.count_end(&mut connection, &verdict);
        if connection.out.take_tell() {
            self.batch.push(connection.id, Event::Output);
        }
        self.batch.push(connection.id, Event::Closed(verdict));
        self.shared.directory.end(connection.id);
        self.port
            .connections
            .fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }

    fn count_end(&self, connection: &mut Connection, verdict: &Verdict) {
        let figures = &self.shared.figures;
        figures.count_closed(verdict.code);
        if verdict.cause == Cause::Slow {
            let overrun = *verdict == Verdict::overrun();
            if overrun {
                &figures.overruns
            } else {
                &figures.stalls
            }
            .add(1);
        }
        connection.report(figures);
        connection.figures.story.ended(connection);
    }
}
