//! The recent past of a channel: entries with consecutive offsets in a ring, bounded by count, bytes and age (S12).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::{Composer, Entry, NewEntry, Timestamp};
use crate::epoch::{Epoch, Position};
use crate::members::Members;
use crate::newest::Newest;

mod following;

pub use following::{Former, Misplaced};

/// What a log keeps, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Age of the oldest entry, by the wall clock of its append.
    pub seconds: f64,
    /// Bytes of all entries.
    pub max_bytes: usize,
    /// Number of entries.
    pub max_entries: usize,
    /// Keep the newest entry of each key, of at most so many keys and `max_bytes` once more, beyond all of these.
    pub last_per_key: Option<usize>,
}

/// One channel's log; no locks, no clock of its own.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    composer: Composer,
    retention: Retention,
    ring: VecDeque<Slot>,
    head: u64,
    bytes: usize,
    newest: Option<Newest>,
    latest_ts: f64,
    lost_ts: f64,
    /// Nothing up to here has ever been in this history, as far as this log knows it.
    origin: u64,
    turn: u64,
    /// The turn that began this history.
    epoch_turn: u64,
    /// The last turn that took up newest entries from before the ring.
    restored_turn: u64,
    /// The first entry that came from elsewhere since the last sweep.
    fresh: Option<u64>,
}

/// What a log is filled with that was there before: entries as (offset, `ts`, entry).
#[derive(Debug)]
pub struct Past {
    /// Name of the history.
    pub epoch: Epoch,
    /// Offset of the newest entry there was.
    pub head: u64,
    /// Newest entries of keys from before the first of `recent`.
    pub keyed: Vec<(u64, f64, NewEntry)>,
    /// Entries with consecutive offsets up to the head.
    pub recent: Vec<(u64, f64, NewEntry)>,
    /// The largest `ts` of entries that are gone.
    pub lost_ts: f64,
    /// The newest entries of keys up to this offset may be in neither.
    pub forgotten: u64,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    /// The largest `ts` up to this entry: it only rises, whatever the wall clock does (M45), so that it can be searched.
    latest_ts: f64,
}

impl Slot {
    /// Its time, or when it came if that is far beyond it.
    fn seen(&self) -> f64 {
        self.entry.ts().min(self.latest_ts)
    }
}

fn empty_newest(retention: Retention) -> Option<Newest> {
    retention
        .last_per_key
        .map(|keys| Newest::new(keys, retention.max_bytes))
}

impl Log {
    /// An empty log.
    pub fn new(channel: &str, epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            composer: Composer::new(channel),
            retention,
            ring: VecDeque::new(),
            head: 0,
            bytes: 0,
            newest: empty_newest(retention),
            latest_ts: f64::NEG_INFINITY,
            lost_ts: f64::NEG_INFINITY,
            origin: 0,
            turn: 0,
            epoch_turn: 0,
            restored_turn: 0,
            fresh: None,
        }
    }

    /// Begin another history: nothing of this one is kept, save by the caller.
    pub fn rotate(&mut self, epoch: Epoch) -> Former {
        self.stand_at(Position { epoch, offset: 0 }, f64::NEG_INFINITY)
    }

    /// Give every entry its place; the result is the offset of the first.
    pub fn append(&mut self, entries: Vec<NewEntry>, ts: f64) -> u64 {
        let first = self.head + 1;
        let ts = Timestamp::new(ts);
        for new in entries {
            self.push(new, &ts);
        }
        self.trim_size();
        first
    }

    /// The same of entries that stand elsewhere.
    pub fn append_members<'a>(
        &mut self,
        entries: impl Iterator<Item = Members<'a>>,
        ts: f64,
    ) -> u64 {
        let first = self.head + 1;
        let ts = Timestamp::new(ts);
        for members in entries {
            let entry = self.composer.entry_of(self.head + 1, &ts, &members);
            self.take_in(Arc::new(entry), ts.seconds());
        }
        self.trim_size();
        first
    }

    fn push(&mut self, new: NewEntry, ts: &Timestamp) {
        let entry = self.composer.entry(self.head + 1, ts, new);
        self.take_in(Arc::new(entry), ts.seconds());
    }

    /// The entry after the head; `since` and age take it to be of the time `seen`.
    fn take_in(&mut self, entry: Arc<Entry>, seen: f64) {
        self.head += 1;
        self.latest_ts = self.latest_ts.max(seen);
        self.bytes += entry.size();
        if let Some(newest) = &mut self.newest {
            newest.record(&entry);
        }
        self.ring.push_back(Slot {
            entry,
            latest_ts: self.latest_ts,
        });
    }

    /// Fill an empty log with what was there before.
    pub fn restore(&mut self, past: Past) {
        (self.lost_ts, self.latest_ts) = (past.lost_ts, past.lost_ts);
        let first = past
            .recent
            .first()
            .map_or(past.head + 1, |(offset, ..)| *offset);
        if let Some(newest) = &mut self.newest {
            newest.forget_to(past.forgotten);
        }
        for (offset, ts, new) in past.keyed {
            let ts = Timestamp::new(ts);
            let entry = self.composer.entry(offset, &ts, new);
            if let Some(newest) = &mut self.newest {
                newest.record(&Arc::new(entry));
            }
        }
        self.head = first - 1;
        for (_, ts, new) in past.recent {
            self.push(new, &Timestamp::new(ts));
        }
        self.trim_size();
    }

    /// The newest entry stays, however large: it was stored, and its subscribers are about to read it.
    fn trim_size(&mut self) {
        let Retention {
            max_bytes,
            max_entries,
            ..
        } = self.retention;
        while self.ring.len() > 1 && (self.bytes > max_bytes || self.ring.len() > max_entries) {
            self.pop();
        }
    }

    /// Let go what is older than the retention; `now` is the wall clock.
    pub fn trim_age(&mut self, now: f64) {
        let oldest = now - self.retention.seconds;
        let fresh = self.fresh.unwrap_or(u64::MAX);
        let is_old = |slot: &Slot| slot.seen() < oldest && slot.entry.offset() < fresh;
        while self.ring.front().is_some_and(is_old) {
            self.pop();
        }
        if self.ring.is_empty() {
            self.ring.shrink_to_fit();
        }
    }

    /// Let go of the oldest until `bytes` are left (`log_memory`): of the ring and of what is kept per key, whichever is
    /// larger. How many went; the newest entry stays.
    pub fn trim_to(&mut self, bytes: usize) -> usize {
        let mut gone = 0;
        while self.bytes() > bytes && self.drop_oldest() {
            gone += 1;
        }
        gone
    }

    fn drop_oldest(&mut self) -> bool {
        let kept = self.newest.as_mut();
        let kept_is_larger = kept.as_ref().is_some_and(|kept| kept.bytes() > self.bytes);
        if (kept_is_larger || self.ring.len() <= 1) && kept.is_some_and(Newest::drop_oldest) {
            return true;
        }
        let can = self.ring.len() > 1;
        if can {
            self.pop();
        }
        can
    }

    fn pop(&mut self) {
        if let Some(slot) = self.ring.pop_front() {
            self.bytes -= slot.entry.size();
            self.lost_ts = slot.latest_ts;
        }
    }

    /// Once a second: [`Self::trim_age`]. Afterwards what came from elsewhere may go as well, if its time says so.
    pub fn sweep(&mut self, now: f64) {
        self.trim_age(now);
        self.fresh = None;
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

    /// The newest entry per key, where the channel keeps it.
    pub fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }

    /// An entry of the ring.
    pub fn get(&self, offset: u64) -> Option<&Arc<Entry>> {
        self.slot(offset).map(|slot| &slot.entry)
    }

    /// The time of an entry of the ring, or when it came if that is far beyond it.
    pub fn seen(&self, offset: u64) -> Option<f64> {
        self.slot(offset).map(Slot::seen)
    }

    fn slot(&self, offset: u64) -> Option<&Slot> {
        let index = offset.checked_sub(self.first())?;
        self.ring.get(usize::try_from(index).ok()?)
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

#[cfg(test)]
mod replica_tests;
#[cfg(test)]
mod tests;
