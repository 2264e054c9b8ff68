//! The newest entry per key of a channel that keeps it (S6, S12), beyond what the ring still holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::entry::Entry;

/// Removals that are remembered, so that a slow `latest` subscriber learns of them (S13) though snapshots do not show them.
const MAX_REMOVALS: usize = 10_000;

/// The newest entry of each key, in the order of their offsets.
#[derive(Debug)]
pub struct Newest {
    offsets: HashMap<Box<str>, u64>,
    entries: BTreeMap<u64, Arc<Entry>>,
    removals: BTreeSet<u64>,
    max_keys: usize,
    bytes: usize,
}

impl Newest {
    /// Nothing yet; at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            offsets: HashMap::new(),
            entries: BTreeMap::new(),
            removals: BTreeSet::new(),
            max_keys: max_keys.max(1),
            bytes: 0,
        }
    }

    /// Take in an entry that is newer than all others.
    pub fn record(&mut self, entry: &Arc<Entry>) {
        let key = entry.conflation_key();
        match self.offsets.get_mut(key) {
            Some(offset) => {
                let former = std::mem::replace(offset, entry.offset());
                self.forget(former);
            }
            None => {
                self.offsets.insert(key.into(), entry.offset());
            }
        }
        self.bytes += entry.size();
        self.entries.insert(entry.offset(), Arc::clone(entry));
        if entry.removes_key() {
            self.removals.insert(entry.offset());
        }
        self.keep_bounds();
    }

    fn forget(&mut self, offset: u64) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(&offset)?;
        self.bytes -= entry.size();
        self.removals.remove(&offset);
        Some(entry)
    }

    /// S6: the key unchanged longest goes first; of the removals, the oldest.
    fn keep_bounds(&mut self) {
        while self.removals.len() > MAX_REMOVALS.min(self.max_keys) {
            let oldest = self.removals.first().copied();
            self.drop_key(oldest);
        }
        while self.keys() > self.max_keys {
            let oldest = self.entries.iter().find(|(_, entry)| !entry.removes_key());
            let oldest = oldest.map(|(offset, _)| *offset);
            self.drop_key(oldest);
        }
    }

    fn drop_key(&mut self, offset: Option<u64>) {
        if let Some(entry) = offset.and_then(|offset| self.forget(offset)) {
            self.offsets.remove(entry.conflation_key());
        }
    }

    /// Keys that a snapshot shows.
    pub fn keys(&self) -> usize {
        self.entries.len() - self.removals.len()
    }

    /// Bytes of the entries kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest entries after `after`, in offset order; those that remove a key as well unless it is for a snapshot.
    pub fn after(
        &self,
        after: u64,
        snapshot: bool,
    ) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries
            .range(after.saturating_add(1)..)
            .map(|(_, entry)| entry)
            .filter(move |entry| !(snapshot && entry.removes_key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{NewEntry, message_head};

    fn record(newest: &mut Newest, entries: &[(u64, &str, &str)]) {
        for (offset, key, data) in entries {
            let new = NewEntry {
                key: Some((*key).into()),
                data: data.as_bytes().into(),
                ..NewEntry::default()
            };
            newest.record(&Arc::new(Entry::compose(
                &message_head("c"),
                *offset,
                1.0,
                new,
                None,
            )));
        }
    }

    fn offsets(newest: &Newest, after: u64, snapshot: bool) -> Vec<u64> {
        newest
            .after(after, snapshot)
            .map(|entry| entry.offset())
            .collect()
    }

    /// S5, S6: a snapshot holds the newest of each key and no removed one, in offset order; who was behind sees removals.
    #[test]
    fn the_newest_of_each_key_stays() {
        let mut newest = Newest::new(10);
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
        let mut newest = Newest::new(2);
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
        let kept: usize = newest.after(0, false).map(|entry| entry.size()).sum();
        assert_eq!(kept, newest.bytes());
    }
}
