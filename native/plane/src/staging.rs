//! Messages composed for one cursor alone: a replay, a round, a gap.

use crate::entry::Entry;
use crate::form::Writer;
use crate::gap::Gap;
use crate::segment::{SEGMENT, Segment};
use crate::unfinished::Unfinished;

/// Bytes that a chunk may keep whatever the last one took.
const SPARE: usize = 4 << 10;

/// A chunk of messages on its way to one connection, and what the cursor has settled.
#[derive(Debug)]
pub struct Staging {
    before: u64,
    chunk: Segment,
    at: u64,
    gap: Option<Gap>,
}

impl Staging {
    /// Nothing; the cursor has settled `offset`.
    pub fn new(offset: u64) -> Self {
        Self {
            before: offset,
            chunk: Segment::new(0),
            at: 0,
            gap: None,
        }
    }

    /// What has been sent, as an offset.
    pub fn settled(&self) -> u64 {
        self.chunk.offset_at(self.at).unwrap_or(self.before)
    }

    /// All of the chunk was sent.
    pub fn is_drained(&self) -> bool {
        self.at == self.chunk.end()
    }

    /// Messages of the chunk.
    pub fn messages(&self) -> usize {
        self.chunk.marks().len()
    }

    /// No further message should be added before some were sent.
    pub fn is_full(&self) -> bool {
        self.chunk.len() >= SEGMENT
    }

    /// Begin another chunk behind the one that was sent.
    pub fn restart(&mut self) {
        self.before = self.settled();
        if self.chunk.capacity() > SPARE.max(4 * self.chunk.len()) {
            // A replay is over: what comes now needs less.
            self.chunk = Segment::new(0);
        } else {
            self.chunk.restart(0);
        }
        self.at = 0;
        self.gap = None;
    }

    /// Everything was sent: give back the memory of it. A gap that was the last stays known.
    pub fn shrink(&mut self) {
        if self.is_drained() && self.gap.is_none() && self.chunk.capacity() > 0 {
            *self = Self::new(self.settled());
        }
    }

    /// Nothing up to `offset` is owed any more.
    pub fn settle(&mut self, offset: u64) {
        *self = Self::new(offset);
    }

    /// Add a message that settles `offset`, which is what `write` appends.
    fn push(&mut self, offset: u64, mut write: impl FnMut(&mut Vec<u8>)) {
        if !self.chunk.push(offset, &mut write) {
            // Only a chunk that was sent is added to, and what is unfinished of it lives on by itself.
            self.chunk = Segment::new(0);
            self.at = 0;
            self.chunk.push(offset, write);
        }
    }

    /// Add a gap.
    pub fn push_gap(&mut self, gap: &Gap, message: &[u8], writer: &mut Writer<'_>) {
        self.push(gap.to, |out| writer.write(out, message));
        self.gap = Some(gap.clone());
    }

    /// A gap that stands in the chunk and was not sent yet.
    pub fn owed_gap(&self) -> Option<&Gap> {
        self.gap.as_ref().filter(|_| !self.is_drained())
    }

    /// The chunk is a gap, and nothing else.
    pub fn is_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// How much of the chunk was sent.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// What was settled by the messages sent since [`Self::at`] was `at`.
    pub fn sent_since(&self, at: u64) -> impl Iterator<Item = u64> {
        self.chunk.offsets_between(at, self.at)
    }

    /// Add an entry.
    pub fn push_entry(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        self.push(entry.offset(), |out| writer.write_entry(out, entry));
    }

    /// What to send next.
    pub fn rest(&self, budget: usize) -> &[u8] {
        self.chunk.within(self.at, budget)
    }

    /// `taken` bytes of [`Self::rest`] were taken: how many messages that settles, and the one that is unfinished.
    pub fn advance(&mut self, taken: usize) -> (usize, Option<Unfinished>) {
        let (next, unfinished) = self.chunk.cut(self.at + taken as u64);
        let messages = self.chunk.messages_between(self.at, next);
        self.at = next;
        (messages, unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Opcode, write_message};

    fn send(staging: &mut Staging, offset: u64, size: usize) {
        staging.restart();
        let payload = vec![b'1'; size];
        staging.push(offset, |out| write_message(out, Opcode::Text, &payload));
        let len = staging.rest(usize::MAX).len();
        staging.advance(len);
    }

    /// S10: a cursor that is sent everything from here does not keep the memory of its replay.
    #[test]
    fn the_memory_of_a_replay_is_given_back() {
        let mut staging = Staging::new(0);
        send(&mut staging, 1, SEGMENT);
        assert!(staging.chunk.capacity() >= SEGMENT);
        send(&mut staging, 2, 100);
        send(&mut staging, 3, 100);
        assert!(
            staging.chunk.capacity() <= SPARE,
            "{}",
            staging.chunk.capacity()
        );
        staging.shrink();
        assert_eq!(
            (0, 3, true),
            (
                staging.chunk.capacity(),
                staging.settled(),
                staging.is_drained()
            )
        );
    }
}
