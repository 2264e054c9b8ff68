//! Events on their way to Python, many at a time.

use std::ops::Range;

use crate::closing::Verdict;
use crate::epoch::{Epoch, Position};
use crate::inbound::{Gathering, Item, Run};
use crate::json::JsonFault;
use crate::logs::LogId;

/// Something that happened to a connection.
#[derive(Debug)]
pub enum Event {
    /// A JSON message that passed the scan.
    Text(Range<usize>),
    /// A binary message.
    Binary(Range<usize>),
    /// Publishes of one run, by their numbers.
    Publishes(Range<usize>),
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
    publishes: Gathering,
    /// Publishes beyond the first of each run.
    further: usize,
}

impl Batch {
    /// Add an event without bytes.
    pub fn push(&mut self, conn: u64, event: Event) {
        self.events.push((conn, event));
    }

    /// Add a binary message.
    pub fn push_binary(&mut self, conn: u64, payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        let range = start..self.bytes.len();
        self.events.push((conn, Event::Binary(range)));
    }

    /// Add a JSON message, if it is one (M10-M13): behind the publishes that came before it, or as it is.
    pub fn push_text(&mut self, conn: u64, text: &[u8]) -> Result<(), JsonFault> {
        let start = self.bytes.len();
        let Some(publish) = self.publishes.read(text, &mut self.bytes)? else {
            let range = start..self.bytes.len();
            self.events.push((conn, Event::Text(range)));
            return Ok(());
        };
        let item = Item {
            start,
            text: text.len(),
            len: self.bytes.len() - start,
            publish,
        };
        if let Some((_, Event::Publishes(run))) =
            self.events.last_mut().filter(|(before, _)| *before == conn)
            && let Some(longer) = self.publishes.extend(run, &item, &self.bytes)
        {
            *run = longer;
            self.further += 1;
            self.publishes.push(item);
            return Ok(());
        }
        let number = self.publishes.push(item);
        self.events
            .push((conn, Event::Publishes(number..number + 1)));
        Ok(())
    }

    /// Publishes that came one after the other.
    pub fn run(&self, range: Range<usize>) -> Run<'_> {
        self.publishes.run(range, &self.bytes)
    }

    /// Messages and other events left in it, each publish by itself.
    pub fn weight(&self) -> usize {
        self.len() + self.further
    }

    /// The same of some of its events.
    pub fn weight_of(&self, range: Range<usize>) -> usize {
        let weight = |(_, event): &(u64, Event)| match event {
            Event::Publishes(run) => run.len(),
            _ => 1,
        };
        self.events(range).iter().map(weight).sum()
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
        let rooms = [self.events.capacity(), self.publishes.capacity()];
        if self.bytes.capacity() > REUSED || rooms.into_iter().any(|room| room > REUSED / 16) {
            return None;
        }
        self.events.clear();
        self.bytes.clear();
        self.publishes.clear();
        (self.taken, self.further) = (0, 0);
        Some(self)
    }
}

/// Capacity up to which a batch is used again.
const REUSED: usize = 1 << 20;
