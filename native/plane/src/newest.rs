//! The newest entry per key of a channel that keeps it (S6, S12), beyond what the ring still holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::entry::Entry;

/// Removals that are remembered, so that a slow `latest` subscriber learns of them (S13) though snapshots do not show them.
const MAX_REMOVALS: usize = 10_000;

type ByOffset = BTreeMap<u64, Arc<Entry>>;

/// The newest entry of each key, in the order of their offsets.
#[derive(Debug)]
pub struct Newest {
    offsets: HashMap<Box<str>, u64>,
    live: ByOffset,
    removals: ByOffset,
    max_keys: usize,
    max_bytes: usize,
    bytes: usize,
    forgotten: u64,
}

impl Newest {
    /// Nothing yet; at most `max_keys` keys, and at most `max_bytes` bytes of them and of removals.
    pub fn new(max_keys: usize, max_bytes: usize) -> Self {
        Self {
            offsets: HashMap::new(),
            live: BTreeMap::new(),
            removals: BTreeMap::new(),
            max_keys: max_keys.max(1),
            max_bytes,
            bytes: 0,
            forgotten: 0,
        }
    }

    /// Take in an entry that is newer than all others of its key.
    pub fn record(&mut self, entry: &Arc<Entry>) {
        let key = entry.conflation_key();
        match self.offsets.get_mut(key) {
            Some(offset) => {
                let former = std::mem::replace(offset, entry.offset());
                self.take(former);
            }
            None => {
                self.offsets.insert(key.into(), entry.offset());
            }
        }
        self.bytes += entry.size();
        let entries = if entry.removes_key() {
            &mut self.removals
        } else {
            &mut self.live
        };
        entries.insert(entry.offset(), Arc::clone(entry));
        self.keep_bounds();
    }

    /// Take in an entry that may be older than others: whether it was, of a key of which no newer one is known.
    pub fn restore(&mut self, entry: &Arc<Entry>) -> bool {
        let known = self.offsets.get(entry.conflation_key());
        let is_news = known.is_none_or(|known| *known < entry.offset());
        if is_news {
            self.record(entry);
        }
        is_news
    }

    fn take(&mut self, offset: u64) -> Option<Arc<Entry>> {
        let live = self.live.remove(&offset);
        let entry = live.or_else(|| self.removals.remove(&offset))?;
        self.bytes -= entry.size();
        Some(entry)
    }

    /// S6: the key unchanged longest goes first; of the removals, the oldest.
    fn keep_bounds(&mut self) {
        while self.removals.len() > MAX_REMOVALS.min(self.max_keys) {
            self.forget(first(&self.removals));
        }
        while self.live.len() > self.max_keys {
            self.forget(first(&self.live));
        }
        while self.bytes > self.max_bytes && self.drop_oldest() {}
    }

    /// The key goes that is unchanged longest, removed or not, unless it is the only one.
    pub fn drop_oldest(&mut self) -> bool {
        let more = self.live.len() + self.removals.len() > 1;
        if more {
            let oldest = [first(&self.live), first(&self.removals)];
            self.forget(oldest.into_iter().flatten().min());
        }
        more
    }

    fn forget(&mut self, offset: Option<u64>) {
        if let Some(entry) = offset.and_then(|offset| self.take(offset)) {
            self.offsets.remove(entry.conflation_key());
            self.forgotten = self.forgotten.max(entry.offset());
        }
    }

    /// Entries up to `offset` may have gone without a successor before these were known.
    pub fn forget_to(&mut self, offset: u64) {
        self.forgotten = self.forgotten.max(offset);
    }

    /// Offsets of all newest entries, those that remove their key as well, ascending.
    pub fn offsets(&self) -> Vec<u64> {
        let mut offsets: Vec<u64> = self.offsets.values().copied().collect();
        offsets.sort_unstable();
        offsets
    }

    /// Keys that a snapshot shows.
    pub fn keys(&self) -> usize {
        self.live.len()
    }

    /// Bytes of the entries kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last entry that went without a successor: who has not got beyond it cannot learn everything from here.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The newest entries after `after` up to `end`, in offset order; those that remove a key as well unless it is for a
    /// snapshot.
    pub fn between(
        &self,
        after: u64,
        end: u64,
        snapshot: bool,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        let range = after.min(end).saturating_add(1)..end.saturating_add(1);
        let mut live = self.live.range(range.clone()).peekable();
        let removals = (!snapshot).then(|| self.removals.range(range));
        let mut removals = removals.into_iter().flatten().peekable();
        std::iter::from_fn(move || {
            let live_is_next = match (live.peek(), removals.peek()) {
                (Some((live, _)), Some((removed, _))) => live < removed,
                (live, _) => live.is_some(),
            };
            let next = if live_is_next {
                live.next()
            } else {
                removals.next()
            };
            next.map(|(_, entry)| entry)
        })
    }
}

fn first(entries: &ByOffset) -> Option<u64> {
    entries.first_key_value().map(|(offset, _)| *offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Composer, NewEntry, Timestamp};

    fn record(newest: &mut Newest, entries: &[(u64, &str, &str)]) {
        for (offset, key, data) in entries {
            let new = NewEntry {
                key: Some((*key).into()),
                data: data.as_bytes().into(),
                ..NewEntry::default()
            };
            let entry = Composer::new("c").entry(*offset, &Timestamp::new(1.0), new);
            newest.record(&Arc::new(entry));
        }
    }

    fn offsets(newest: &Newest, after: u64, snapshot: bool) -> Vec<u64> {
        newest
            .between(after, u64::MAX - 1, snapshot)
            .map(|entry| entry.offset())
            .collect()
    }

    /// S5, S6: a snapshot holds the newest of each key and no removed one, in offset order; who was behind sees removals.
    #[test]
    fn the_newest_of_each_key_stays() {
        let mut newest = Newest::new(10, usize::MAX);
        record(
            &mut newest,
            &[
                (1, "a", "1"),
                (2, "b", "1"),
                (3, "a", "2"),
                (4, "b", "null"),
                (5, "c", "1"),
            ],
        );
        assert_eq!(vec![3, 5], offsets(&newest, 0, true));
        assert_eq!(vec![3, 4, 5], offsets(&newest, 0, false));
        assert_eq!(vec![4, 5], offsets(&newest, 3, false));
        assert_eq!(2, newest.keys());
        record(&mut newest, &[(6, "b", "1")]);
        assert_eq!(vec![3, 5, 6], offsets(&newest, 0, true));
    }

    /// S6: of too many keys, the one unchanged longest goes; bytes follow.
    #[test]
    fn the_key_unchanged_longest_goes_first() {
        let mut newest = Newest::new(2, usize::MAX);
        record(
            &mut newest,
            &[(1, "a", "1"), (2, "b", "1"), (3, "a", "2"), (4, "c", "1")],
        );
        assert_eq!(vec![3, 4], offsets(&newest, 0, true));
        record(
            &mut newest,
            &[(5, "a", "null"), (6, "c", "null"), (7, "d", "null")],
        );
        assert_eq!((vec![6, 7], 0), (offsets(&newest, 0, false), newest.keys()));
        let kept: usize = newest
            .between(0, 100, false)
            .map(|entry| entry.size())
            .sum();
        assert_eq!(kept, newest.bytes());
    }

    /// S6: the bound on bytes takes the key unchanged longest as well, and what went is known; the newest stays.
    #[test]
    fn bytes_are_bounded_and_what_went_is_known() {
        let mut newest = Newest::new(100, 1_000);
        let large = format!("\"{}\"", "x".repeat(300));
        record(&mut newest, &[(1, "a", &large), (2, "b", "null")]);
        assert_eq!(
            (vec![1, 2], 0),
            (offsets(&newest, 0, false), newest.forgotten())
        );
        record(&mut newest, &[(3, "c", &large)]);
        assert_eq!(
            (vec![2, 3], 1),
            (offsets(&newest, 0, false), newest.forgotten())
        );
        let huge = format!("\"{}\"", "x".repeat(2_000));
        record(&mut newest, &[(4, "d", &huge)]);
        assert_eq!(
            (vec![4], 3),
            (offsets(&newest, 0, false), newest.forgotten())
        );
        record(&mut newest, &[(5, "d", "1")]);
        assert_eq!(
            (vec![5], 3),
            (offsets(&newest, 0, false), newest.forgotten())
        );
    }

    /// S6: at its bounds, an append costs no more than elsewhere, whatever many removals stand before the oldest key.
    #[test]
    fn removals_are_not_looked_through_for_the_oldest_key() {
        let mut newest = Newest::new(MAX_REMOVALS, usize::MAX);
        let names: Vec<String> = (0..2 * MAX_REMOVALS)
            .map(|number| format!("k{number}"))
            .collect();
        let data = |number: usize| if number < MAX_REMOVALS { "null" } else { "1" };
        for (number, name) in names.iter().enumerate() {
            record(&mut newest, &[(number as u64 + 1, name, data(number))]);
        }
        let started = std::time::Instant::now();
        for number in 0..20_000 {
            let name = format!("n{number}");
            record(
                &mut newest,
                &[(2 * MAX_REMOVALS as u64 + number + 1, &name, "1")],
            );
        }
        assert_eq!(
            (MAX_REMOVALS, MAX_REMOVALS),
            (newest.keys(), newest.removals.len())
        );
        // Two hundred million steps otherwise.
        assert!(started.elapsed() < std::time::Duration::from_secs(2));
    }
}
