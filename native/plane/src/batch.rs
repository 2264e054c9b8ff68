//! Events on their way to Python, many at a time.

use std::ops::Range;

use crate::closing::Verdict;
use crate::epoch::{Epoch, Position};
use crate::logs::LogId;

/// Something that happened to a connection.
#[derive(Debug)]
pub enum Event {
    /// A JSON message that passed the scan.
    Text(Range<usize>),
    /// A binary message.
    Binary(Range<usize>),
    /// A message that is no message: slug and text for people.
    Unreadable(&'static str, String),
    /// The last event of a connection.
    Closed(Verdict),
    /// A virtual connection has output to take.
    Output,
    /// A virtual connection can be fed again.
    Feed,
    /// Where the subscriptions of a connection stand: the log, and the position.
    Positions(Vec<(u64, Position)>),
    /// An I/O thread is lost.
    Fatal(String),
    /// Entries of a durable log are written, and visible.
    Stored {
        /// The log.
        log: LogId,
        /// Its history.
        epoch: Epoch,
        /// Everything up to this offset.
        offset: u64,
    },
    /// Entries of a durable log that had their places are not written, and gone.
    StoreFailed {
        /// The log.
        log: LogId,
        /// Their history.
        epoch: Epoch,
        /// Everything from this offset on that had been appended before.
        first: u64,
        /// Why.
        text: String,
        /// They may be there after a restart.
        is_uncertain: bool,
    },
    /// What a durable log keeps on disk cannot be brought to its bounds, or only with a loss, and why.
    RetainFailed {
        /// The log.
        log: LogId,
        /// What happened.
        text: String,
    },
}

/// Events in order, with the bytes of their messages one behind the other.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<(u64, Event)>,
    bytes: Vec<u8>,
    taken: usize,
}

impl Batch {
    /// Add an event without bytes.
    pub fn push(&mut self, conn: u64, event: Event) {
        self.events.push((conn, event));
    }

    /// Add a message.
    pub fn push_message(&mut self, conn: u64, binary: bool, payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        let range = start..self.bytes.len();
        self.events.push((
            conn,
            if binary {
                Event::Binary(range)
            } else {
                Event::Text(range)
            },
        ));
    }

    /// No event is left in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events left in it.
    pub fn len(&self) -> usize {
        self.events.len() - self.taken
    }

    /// Bytes of messages in it.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a message.
    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The events left, at most `max`; they count as taken.
    pub fn take(&mut self, max: usize) -> Range<usize> {
        let start = self.taken;
        self.taken = self.events.len().min(start.saturating_add(max));
        start..self.taken
    }

    /// Events by their numbers.
    pub fn events(&self, range: Range<usize>) -> &[(u64, Event)] {
        self.events.get(range).unwrap_or_default()
    }

    /// The same memory for other events, unless it is large.
    pub fn reuse(mut self) -> Option<Self> {
        if self.bytes.capacity() > REUSED || self.events.capacity() > REUSED / 16 {
            return None;
        }
        self.events.clear();
        self.bytes.clear();
        self.taken = 0;
        Some(self)
    }
}

/// Capacity up to which a batch is used again.
const REUSED: usize = 1 << 20;
