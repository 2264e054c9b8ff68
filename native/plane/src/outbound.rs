//! The way out of one connection: what goes before what, at which boundaries, and how long nothing was taken.

use std::io;
use std::time::{Duration, Instant};

use crate::frame::{Opcode, write_control};
use crate::queue::Queue;
use crate::segment::Segment;
use crate::staging::Staging;
use crate::transport::{Transport, Written};
use crate::unfinished::Unfinished;

/// Pongs that wait to be written; of those beyond, only the newest is kept (fl1).
const MAX_PONGS: u32 = 16;

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything was written.
    Done,
    /// The socket takes no more for now.
    Blocked,
    /// This connection had its turn.
    Spent,
}

/// How much was handed to the transport since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Bytes of answers.
    answers: u64,
    /// Messages that were begun and ended later.
    ended: u64,
}

/// The outgoing side of a connection.
#[derive(Debug)]
pub struct Outbound {
    opening: Queue,
    unfinished: Option<Box<Unfinished>>,
    answers: Queue,
    control: Queue,
    pongs: u32,
    newest_pong: usize,
    blocked: bool,
    taken_at: Instant,
    tell: bool,
    handed: Handed,
    /// Bytes written since the beginning.
    pub bytes: u64,
}

impl Outbound {
    /// Nothing to write.
    pub fn new(now: Instant) -> Self {
        Self {
            opening: Queue::default(),
            unfinished: None,
            answers: Queue::default(),
            control: Queue::default(),
            pongs: 0,
            newest_pong: 0,
            blocked: false,
            taken_at: now,
            tell: false,
            handed: Handed::default(),
            bytes: 0,
        }
    }

    /// What comes before the first frame: the answer to the handshake (C14).
    pub fn open_with(&mut self, head: &[u8]) {
        self.opening.bytes.extend_from_slice(head);
    }

    /// The buffer of answers, to append whole frames to.
    pub fn answers(&mut self) -> &mut Vec<u8> {
        &mut self.answers.bytes
    }

    /// Bytes of answers that were not taken yet (S11).
    pub fn unread_answers(&self) -> usize {
        self.answers.rest().len()
    }

    /// What will have been handed over once nothing is left of what waits now, but for control frames.
    pub fn waiting(&self) -> Handed {
        Handed {
            answers: self.handed.answers + self.answers.rest().len() as u64,
            ended: self.handed.ended + u64::from(self.unfinished.is_some()),
        }
    }

    /// Whether what waited then was handed over.
    pub fn has_handed(&self, waited: Handed) -> bool {
        let Handed { answers, ended } = self.handed;
        self.opening.is_empty() && answers >= waited.answers && ended >= waited.ended
    }

    /// A PING of ours.
    pub fn ping(&mut self) {
        write_control(&mut self.control.bytes, Opcode::Ping, b"");
    }

    /// The answer to a PING of the peer's.
    pub fn pong(&mut self, payload: &[u8]) {
        if self.control.is_empty() {
            self.pongs = 0;
        }
        if self.pongs >= MAX_PONGS && self.newest_pong >= self.control.at {
            self.control.bytes.truncate(self.newest_pong);
        } else {
            self.pongs += 1;
        }
        self.newest_pong = self.control.bytes.len();
        write_control(&mut self.control.bytes, Opcode::Pong, payload);
    }

    /// An event may be written at once: the socket takes bytes, and nothing else comes before.
    pub fn is_clear(&self) -> bool {
        !self.blocked && self.is_flushed()
    }

    /// Nothing of what was begun or answered is left.
    pub fn is_flushed(&self) -> bool {
        self.opening.is_empty()
            && self.unfinished.is_none()
            && self.answers.is_empty()
            && self.control.is_empty()
    }

    /// The socket takes no more for now.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The socket takes bytes again; whether it did not before.
    pub fn unblock(&mut self) -> bool {
        std::mem::take(&mut self.blocked)
    }

    /// How long bytes have been waiting while none was taken (S8).
    pub fn stalled_for(&self, now: Instant) -> Duration {
        if self.blocked {
            now.saturating_duration_since(self.taken_at)
        } else {
            Duration::ZERO
        }
    }

    /// Whether the reader of a virtual connection has to be told that there is something to take.
    pub fn take_tell(&mut self) -> bool {
        std::mem::take(&mut self.tell)
    }

    /// Write what comes before any further event: the message begun, control frames, answers.
    pub fn settle(
        &mut self,
        transport: &mut Transport,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<Progress> {
        while !self.is_flushed() {
            if self.blocked {
                return Ok(Progress::Blocked);
            }
            if *budget == 0 {
                return Ok(Progress::Spent);
            }
            let (source, bytes) = self.next();
            let bytes = bytes.get(..*budget).unwrap_or(bytes);
            let asked = bytes.len();
            let written = accepted(transport.write(bytes))?;
            self.account(written, asked, now);
            *budget -= written.taken;
            self.advance(source, written.taken);
        }
        Ok(Progress::Done)
    }

    /// What is written next: control frames pass at every frame boundary, answers between messages; what was begun of
    /// either is ended first.
    fn next(&self) -> (Source, &[u8]) {
        if !self.opening.is_empty() {
            return (Source::Opening, self.opening.rest());
        }
        if self.control.at > 0 {
            return (Source::Control, self.control.rest());
        }
        match &self.unfinished {
            Some(message) if self.control.is_empty() => (Source::Unfinished, message.rest()),
            Some(message) => match message.rest_of_frame() {
                [] => (Source::Control, self.control.rest()),
                frame => (Source::Unfinished, frame),
            },
            None if self.control.is_empty() || self.answers.at > 0 => {
                (Source::Answers, self.answers.rest())
            }
            None => (Source::Control, self.control.rest()),
        }
    }

    fn advance(&mut self, source: Source, taken: usize) {
        match source {
            Source::Opening => self.opening.advance(taken),
            Source::Control => self.control.advance(taken),
            Source::Answers => {
                self.handed.answers += taken as u64;
                self.answers.advance(taken);
            }
            Source::Unfinished => {
                if self
                    .unfinished
                    .as_mut()
                    .is_some_and(|message| message.advance(taken))
                {
                    self.unfinished = None;
                    self.handed.ended += 1;
                }
            }
        }
    }

    /// Write messages of a view from `position` on; only while [`Self::is_clear`]. The result is where the next message
    /// begins, which may be behind what was written: the rest of a message begun is kept here.
    pub fn follow(
        &mut self,
        transport: &mut Transport,
        segment: &Segment,
        position: u64,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<u64> {
        let bytes = segment.within(position, *budget);
        let written = accepted(transport.write(bytes))?;
        *budget = budget.saturating_sub(written.taken);
        Ok(self.followed(segment, position, bytes.len(), written, now))
    }

    /// What a send of [`Segment::within`] came to that was made elsewhere: as [`Self::follow`].
    pub fn sent(
        &mut self,
        segment: &Segment,
        position: u64,
        asked: usize,
        taken: io::Result<usize>,
        now: Instant,
    ) -> io::Result<u64> {
        let tell = false;
        let written = accepted(taken.map(|taken| Written { taken, tell }))?;
        Ok(self.followed(segment, position, asked, written, now))
    }

    fn followed(
        &mut self,
        segment: &Segment,
        position: u64,
        asked: usize,
        written: Written,
        now: Instant,
    ) -> u64 {
        self.account(written, asked, now);
        let reached = position + written.taken as u64;
        if written.taken == asked {
            return reached;
        }
        if written.taken == 0 {
            return position;
        }
        let (next, unfinished) = segment.cut(reached);
        self.unfinished = unfinished.map(Box::new);
        next
    }

    /// Write staged messages; only while [`Self::is_clear`]. The result is how many messages that settles.
    pub fn replay(
        &mut self,
        transport: &mut Transport,
        staging: &mut Staging,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<usize> {
        let bytes = staging.rest(*budget);
        let asked = bytes.len();
        let written = accepted(transport.write(bytes))?;
        self.account(written, asked, now);
        *budget = budget.saturating_sub(written.taken);
        if written.taken == 0 {
            return Ok(0);
        }
        let (messages, unfinished) = staging.advance(written.taken);
        self.unfinished = unfinished.map(Box::new);
        Ok(messages)
    }

    fn account(&mut self, written: Written, asked: usize, now: Instant) {
        if written.taken > 0 || !self.blocked {
            self.taken_at = now;
        }
        self.blocked = written.taken < asked;
        self.tell |= written.tell;
        self.bytes += written.taken as u64;
    }

    /// Give back what an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.is_flushed() {
            (self.opening, self.answers, self.control) = Default::default();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Opening,
    Unfinished,
    Control,
    Answers,
}

/// A socket that would block took nothing.
fn accepted(result: io::Result<Written>) -> io::Result<Written> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written {
            taken: 0,
            tell: false,
        }),
        other => other,
    }
}
