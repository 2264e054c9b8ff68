//! The recent past of a channel: entries with consecutive offsets in a ring, bounded by count, bytes and age (S12).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::{Entry, NewEntry, Timestamp, message_head};
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
    /// Keep the newest entry of each key, of at most so many keys and `max_bytes` once more, beyond all of these.
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

/// S6 asks it of `connections`; presence companions (C25) have the same events.
fn leaving_event(channel: &str) -> Option<&'static str> {
    (channel == "connections" || channel.ends_with("/presence")).then_some("leave")
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
            head_of_messages: message_head(channel),
            leaves: leaving_event(channel),
            retention,
            ring: VecDeque::new(),
            head: 0,
            bytes: 0,
            newest: empty_newest(retention),
            latest_ts: f64::NEG_INFINITY,
            lost_ts: f64::NEG_INFINITY,
        }
    }

    /// Begin another history: nothing of this one is kept.
    pub fn rotate(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.ring = VecDeque::new();
        (self.head, self.bytes) = (0, 0);
        self.newest = empty_newest(self.retention);
        (self.latest_ts, self.lost_ts) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
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

    fn push(&mut self, new: NewEntry, ts: &Timestamp) {
        self.head += 1;
        self.latest_ts = self.latest_ts.max(ts.seconds());
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
            let entry = Entry::compose(&self.head_of_messages, offset, &ts, new, self.leaves);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn log(retention: Retention) -> Log {
        Log::new("logs", Epoch::named("k3Fq"), retention)
    }

    const ALL: Retention = Retention {
        seconds: 100.0,
        max_bytes: 1 << 20,
        max_entries: 1_000,
        last_per_key: None,
    };

    fn entries(count: usize) -> Vec<NewEntry> {
        vec![
            NewEntry {
                event: "e".into(),
                data: b"1"[..].into(),
                ..NewEntry::default()
            };
            count
        ]
    }

    fn offsets(log: &Log, after: u64) -> Vec<u64> {
        log.after(after).map(|entry| entry.offset()).collect()
    }

    /// P1: offsets are consecutive from 1, and what is appended together stands together.
    #[test]
    fn offsets_are_consecutive_from_one() {
        let mut log = log(ALL);
        assert_eq!((0, 1), (log.head(), log.first()));
        assert_eq!(1, log.append(entries(2), 1.0));
        assert_eq!(3, log.append(entries(1), 1.0));
        assert_eq!(
            (3, 1, vec![2, 3]),
            (log.head(), log.first(), offsets(&log, 1))
        );
        assert_eq!(Some(2), log.get(2).map(|entry| entry.offset()));
        assert!(log.get(0).is_none() && log.get(4).is_none());
    }

    /// S12: whichever bound is reached first lets the oldest go; an entry that is too large by itself stays while it is the
    /// newest.
    #[test]
    fn the_oldest_entries_go_by_count_bytes_and_age() {
        let mut few = log(Retention {
            max_entries: 2,
            ..ALL
        });
        few.append(entries(5), 1.0);
        assert_eq!(vec![4, 5], offsets(&few, 0));
        let mut small = log(Retention {
            max_bytes: 1,
            ..ALL
        });
        small.append(entries(3), 1.0);
        assert_eq!(vec![3], offsets(&small, 0));
        let mut young = log(ALL);
        young.append(entries(1), 1.0);
        young.append(entries(1), 50.0);
        young.trim_age(101.5);
        assert_eq!(vec![2], offsets(&young, 0));
        young.trim_age(1e9);
        assert_eq!(
            (2, 3, 0, 0),
            (young.head(), young.first(), young.len(), young.bytes())
        );
    }

    proptest! {
        /// M24, M25, M45: `since` finds the first kept entry of that time although the wall clock jumps, and knows whether an
        /// earlier one is gone.
        #[test]
        fn since_is_the_first_entry_of_that_time(times in prop::collection::vec(0_u8..20, 0..40), kept in 1_usize..40, since in 0_u8..22) {
            let mut log = log(Retention { max_entries: kept, seconds: 1e9, ..ALL });
            for ts in &times {
                log.append(entries(1), f64::from(*ts));
            }
            let lost = times.len().saturating_sub(kept);
            let before = times.iter().skip(lost).take_while(|ts| **ts < since).count();
            let found = log.lost_since(f64::from(since));
            prop_assert_eq!(times.iter().take(lost).any(|ts| *ts >= since), found);
            if !found {
                prop_assert_eq!((lost + before) as u64, log.before_ts(f64::from(since)));
            }
        }
    }
}
