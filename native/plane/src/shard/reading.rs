//! Turns of reading: from sockets and pipes to events, as fast as limits and Python allow.

use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::batch::Batch;
use crate::closing::{Cause, Verdict};
use crate::command::Port;
use crate::connection::{Connection, KeptWaiting, SKIP_FACTOR};
use crate::deflate::{Inflated, Inflater};
use crate::frame::{Fault, FrameReader, Incoming, ReaderLimits};
use crate::inbound::Direct;
use crate::outbound::Progress;
use crate::peer::Reception;
use crate::shard::{Shard, Shared};
use crate::transport::Transport;

/// What a connection made of its input.
#[derive(Debug)]
pub(super) enum Outcome {
    GoesOn,
    /// What is left of it is parsed later: the inbox is full, or it has become too many bytes (L19).
    Waits,
    Ends(Verdict),
}

impl Shard {
    pub(super) fn read_turn(&mut self, slot: usize, now: Instant) -> Progress {
        let mut budget = self.settings().turn_read;
        loop {
            let Some(connection) = self
                .connections
                .get(slot)
                .filter(|connection| connection.readable)
            else {
                return Progress::Done;
            };
            let is_virtual = matches!(connection.transport, Transport::Virtual(_));
            if !self.may_read(slot, now) {
                return Progress::Blocked;
            }
            if budget == 0 {
                return Progress::Spent;
            }
            let read = if is_virtual {
                self.read_pipe(slot, now)
            } else {
                self.read_socket(slot, budget, now)
            };
            budget = budget.saturating_sub(read.max(1));
        }
    }

    /// Whether it may be read; if not, who wakes it is arranged.
    fn may_read(&mut self, slot: usize, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(slot) else {
            return false;
        };
        let reason = reason_to_wait(connection, &self.shared, &self.batch, now);
        let before = std::mem::replace(&mut connection.kept_waiting, reason);
        match reason {
            KeptWaiting::No => {
                if before != KeptWaiting::No {
                    connection.peer.forgive(now);
                }
                return true;
            }
            _ if before == reason => {}
            KeptWaiting::ForPython => {
                self.starved.push(slot);
                self.shared.figures.inbox_full.add(1);
            }
            KeptWaiting::Until(then) => self.timers.set(then, slot, connection.id),
            // Its reading makes the socket writable.
            KeptWaiting::ForItself => {}
        }
        false
    }

    fn read_socket(&mut self, slot: usize, budget: usize, now: Instant) -> usize {
        let mut buffer = std::mem::take(&mut self.buffer);
        let size = self.read_into(&mut buffer, slot, budget, now);
        self.buffer = buffer;
        size
    }

    fn read_into(&mut self, buffer: &mut [u8], slot: usize, budget: usize, now: Instant) -> usize {
        let Some(connection) = self.connections.get_mut(slot) else {
            return 0;
        };
        if !connection.rest.is_empty() {
            let mut rest = std::mem::take(&mut connection.rest);
            self.parse(slot, &mut rest, now);
            return rest.len();
        }
        let asked = budget.min(buffer.len());
        let room = buffer.get_mut(..asked).unwrap_or_default();
        match connection.transport.read(room) {
            Ok(0) => {
                connection.readable = false;
                self.stream_ended(slot);
                0
            }
            Ok(count) => {
                // Less than was asked for: nothing is left, unless the stream ends behind it.
                connection.readable = count == asked || connection.hung_up;
                connection
                    .peer
                    .bytes_received(count, &self.shared.settings, now);
                self.parse(slot, room.get_mut(..count).unwrap_or_default(), now);
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.readable = false;
                0
            }
            Err(_) => {
                self.lose(slot);
                0
            }
        }
    }

    /// Frames to events. What was not parsed because it has to wait is kept, and parsed before anything else is read.
    pub(super) fn parse(&mut self, slot: usize, input: &mut [u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let mut outcome = Outcome::GoesOn;
        let mut reader = std::mem::replace(&mut connection.reader, placeholder());
        let mut to = Sinks {
            batch: &mut self.batch,
            direct: &mut self.direct,
            port: &self.port,
            shared: &self.shared,
            now,
        };
        let inflater = &mut self.inflater;
        let parsed = reader.read(input, &mut |incoming| {
            outcome = match incoming {
                Incoming::Compressed { is_text, payload } => {
                    let message = (is_text, payload);
                    inflate(connection, &mut to, inflater, message)
                }
                whole => receive(connection, &mut to, &whole),
            };
            match outcome {
                Outcome::GoesOn => ControlFlow::Continue(()),
                Outcome::Waits | Outcome::Ends(_) => ControlFlow::Break(()),
            }
        });
        connection.peer.parsed(&reader, now);
        connection.reader = reader;
        match parsed {
            Ok(count) => {
                if let (Outcome::Waits, Some(rest)) = (&outcome, input.get(count..)) {
                    connection.rest = rest.to_vec();
                    connection.readable = true;
                }
            }
            Err(fault) => outcome = Outcome::Ends(faulty(fault, connection.max_message)),
        }
        self.publish(slot, now);
        self.outcome(slot, outcome, now);
    }

    pub(super) fn outcome(&mut self, slot: usize, outcome: Outcome, now: Instant) {
        if let Some(after) = self
            .connections
            .get_mut(slot)
            .and_then(|connection| connection.peer.take_pong_after())
        {
            self.shared.figures.heartbeat.observe(after);
            if let Some(connection) = self.connections.get(slot) {
                connection.figures.story.pong(now, after);
            }
        }
        match outcome {
            Outcome::GoesOn | Outcome::Waits => {}
            Outcome::Ends(verdict) if verdict.cause == Cause::Peer => {
                self.peer_closed(slot, verdict, now);
            }
            Outcome::Ends(verdict) if verdict.cause == Cause::Lost => self.stream_ended(slot),
            Outcome::Ends(verdict) => self.begin_close(slot, verdict, now),
        }
    }

    /// Python has drained: those who were kept waiting go on.
    pub(super) fn inbox_has_room(&mut self) {
        for slot in std::mem::take(&mut self.starved) {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.kept_waiting = KeptWaiting::ForItself;
            }
            self.enqueue(slot);
        }
    }

    /// Before the thread sleeps: whoever waits for Python must be woken by it, or by us if it has drained meanwhile.
    pub fn starve(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        self.port.starve();
        if self.shared.inbox.has_room(&self.batch) {
            self.inbox_has_room();
        }
    }
}

/// Nothing is read while bytes were too many (L19), while answers are not taken (S11), while Python is waited for, and while it
/// does not drain. Of a connection that is about to end only the first holds: who floods is not read faster for having been closed.
fn reason_to_wait(
    connection: &Connection,
    shared: &Shared,
    batch: &Batch,
    now: Instant,
) -> KeptWaiting {
    if let Some(until) = connection.peer.paused_until(now) {
        return KeptWaiting::Until(until);
    }
    if connection.closing.is_some() {
        return KeptWaiting::No;
    }
    if connection.out.unread_answers() > shared.settings.answer_buffer {
        return KeptWaiting::ForItself;
    }
    let grants = connection.grants.as_deref();
    if let Some(until) = grants.and_then(|grants| grants.paused_until(now)) {
        return KeptWaiting::Until(until);
    }
    if shared.inbox.has_room(batch) {
        KeptWaiting::No
    } else {
        KeptWaiting::ForPython
    }
}

/// What stands in for the reader of a connection while it reads.
fn placeholder() -> FrameReader {
    FrameReader::new(ReaderLimits {
        max_message: 0,
        skip_factor: 0,
        max_empty_fragments: 0,
        deflate: false,
    })
}

/// Where what came goes.
pub(super) struct Sinks<'a> {
    /// To Python.
    pub batch: &'a mut Batch,
    /// To the logs.
    pub direct: &'a mut Direct,
    /// Whether Python is about to take grants back.
    pub port: &'a Port,
    /// Limits and figures.
    pub shared: &'a Shared,
    /// Now.
    pub now: Instant,
}

/// Judge what came.
pub(super) fn receive(
    connection: &mut Connection,
    to: &mut Sinks<'_>,
    incoming: &Incoming<'_>,
) -> Outcome {
    let shared = to.shared;
    let mut reception = Reception {
        id: connection.id,
        service: connection.service,
        settings: &shared.settings,
        out: &mut connection.out,
        batch: to.batch,
        direct: connection
            .grants
            .as_deref_mut()
            .filter(|_| to.port.may_grant())
            .map(|grants| (&mut *to.direct, grants)),
        clock: shared.clock,
        inbox: &shared.inbox,
        closing: connection.closing.is_some(),
        max_message: connection.max_message,
        now: to.now,
    };
    match connection.peer.receive(incoming, &mut reception) {
        ControlFlow::Continue(()) => Outcome::GoesOn,
        ControlFlow::Break(None) => Outcome::Waits,
        ControlFlow::Break(Some(verdict)) => Outcome::Ends(verdict),
    }
}

/// Decompress a message, as far as its limit allows, and judge it.
fn inflate(
    connection: &mut Connection,
    to: &mut Sinks<'_>,
    inflater: &mut Inflater,
    (is_text, payload): (bool, &[u8]),
) -> Outcome {
    if connection.closing.is_some() {
        // Discarded (section 14).
        return Outcome::GoesOn;
    }
    let (shared, now) = (to.shared, to.now);
    let (figures, limit) = (&shared.figures, connection.max_message);
    let corrupt = |fault| Outcome::Ends(faulty(fault, limit));
    let incoming = match inflater.inflate(payload, limit) {
        Inflated::Whole(text) if is_text && simdutf8::basic::from_utf8(text).is_err() => {
            return corrupt(Fault::Utf8);
        }
        Inflated::Whole(message) => {
            figures.inflated.add(1);
            figures.inflate_bytes_in.add(payload.len() as u64);
            figures.inflate_bytes_out.add(message.len() as u64);
            connection
                .peer
                .inflated(payload.len(), message.len(), &shared.settings, now);
            if is_text {
                Incoming::Text(message)
            } else {
                Incoming::Binary(message)
            }
        }
        Inflated::TooLarge => {
            figures.bombs.add(1);
            let inflated = usize::try_from(limit).unwrap_or(usize::MAX);
            connection
                .peer
                .inflated(payload.len(), inflated, &shared.settings, now);
            Incoming::TooLarge {
                size: limit.saturating_add(1),
            }
        }
        Inflated::Corrupt => return corrupt(Fault::Deflate),
    };
    match receive(connection, to, &incoming) {
        Outcome::GoesOn if connection.peer.paused_until(now).is_some() => Outcome::Waits,
        outcome => outcome,
    }
}

/// What ends a connection whose input cannot be read any further, and that took messages of `max_message`.
pub(super) fn faulty(fault: Fault, max_message: u64) -> Verdict {
    let cause = match fault {
        Fault::Protocol(_) | Fault::Utf8 | Fault::Deflate => Cause::Protocol,
        Fault::TooLarge | Fault::EmptyFragments => Cause::Limit,
    };
    let reason = match fault {
        Fault::TooLarge => format!(
            "{}; at most {} bytes are skipped",
            fault.reason(),
            max_message.saturating_mul(SKIP_FACTOR)
        ),
        other => other.reason().to_owned(),
    };
    Verdict::new(fault.close_code(), &reason, cause)
}
