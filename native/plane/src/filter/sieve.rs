//! A filter on one channel, and what it has judged there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::Entry;
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::sieves::Sieves;
use crate::filter::verdicts::Verdicts;
use crate::filter::{Filter, holds};
use crate::log::Log;

/// Entries that are judged for one count at most: beyond it is not known how many were missed (M48).
pub const COUNTED: u64 = 65_536;
/// Encoded bytes whose decoding costs as much as judging an entry.
const HIDDEN: u64 = 16;

/// One of the distinct filters of a channel. It is there as long as somebody follows the channel through it.
#[derive(Debug)]
pub struct Sieve {
    /// Its number among all of the process.
    pub id: u64,
    pub(super) filter: Filter,
    pub(super) home: Arc<Sieves>,
    verdicts: Mutex<Verdicts>,
}

impl Drop for Sieve {
    fn drop(&mut self) {
        self.home.gone();
    }
}

impl Sieve {
    pub(super) fn new(id: u64, filter: Filter, home: Arc<Sieves>) -> Self {
        Self {
            id,
            filter,
            home,
            verdicts: Mutex::default(),
        }
    }

    /// Nothing is evaluated while it is held.
    pub(super) fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an entry of a history passes; judged once.
    pub fn passes(&self, history: u64, entry: &Entry, scratch: &mut Scratch) -> bool {
        let is_present = {
            let mut verdicts = self.verdicts();
            let is_present = verdicts.enter(history);
            if let Some(known) = verdicts.get(entry.offset()).filter(|_| is_present) {
                return known;
            }
            is_present
        };
        self.home.count_judged(1);
        let passes = self.filter.passes(&Subject::from(entry), scratch);
        if is_present {
            self.note(history, entry.offset(), passes);
        }
        passes
    }

    /// Note what was judged of an entry.
    pub(super) fn note(&self, history: u64, offset: u64, passes: bool) {
        let mut verdicts = self.verdicts();
        if verdicts.enter(history) {
            verdicts.set(offset, passes);
        }
    }

    /// Whether an entry needs no judging: it was, or its history is over.
    pub(super) fn knows(&self, history: u64, offset: u64) -> bool {
        let mut verdicts = self.verdicts();
        !verdicts.enter(history) || verdicts.get(offset).is_some()
    }

    /// The same of entries that follow one another, newest of their channel among them: those that nobody has judged yet are
    /// judged for all filters of the channel together, so that each is read once. In `passes`, a verdict for each.
    pub fn judge(
        &self,
        history: u64,
        entries: &[Arc<Entry>],
        scratch: &mut Scratch,
        passes: &mut Vec<bool>,
    ) {
        passes.clear();
        if let Some(first) = self.first_unknown(history, entries) {
            let new = entries.get(first..).unwrap_or_default();
            self.home.judge(history, new, scratch);
        }
        {
            let mut verdicts = self.verdicts();
            if verdicts.enter(history) {
                let known = entries
                    .iter()
                    .map_while(|entry| verdicts.get(entry.offset()));
                passes.extend(known);
            }
        }
        // Of a history that is over, or of long ago.
        for entry in entries.get(passes.len()..).unwrap_or_default() {
            passes.push(self.passes(history, entry, scratch));
        }
    }

    /// What judging the entries of a log after `after` up to `to` that were not judged yet costs: each of them one, and what
    /// has to be decoded for it as many more as it is worth.
    pub fn cost(&self, log: &Log, after: u64, to: u64) -> u64 {
        let history = log.history();
        let unknown = self.unknown(history, after, to);
        if unknown == 0 || unknown > COUNTED || !self.filter.looks_into_data() {
            return unknown;
        }
        let offsets = self.verdicts().unknown_of(after, to);
        let hidden = |offset: &u64| log.get(*offset).map_or(0, |entry| entry.hidden() as u64);
        unknown + offsets.iter().map(hidden).sum::<u64>() / HIDDEN
    }

    fn first_unknown(&self, history: u64, entries: &[Arc<Entry>]) -> Option<usize> {
        let mut verdicts = self.verdicts();
        if !verdicts.enter(history) {
            return None;
        }
        entries
            .iter()
            .position(|entry| verdicts.get(entry.offset()).is_none())
    }

    /// Entries after `after` up to `to` that pass, if all of them were judged.
    pub fn owed(&self, history: u64, after: u64, to: u64) -> Option<u64> {
        let mut verdicts = self.verdicts();
        verdicts
            .enter(history)
            .then(|| verdicts.owed(after, to))
            .flatten()
    }

    /// Entries after `after` up to `to` that were not judged.
    pub fn unknown(&self, history: u64, after: u64, to: u64) -> u64 {
        let mut verdicts = self.verdicts();
        if verdicts.enter(history) {
            verdicts.unknown(after, to)
        } else {
            0
        }
    }

    /// Evaluate for what is being looked at.
    pub(super) fn holds(&self, slots: &[usize], look: &mut Look<'_>) -> bool {
        holds::holds(&self.filter.node, slots, look)
    }
}
