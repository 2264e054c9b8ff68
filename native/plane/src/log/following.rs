//! A log whose entries get their places elsewhere (N7, N8, N13): it stands where it is told to, takes what comes next, and knows
//! what those who read it must be told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::entry::{Composer, Entry};
use crate::epoch::Position;
use crate::gap::{Gap, GapReason};
use crate::log::{Log, Slot, empty_newest};
use crate::newest::Newest;
use crate::rules::MAX_NUMBER;

/// How far the clock of another node may be ahead of ours for its times to count as they are: beyond it, an entry is taken to be
/// of that long after it came, so that no clock keeps a log from letting go.
const AHEAD: f64 = 60.0;

/// What a log has kept of where it stood: much to be let go, better where nobody waits for the log.
#[derive(Debug)]
pub struct Former(
    #[expect(dead_code, reason = "it is let go, and nothing else")] VecDeque<Slot>,
    #[expect(dead_code, reason = "the same")] Option<Newest>,
);

/// Why something has no place in a log: what was expected, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced(String);

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Log {
    /// Stand at `position` with nothing kept; what was, if that is elsewhere. `now` is the wall clock.
    pub fn begin(&mut self, position: &Position, now: f64) -> Result<Option<Former>, Misplaced> {
        if position.epoch == self.epoch {
            if position.offset < self.head {
                let head = self.epoch.position(self.head);
                let text = format!("a position from {head} on was expected, {position} came");
                return Err(Misplaced(text));
            }
            if position.offset == self.head {
                return Ok(None);
            }
        }
        Ok(Some(self.stand_at(position.clone(), now)))
    }

    /// What was before `position` had a time of `lost_ts` at most.
    pub(super) fn stand_at(&mut self, position: Position, lost_ts: f64) -> Former {
        let Position { epoch, offset } = position;
        self.turn += 1;
        if self.epoch != epoch {
            self.epoch = epoch;
            self.epoch_turn = self.turn;
        }
        self.bytes = 0;
        (self.head, self.origin) = (offset, offset);
        let newest = std::mem::replace(&mut self.newest, empty_newest(self.retention));
        let former = Former(std::mem::take(&mut self.ring), newest);
        if let Some(newest) = &mut self.newest {
            newest.forget_to(offset);
        }
        self.latest_ts = f64::NEG_INFINITY;
        self.lost_ts = if offset == 0 {
            f64::NEG_INFINITY
        } else {
            lost_ts
        };
        self.fresh = None;
        former
    }

    /// What makes the entries that are given to it.
    pub fn composer(&self) -> &Composer {
        &self.composer
    }

    /// Take the entries that follow the head; the new head. `now` is the wall clock.
    pub fn apply(
        &mut self,
        first: &Position,
        entries: Vec<Arc<Entry>>,
        now: f64,
    ) -> Result<u64, Misplaced> {
        let next = self.epoch.position(self.head + 1);
        if *first != next {
            return Err(Misplaced(format!("{next} was expected, {first} came")));
        }
        if self.head + entries.len() as u64 > MAX_NUMBER {
            let text = "offsets below 2^53 were expected, more came".into();
            return Err(Misplaced(text));
        }
        let seen = |entry: &Arc<Entry>| entry.ts().min(now + AHEAD);
        if let Some(entry) = entries.first().filter(|_| self.head == self.origin) {
            // What is not here came before it.
            self.lost_ts = self.lost_ts.min(seen(entry));
        }
        for entry in entries {
            let seen = seen(&entry);
            self.take_in(entry, seen);
        }
        // However old they say that they are: whoever follows must have had a chance to read them.
        self.fresh = self.fresh.or(Some(first.offset));
        self.trim_size();
        self.trim_age(now);
        Ok(self.head)
    }

    /// Take up the newest entries of keys from before the ring, offsets rising; whether there were some.
    pub fn restore_newest(&mut self, entries: &[Arc<Entry>]) -> Result<bool, Misplaced> {
        let is_placed = |entry: &Arc<Entry>| (1..=self.head).contains(&entry.offset());
        if !entries.iter().all(is_placed)
            || !entries.is_sorted_by(|one, next| one.offset() < next.offset())
        {
            let text = format!("rising offsets from 1 to {} were expected", self.head);
            return Err(Misplaced(text));
        }
        let first = self.first();
        let Some(newest) = &mut self.newest else {
            return Ok(false);
        };
        let mut is_news = false;
        // What the ring holds is known already.
        for entry in entries.iter().filter(|entry| entry.offset() < first) {
            is_news |= newest.restore(entry);
        }
        if is_news {
            self.turn += 1;
            self.restored_turn = self.turn;
        }
        Ok(is_news)
    }

    /// The number of times that readers had to look where they stand.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// What this history is called by among those of the log: it only rises.
    pub fn history(&self) -> u64 {
        self.epoch_turn
    }

    /// Where this history begins here: the place after the entries that were never in this log.
    pub fn origin(&self) -> u64 {
        self.origin
    }

    /// Whether this history has begun after `turn`.
    pub fn began_after(&self, turn: u64) -> bool {
        self.epoch_turn > turn
    }

    /// What somebody goes without who stood at `from` when he last looked, in `turn`. Who is given the newest entry of each key
    /// (`keyed`) goes back to the beginning for it (P7, S13); everybody else goes on with the oldest entry.
    pub fn gap_after(&self, from: Position, turn: u64, keyed: bool) -> Option<Gap> {
        let to = if keyed { 0 } else { self.first() - 1 };
        if self.began_after(turn) {
            return Some(Gap::between(from, to));
        }
        let is_lost = from.offset < self.origin || keyed && self.restored_turn > turn;
        if !is_lost || keyed && from.offset == 0 {
            return None;
        }
        let missed = (!keyed).then(|| to.saturating_sub(from.offset));
        Some(Gap {
            missed,
            ..Gap::within(&self.epoch, from.offset, to, GapReason::Retention)
        })
    }
}
