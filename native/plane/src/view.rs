//! What all subscribers of a channel with the same filter and form are sent: one stream of wire bytes, composed once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::filter::Sieve;
use crate::form::{Form, Writer};
use crate::segment::{SEGMENT, Segment};

/// A cursor that is caught up as far as its socket takes the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// Slot of the connection.
    pub slot: usize,
    /// Written up to here; always between two messages.
    pub position: u64,
}

/// How far a log was read for all views with filters, as of a turn of it.
#[derive(Debug)]
pub struct Passed {
    turn: AtomicU64,
    head: AtomicU64,
}

impl Passed {
    /// Read up to here.
    pub fn new(turn: u64, head: u64) -> Self {
        Self {
            turn: AtomicU64::new(turn),
            head: AtomicU64::new(head),
        }
    }

    /// The turn as of which it was read.
    pub fn turn(&self) -> u64 {
        self.turn.load(Relaxed)
    }

    /// The last entry that was read.
    pub fn head(&self) -> u64 {
        self.head.load(Relaxed)
    }

    /// Read up to there. Only the thread that has the views does so.
    pub fn set(&self, turn: u64, head: u64) {
        self.turn.store(turn, Relaxed);
        self.head.store(head, Relaxed);
    }
}

/// The stream of one (channel, filter) in one form on one I/O thread.
#[derive(Debug)]
pub struct View {
    /// Where its entries come from.
    pub channel: Arc<Channel>,
    /// How they are written.
    pub form: Form,
    /// Which of them there are in it; none: all.
    pub sieve: Option<Arc<Sieve>>,
    /// The cursors that are sent from the segments; dense, so that one pass is a loop over an array.
    pub followers: Vec<Follower>,
    /// Connections with a cursor that waits for something new by another way than following.
    pub waiting: Vec<usize>,
    /// How many of these have gone since without being told of anything, at most.
    pub left_waiting: usize,
    /// Cursors in all.
    pub cursors: usize,
    /// When the oldest entry that was not yet written was appended.
    pub appended_at: Option<Instant>,
    /// The turn of the log as of which it reads it.
    pub turn: u64,
    /// How far the log was read for all views with filters.
    passed: Option<Arc<Passed>>,
    /// Up to here all who follow to the end were told where they stand, by an event or otherwise (P9).
    pub told: u64,
    /// Something was written, or begun anew, that those who wait do not know of.
    pub has_news: bool,
    /// The head when those who wait were woken last.
    pub woken: u64,
    head: u64,
    /// The newest entry that was written.
    last: u64,
    floor: u64,
    segments: VecDeque<Segment>,
    bytes: usize,
}

impl View {
    /// A view that begins where the log stands.
    pub fn new(
        channel: Arc<Channel>,
        form: Form,
        through: Option<(Arc<Sieve>, Arc<Passed>)>,
    ) -> Self {
        let (sieve, passed) = through.unzip();
        let (turn, head) = {
            let log = channel.log();
            (log.turn(), log.head())
        };
        Self {
            channel,
            form,
            sieve,
            followers: Vec::new(),
            waiting: Vec::new(),
            left_waiting: 0,
            cursors: 0,
            appended_at: None,
            turn,
            passed,
            told: head,
            has_news: false,
            woken: head,
            head,
            last: 0,
            floor: head,
            segments: VecDeque::from([Segment::new(0)]),
            bytes: 0,
        }
    }

    /// Offset of the newest entry that was written or passed over.
    pub fn head(&self) -> u64 {
        let passed = self.passed.as_ref();
        let passed = passed.filter(|passed| passed.turn() == self.turn);
        passed.map_or(self.head, |passed| passed.head().max(self.head))
    }

    /// The same, apart from what was passed over since.
    pub fn read(&self) -> u64 {
        self.head
    }

    /// Where the stream ends.
    pub fn end(&self) -> u64 {
        self.segments.back().map_or(0, Segment::end)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Write an entry, the next one after the head, by a writer of this form.
    pub fn push(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        let message = entry.message(self.form);
        let packed = writer.pack(&message);
        let end = self.end();
        let full = |segment: &Segment| {
            !segment.is_empty() && segment.len().saturating_add(packed.len()) > SEGMENT
        };
        let write =
            |segment: &mut Segment| segment.push(entry.offset(), |out| packed.write_to(out));
        let written = match self.segments.back_mut() {
            Some(segment) if !full(segment) => write(segment),
            _ => false,
        };
        if !written {
            let mut segment = Segment::new(end);
            write(&mut segment);
            self.segments.push_back(segment);
        }
        self.head = entry.offset();
        (self.last, self.told, self.has_news) = (self.head, self.head, true);
        self.bytes += usize::try_from(self.end() - end).unwrap_or(0);
    }

    /// The segment in which `position` is followed by something.
    pub fn segment_at(&self, position: u64) -> Option<&Segment> {
        let newest = self.segments.back()?;
        if position >= newest.base() {
            return (position < newest.end()).then_some(newest);
        }
        let at = self
            .segments
            .partition_point(|segment| segment.end() <= position);
        self.segments
            .get(at)
            .filter(|segment| segment.base() <= position)
    }

    /// The position of a cursor that has settled `offset`, if the stream still reaches back, and already on, that far.
    pub fn position_after(&self, offset: u64) -> Option<u64> {
        let head = self.head();
        if offset == head {
            return Some(self.end());
        }
        if offset < self.floor || offset > head {
            return None;
        }
        let last_offset = |segment: &Segment| segment.marks().last().map_or(0, |mark| mark.offset);
        let at = self
            .segments
            .partition_point(|segment| last_offset(segment) <= offset);
        let found = self.segments.get(at);
        // What comes after it was passed over.
        Some(found.map_or_else(|| self.end(), |segment| segment.position_after(offset)))
    }

    /// The last entry that a cursor at `position` has got.
    pub fn sent_at(&self, position: u64) -> u64 {
        if position >= self.end() {
            return self.last;
        }
        self.offset_at(position)
    }

    /// What a cursor at `position` has settled, at least.
    pub fn offset_at(&self, position: u64) -> u64 {
        if position >= self.end() {
            return self.head();
        }
        let begun = self
            .segments
            .partition_point(|segment| segment.base() < position);
        let settled = self
            .segments
            .range(..begun)
            .rev()
            .find_map(|segment| segment.offset_at(position));
        settled.unwrap_or(self.floor)
    }

    /// Let go what no cursor before `position` is left to read.
    pub fn release(&mut self, position: u64) {
        while self.segments.len() > 1
            && self
                .segments
                .front()
                .is_some_and(|oldest| oldest.end() <= position)
        {
            self.drop_oldest();
        }
        let end = self.end();
        if position >= end && self.bytes > 0 {
            if let Some(newest) = self.segments.back_mut() {
                newest.restart(end);
            }
            self.bytes = 0;
            self.floor = self.head();
        }
    }

    /// Where the stream would have to begin to hold at most `limit` bytes, or as few as it can; `None` if it does already.
    pub fn excess(&self, limit: usize) -> Option<u64> {
        let mut bytes = self.bytes;
        let mut start = None;
        let (older, newest) = self.segments.as_slices();
        for segment in older.iter().chain(newest).take(self.segments.len() - 1) {
            if bytes <= limit {
                break;
            }
            bytes -= segment.len();
            start = Some(segment.end());
        }
        start
    }

    /// Let go everything, and go on after the entry `head`.
    pub fn restart(&mut self, head: u64) {
        let end = self.end();
        self.segments = VecDeque::from([Segment::new(end)]);
        (self.head, self.floor, self.bytes) = (head, head, 0);
        (self.last, self.told, self.has_news) = (0, head, true);
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.bytes -= oldest.len();
            self.floor = oldest.marks().last().map_or(self.floor, |mark| mark.offset);
        }
    }

    /// Give back what an idle view does not need.
    pub fn shrink(&mut self) {
        if self.bytes == 0 {
            self.segments.iter_mut().for_each(Segment::shrink);
            self.segments.shrink_to_fit();
            self.waiting.shrink_to_fit();
        }
    }
}
