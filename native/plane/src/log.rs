//! The recent past of a channel: entries with consecutive offsets in a ring, bounded by count, bytes and age (S12).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::{Entry, NewEntry, message_head};
use crate::epoch::Epoch;
use crate::newest::Newest;

/// What a log keeps, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Age of the oldest entry, by the wall clock of its append.
    pub seconds: f64,
    /// Bytes of all entries.
    pub max_bytes: usize,
    /// Number of entries.
    pub max_entries: usize,
    /// Keep the newest entry of each key, of at most so many keys, beyond all of these.
    pub last_per_key: Option<usize>,
}

/// One channel's log; no locks, no clock of its own.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    head_of_messages: Vec<u8>,
    leaves: Option<&'static str>,
    retention: Retention,
    ring: VecDeque<Slot>,
    head: u64,
    bytes: usize,
    newest: Option<Newest>,
    latest_ts: f64,
    lost_ts: f64,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    /// The largest `ts` up to this entry: it only rises, whatever the wall clock does (M45), so that it can be searched.
    latest_ts: f64,
}

/// S6 asks it of `connections`; presence companions (C25) have the same events.
fn leaving_event(channel: &str) -> Option<&'static str> {
    (channel == "connections" || channel.ends_with("/presence")).then_some("leave")
}

impl Log {
    /// An empty log.
    pub fn new(channel: &str, epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            head_of_messages: message_head(channel),
            leaves: leaving_event(channel),
            retention,
            ring: VecDeque::new(),
            head: 0,
            bytes: 0,
            newest: retention.last_per_key.map(Newest::new),
            latest_ts: f64::NEG_INFINITY,
            lost_ts: f64::NEG_INFINITY,
        }
    }

    /// Give every entry its place; the result is the offset of the first.
    pub fn append(&mut self, entries: Vec<NewEntry>, ts: f64) -> u64 {
        let first = self.head + 1;
        for new in entries {
            self.push(new, ts);
        }
        self.trim_size();
        first
    }

    fn push(&mut self, new: NewEntry, ts: f64) {
        self.head += 1;
        self.latest_ts = self.latest_ts.max(ts);
        let entry = Arc::new(Entry::compose(
            &self.head_of_messages,
            self.head,
            ts,
            new,
            self.leaves,
        ));
        self.bytes += entry.size();
        if let Some(newest) = &mut self.newest {
            newest.record(&entry);
        }
        self.ring.push_back(Slot {
            entry,
            latest_ts: self.latest_ts,
        });
    }

    fn trim_size(&mut self) {
        while self.bytes > self.retention.max_bytes || self.ring.len() > self.retention.max_entries
        {
            if self.pop().is_none() {
                return;
            }
        }
    }

    /// Let go what is older than the retention; `now` is the wall clock.
    pub fn trim_age(&mut self, now: f64) {
        let oldest = now - self.retention.seconds;
        while self
            .ring
            .front()
            .is_some_and(|slot| slot.entry.ts() < oldest)
        {
            self.pop();
        }
        if self.ring.is_empty() {
            self.ring.shrink_to_fit();
        }
    }

    /// Let go about `bytes` of the oldest entries (`log_memory`).
    pub fn trim_bytes(&mut self, bytes: usize) {
        let target = self.bytes.saturating_sub(bytes);
        while self.bytes > target && self.pop().is_some() {}
    }

    fn pop(&mut self) -> Option<()> {
        let slot = self.ring.pop_front()?;
        self.bytes -= slot.entry.size();
        self.lost_ts = slot.latest_ts;
        Some(())
    }

    /// The name of this history.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Offset of the newest entry, 0 before the first.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Offset of the oldest entry still kept in the ring, `head + 1` if it is empty.
    pub fn first(&self) -> u64 {
        self.head + 1 - self.ring.len() as u64
    }

    /// Entries in the ring.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// No entry in the ring.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Bytes held, about; what both the ring and the keys keep is counted twice.
    pub fn bytes(&self) -> usize {
        self.bytes + self.newest.as_ref().map_or(0, Newest::bytes)
    }

    /// Bytes of the ring alone, which trimming can free.
    pub fn ring_bytes(&self) -> usize {
        self.bytes
    }

    /// The newest entry per key, where the channel keeps it.
    pub fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }

    /// An entry of the ring.
    pub fn get(&self, offset: u64) -> Option<&Arc<Entry>> {
        let index = offset.checked_sub(self.first())?;
        let slot = self.ring.get(usize::try_from(index).ok()?)?;
        Some(&slot.entry)
    }

    /// The entries after `after` that the ring still holds, in order.
    pub fn after(&self, after: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let skip = after.saturating_add(1).saturating_sub(self.first());
        let skip = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .min(self.ring.len());
        self.ring.range(skip..).map(|slot| &slot.entry)
    }

    /// Offset before the first kept entry with `ts` of at least `since` (M24); the head if there is none.
    pub fn before_ts(&self, since: f64) -> u64 {
        let older = self.ring.partition_point(|slot| slot.latest_ts < since);
        self.first() - 1 + older as u64
    }

    /// Whether an entry that was let go had a `ts` of at least `since` (M25).
    pub fn lost_since(&self, since: f64) -> bool {
        self.lost_ts >= since
    }
}
