//! Turns of reading from pipes: messages that an ASGI server has taken out of their frames.

use std::time::Instant;

use crate::batch::Event;
use crate::closing::{Cause, Verdict};
use crate::connection::SKIP_FACTOR;
use crate::frame::{Fault, Incoming};
use crate::pipe::Fed;
use crate::shard::Shard;
use crate::shard::reading::{Outcome, Sinks, faulty, receive};
use crate::transport::Transport;

impl Shard {
    /// One message; its size.
    pub(super) fn read_pipe(&mut self, slot: usize, now: Instant) -> usize {
        let Some(connection) = self.connections.get_mut(slot) else {
            return 0;
        };
        let Transport::Virtual(pipe) = &connection.transport else {
            return 0;
        };
        let Some((fed, relieved)) = pipe.read() else {
            connection.readable = false;
            return 0;
        };
        if relieved {
            self.batch.push(connection.id, Event::Feed);
        }
        let (size, outcome) = self.take_fed(slot, &fed, now);
        self.outcome(slot, outcome, now);
        size
    }

    fn take_fed(&mut self, slot: usize, fed: &Fed, now: Instant) -> (usize, Outcome) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return (0, Outcome::GoesOn);
        };
        let (bytes, text) = match fed {
            Fed::Text(bytes) => (bytes, true),
            Fed::Binary(bytes) => (bytes, false),
            Fed::Close(1006, _) => return (0, Outcome::Ends(Verdict::lost())),
            Fed::Close(code, reason) => {
                return (0, Outcome::Ends(Verdict::new(*code, reason, Cause::Peer)));
            }
        };
        connection
            .peer
            .bytes_received(bytes.len(), &self.shared.settings, now);
        let incoming = match whole(bytes, text, connection.max_message) {
            Ok(incoming) => incoming,
            Err(fault) => {
                return (
                    bytes.len(),
                    Outcome::Ends(faulty(fault, connection.max_message)),
                );
            }
        };
        let mut to = Sinks {
            batch: &mut self.batch,
            direct: &mut self.direct,
            port: &self.port,
            shared: &self.shared,
            now,
        };
        let outcome = receive(connection, &mut to, &incoming);
        self.publish(slot, now);
        (bytes.len(), outcome)
    }
}

/// A message that came without frames, held to the same rules.
fn whole(bytes: &[u8], text: bool, max_message: u64) -> Result<Incoming<'_>, Fault> {
    let size = bytes.len() as u64;
    if size > max_message.saturating_mul(SKIP_FACTOR) {
        return Err(Fault::TooLarge);
    }
    if size > max_message {
        return Ok(Incoming::TooLarge { size });
    }
    if !text {
        return Ok(Incoming::Binary(bytes));
    }
    match simdutf8::basic::from_utf8(bytes) {
        Ok(_) => Ok(Incoming::Text(bytes)),
        Err(_) => Err(Fault::Utf8),
    }
}
