//! A filter on one channel, and what it has judged there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::Entry;
use crate::filter::look::{Scratch, Subject};
use crate::filter::roster::{Front, Roster};
use crate::filter::rule::Rule;
use crate::filter::totals::Totals;
use crate::filter::verdicts::{Judged, Verdicts};
use crate::log::Log;

/// Entries that are judged for one count at most: beyond it is not known how many were missed (M48).
pub const COUNTED: u64 = 65_536;
/// Encoded bytes whose decoding costs as much as judging an entry.
const HIDDEN: u64 = 16;

/// What a filter counts for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Bytes.
    pub(super) bytes: usize,
    /// The bounds of numbers do not count it.
    pub(super) is_free: bool,
}

/// One of the distinct filters of a channel. It is there as long as somebody follows the channel through it.
#[derive(Debug)]
pub struct Sieve {
    /// Its number among all of the process.
    pub id: u64,
    /// Its number in the roster.
    pub(super) seat: u32,
    pub(super) rule: Rule,
    pub(super) weight: Weight,
    home: Arc<Roster>,
    /// Up to where everything was judged for others before it came: a history, and an offset.
    since: (u64, u64),
    verdicts: Mutex<Verdicts>,
}

impl Drop for Sieve {
    fn drop(&mut self) {
        self.home.gone(self.seat, self.rule.clone(), self.weight);
    }
}

impl Sieve {
    pub(super) fn new(
        (id, seat): (u64, u32),
        (rule, weight): (Rule, Weight),
        (home, totals): (Arc<Roster>, Arc<Totals>),
        since: (u64, u64),
    ) -> Self {
        Self {
            id,
            seat,
            rule,
            weight,
            home,
            since,
            verdicts: Mutex::new(Verdicts::new(totals)),
        }
    }

    /// What of a history was judged for it together with others.
    fn judged(&self, history: u64) -> Judged {
        self.home.front().judged(history, self.since)
    }

    /// What is known of a history, with what was noted of it until now; nothing, if that is over. Nothing is evaluated while
    /// it is held.
    fn verdicts(&self, history: u64) -> Option<MutexGuard<'_, Verdicts>> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if !verdicts.enter(history) {
            return None;
        }
        // Before anybody else can ask.
        verdicts.take_over(&self.home.take_noted(self.seat, history));
        Some(verdicts)
    }

    /// Whether what was known of an entry may have been let go, for want of room.
    pub(super) fn is_forgotten(&self, history: u64, offset: u64) -> bool {
        let verdicts = self.verdicts(history);
        verdicts.is_some_and(|verdicts| verdicts.is_forgotten(offset))
    }

    /// What is known of an entry of a history, of which so much was judged for all; nothing, if that is over.
    pub(super) fn known(&self, history: u64, offset: u64, front: &Front) -> Option<bool> {
        let judged = front.judged(history, self.since);
        self.verdicts(history)?.get(offset, judged)
    }

    /// Whether an entry of a history passes; judged once.
    pub fn passes(&self, history: u64, entry: &Entry, scratch: &mut Scratch) -> bool {
        if let Some(known) = self.known(history, entry.offset(), &self.home.front()) {
            return known;
        }
        let is_forgotten = self.is_forgotten(history, entry.offset());
        self.home.count_judged(1, u64::from(is_forgotten));
        let passes = self.rule.passes(&Subject::from(entry), scratch);
        self.note(history, entry.offset(), passes);
        passes
    }

    /// Note what was judged of an entry.
    pub(super) fn note(&self, history: u64, offset: u64, passes: bool) {
        if let Some(mut verdicts) = self.verdicts(history) {
            verdicts.set(offset, passes);
        }
    }

    /// The same of entries that follow one another; in `passes`, a verdict for each. Those of the present were judged for all
    /// filters of the channel together, the others are now.
    pub fn judge(
        &self,
        history: u64,
        entries: &[Arc<Entry>],
        scratch: &mut Scratch,
        passes: &mut Vec<bool>,
    ) {
        passes.clear();
        for entry in entries {
            passes.push(self.passes(history, entry, scratch));
        }
    }

    /// What judging the entries of a log after `after` up to `to` that were not judged yet costs: each of them one, and what
    /// has to be decoded for it as many more as it is worth.
    pub fn cost(&self, log: &Log, after: u64, to: u64) -> u64 {
        let history = log.history();
        let unknown = self.unknown(history, after, to);
        if unknown == 0 || unknown > COUNTED || !self.rule.looks_into_data() {
            return unknown;
        }
        let judged = self.judged(history);
        let verdicts = self.verdicts(history);
        let offsets =
            verdicts.map_or_else(Vec::new, |verdicts| verdicts.unknown_of(after, to, judged));
        let hidden = |offset: &u64| log.get(*offset).map_or(0, |entry| entry.hidden() as u64);
        unknown + offsets.iter().map(hidden).sum::<u64>() / HIDDEN
    }

    /// Entries after `after` up to `to` that pass, if all of them were judged.
    pub fn owed(&self, history: u64, after: u64, to: u64) -> Option<u64> {
        let judged = self.judged(history);
        self.verdicts(history)?.owed(after, to, judged)
    }

    /// Entries after `after` up to `to` that were not judged.
    pub fn unknown(&self, history: u64, after: u64, to: u64) -> u64 {
        let judged = self.judged(history);
        let verdicts = self.verdicts(history);
        verdicts.map_or(0, |verdicts| verdicts.unknown(after, to, judged))
    }
}
