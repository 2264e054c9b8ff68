//! The newest entry of each key in a stretch of a ring, found from its end backwards, a slice at a time (S4).

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;

use crate::log::Log;

/// Entries of a ring looked at in one turn: a long log must not hold up everybody else.
const SLICE: u64 = 8_192;
/// Entries that one round delivers at most: those beyond are found again by the next one.
const MAX_PICKED: usize = 16_384;
/// Keys that are remembered: an entry of any other is delivered, though a newer one of its key may follow.
const MAX_SEEN: usize = 65_536;

/// What was found so far.
#[derive(Debug)]
pub struct Picks {
    after: u64,
    end: u64,
    /// Everything from here up was looked at.
    next: u64,
    snapshot: bool,
    put_off: bool,
    /// By the hash of its key, the newest entry of a key. As long as an older one is in the ring, this one is.
    seen: HashMap<u64, u64>,
    hasher: RandomState,
    /// The newest first.
    picked: VecDeque<u64>,
}

impl Picks {
    /// Nothing looked at of what is after `after`, up to `end`; those that remove a key are not for a snapshot.
    pub fn new(after: u64, end: u64, snapshot: bool) -> Self {
        Self {
            after,
            end,
            next: end + 1,
            snapshot,
            put_off: false,
            seen: HashMap::new(),
            hasher: RandomState::new(),
            picked: VecDeque::new(),
        }
    }

    /// Look at the next slice; whether that was the last.
    pub fn look(&mut self, log: &Log) -> bool {
        let first = log.first().max(self.after + 1);
        let stop = self.next.saturating_sub(SLICE).max(first);
        for offset in (stop..self.next).rev() {
            self.consider(log, offset);
        }
        self.next = stop.min(self.next);
        let complete = self.next <= first;
        if complete {
            self.seen = HashMap::new();
        }
        complete
    }

    fn consider(&mut self, log: &Log, offset: u64) {
        let Some(entry) = log.get(offset) else {
            return;
        };
        let key = entry.conflation_key();
        let hash = self.hasher.hash_one(key);
        let newer = self.seen.get(&hash).and_then(|newer| log.get(*newer));
        if newer.is_some_and(|newer| newer.conflation_key() == key) {
            return;
        }
        if self.seen.len() < MAX_SEEN {
            self.seen.entry(hash).or_insert(offset);
        }
        if !(self.snapshot && entry.removes_key()) {
            self.pick(offset);
        }
    }

    fn pick(&mut self, offset: u64) {
        self.picked.push_back(offset);
        if self.picked.len() > MAX_PICKED {
            self.picked.pop_front();
            self.put_off = true;
            self.end = self.picked.front().copied().unwrap_or(self.end);
        }
    }

    /// Where the round ends: at the head as it was, or before what was put off.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The newest were left for another round.
    pub fn put_off(&self) -> bool {
        self.put_off
    }

    /// The oldest not yet delivered.
    pub fn next(&mut self) -> Option<u64> {
        self.picked.pop_back()
    }

    /// The same, and it stays the next.
    pub fn peek(&self) -> Option<u64> {
        self.picked.back().copied()
    }

    /// That one was not delivered after all.
    pub fn put_back(&mut self, offset: u64) {
        self.picked.push_back(offset);
    }
}
