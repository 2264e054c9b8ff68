//! Conflation (S3, S4): of each key the newest entry between a cursor and the head of this moment, in offset order.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::feed::{Feed, Refill};
use crate::filter::{Scratch, Sieve};
use crate::form::Writer;
use crate::log::Log;
use crate::newest::Newest;
use crate::picks::Picks;
use crate::segment::SEGMENT;
use crate::staging::Staging;

/// The rounds of one `latest` cursor, one after the other.
#[derive(Debug)]
pub struct Round {
    /// What goes out.
    pub staging: Staging,
    /// Another round is due: none has begun yet, or the socket was blocked since the last one did (S3).
    pub again: bool,
    after: u64,
    snapshot: bool,
    phase: Phase,
}

/// Offsets and no entries: a reader that takes its time keeps nothing alive that the log has let go.
#[derive(Debug)]
enum Phase {
    Idle,
    /// Over the newest entries that the log keeps per key: everything up to `at` was staged. What is left of them up to
    /// `end` is what was there when the round began, without what has a successor beyond `end` by now.
    Ranging {
        at: u64,
        end: u64,
    },
    /// Looking through the ring.
    Gathering(Picks),
    /// Staging what was found there.
    Delivering(Picks),
}

impl Round {
    /// Rounds that begin after `after`.
    pub fn new(after: u64) -> Self {
        Self {
            staging: Staging::new(after),
            again: true,
            after,
            snapshot: false,
            phase: Phase::Idle,
        }
    }

    /// Rounds that begin where a replay stands, behind what it has staged.
    pub fn continuing(feed: Feed) -> Self {
        Self {
            after: feed.after(),
            staging: feed.staging,
            ..Self::new(0)
        }
    }

    /// Rounds that begin with a snapshot (S5): what is no longer in the log is not missing, removed keys are left out.
    pub fn with_snapshot(self) -> Self {
        Self {
            snapshot: true,
            ..self
        }
    }

    /// The same from what was `settled` on: what was staged is found again (M26).
    pub fn restaged(&self, settled: u64) -> Self {
        Self {
            snapshot: self.snapshot,
            ..Self::new(settled)
        }
    }

    /// A replay that begins with what this round has staged: a gap, and nothing else.
    pub fn into_feed(self) -> Feed {
        Feed::continuing(self.staging, self.after)
    }

    /// Offset at which the last round ended.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Between two rounds.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.staging.is_drained()
    }

    /// Go on after `offset`: what lies between is in a gap that was staged.
    pub fn skip_to(&mut self, offset: u64) {
        self.after = offset;
        self.phase = Phase::Idle;
    }

    /// Begin with a snapshot again: what lies between the last round and this is in a gap that was staged.
    pub fn start_over(&mut self) {
        self.skip_to(0);
        self.snapshot = true;
    }

    /// What was `settled` ends here: it goes on after `after`, behind a gap that is yet to be staged.
    pub fn begin_again(&mut self, settled: u64, after: u64) {
        *self = Self {
            staging: Staging::new(settled),
            ..Self::new(after)
        };
    }

    /// Whether what comes next is lost, for who may not send it yet.
    pub fn look(&mut self, channel: &Channel, turn: u64) -> Refill {
        let log = channel.log();
        if log.turn() != turn {
            return Refill::Turned;
        }
        let lost = match &self.phase {
            Phase::Ranging { at, .. } => !self.is_whole(&log, *at),
            Phase::Delivering(picks) => picks.peek().is_some_and(|next| next < log.first()),
            Phase::Idle | Phase::Gathering(_) => false,
        };
        if lost && !self.snapshot {
            self.phase = Phase::Idle;
            self.end_early(self.staging.settled());
        }
        let idle = matches!(self.phase, Phase::Idle);
        if idle && log.head() > self.after && self.is_overrun(&log) {
            return Refill::Overrun;
        }
        Refill::Reached
    }

    /// The newest entry of each key is kept, of all that changed after `after`.
    fn is_whole(&self, log: &Log, after: u64) -> bool {
        let whole = |newest: &Newest| self.snapshot || newest.forgotten() <= after;
        log.newest().is_some_and(whole)
    }

    fn is_overrun(&self, log: &Log) -> bool {
        !self.snapshot && !self.is_whole(log, self.after) && log.first() > self.after + 1
    }

    /// After the last chunk was sent: at most `allowed` more messages of this round, or of the next one if this one has
    /// ended. `Reached` when the head is reached.
    pub fn refill(
        &mut self,
        (channel, turn): (&Channel, u64),
        writer: &mut Writer<'_>,
        allowed: usize,
        (sieve, scratch): (Option<&Sieve>, &mut Scratch),
    ) -> Refill {
        self.staging.restart();
        let mut chunk = Vec::new();
        let log = channel.log();
        if log.turn() != turn {
            return Refill::Turned;
        }
        let history = log.history();
        // S3: of each key the newest counts, owed or not; so that is looked for first, and then whether it passes.
        let passes =
            |entry: &Entry| sieve.is_none_or(|sieve| sieve.passes(history, entry, scratch));
        let found = self.find(&log, allowed, passes, &mut chunk);
        drop(log);
        for entry in chunk {
            self.staging.push_entry(&entry, writer);
        }
        if self.staging.is_drained() && matches!(self.phase, Phase::Idle) {
            // Everything between was removed, or conflated into what came before.
            self.staging.settle(self.after);
        }
        found
    }

    fn find(
        &mut self,
        log: &Log,
        allowed: usize,
        passes: impl FnMut(&Entry) -> bool,
        chunk: &mut Vec<Arc<Entry>>,
    ) -> Refill {
        if matches!(self.phase, Phase::Idle) {
            match self.begin(log) {
                Refill::Ready => {}
                other => return other,
            }
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => Refill::Unready,
            Phase::Ranging { at, end } => self.range(log, (at, end), allowed, passes, chunk),
            Phase::Gathering(picks) => self.gather(log, picks, allowed, passes, chunk),
            Phase::Delivering(picks) => self.deliver(log, picks, allowed, passes, chunk),
        }
    }

    fn begin(&mut self, log: &Log) -> Refill {
        let (after, end) = (self.after, log.head());
        if end <= after {
            self.snapshot = false;
            return Refill::Reached;
        }
        self.staging.settle(after);
        self.phase = if self.is_whole(log, after) {
            Phase::Ranging { at: after, end }
        } else if self.is_overrun(log) {
            return Refill::Overrun;
        } else {
            Phase::Gathering(Picks::new(after, end, self.snapshot))
        };
        self.again = false;
        Refill::Ready
    }

    /// S13: an entry that is no longer the newest of its key has a successor, which the next round delivers.
    fn range(
        &mut self,
        log: &Log,
        (at, end): (u64, u64),
        allowed: usize,
        mut passes: impl FnMut(&Entry) -> bool,
        chunk: &mut Vec<Arc<Entry>>,
    ) -> Refill {
        let kept = log.newest();
        let Some(newest) = kept.filter(|newest| self.snapshot || newest.forgotten() <= at) else {
            // Some are gone without a successor: the next round knows what to do about it.
            return self.end_early(at);
        };
        let (mut bytes, mut last) = (0, None);
        for entry in newest.between(at, end, self.snapshot) {
            if chunk.len() >= allowed || bytes >= SEGMENT {
                break;
            }
            bytes += entry.size();
            last = Some(entry.offset());
            if passes(entry) {
                chunk.push(Arc::clone(entry));
            }
        }
        match last {
            Some(at) if at < end => {
                self.phase = Phase::Ranging { at, end };
                ready(chunk)
            }
            _ => {
                // What is removed from now on was in the snapshot.
                self.snapshot = false;
                self.end_at(end, chunk)
            }
        }
    }

    fn gather(
        &mut self,
        log: &Log,
        mut picks: Picks,
        allowed: usize,
        passes: impl FnMut(&Entry) -> bool,
        chunk: &mut Vec<Arc<Entry>>,
    ) -> Refill {
        if !picks.look(log) {
            self.phase = Phase::Gathering(picks);
            return Refill::Unready;
        }
        if log.first() > self.after + 1 && !self.snapshot {
            return Refill::Overrun;
        }
        self.again |= picks.put_off();
        self.deliver(log, picks, allowed, passes, chunk)
    }

    fn deliver(
        &mut self,
        log: &Log,
        mut picks: Picks,
        allowed: usize,
        mut passes: impl FnMut(&Entry) -> bool,
        chunk: &mut Vec<Arc<Entry>>,
    ) -> Refill {
        let mut bytes = 0;
        while chunk.len() < allowed && bytes < SEGMENT {
            let Some(offset) = picks.next() else {
                self.snapshot &= picks.put_off();
                return self.end_at(picks.end(), chunk);
            };
            match log.get(offset) {
                Some(entry) => {
                    bytes += entry.size();
                    if passes(entry) {
                        chunk.push(Arc::clone(entry));
                    }
                }
                // A snapshot is of what is still kept (S5).
                None if self.snapshot => {}
                // The next round finds that it was overrun (S9).
                None if chunk.is_empty() => return self.end_early(self.staging.settled()),
                None => {
                    picks.put_back(offset);
                    break;
                }
            }
        }
        self.phase = Phase::Delivering(picks);
        ready(chunk)
    }

    fn end_early(&mut self, after: u64) -> Refill {
        self.after = after;
        self.again = true;
        Refill::Unready
    }

    fn end_at(&mut self, end: u64, chunk: &[Arc<Entry>]) -> Refill {
        self.after = end;
        ready(chunk)
    }

    /// What is settled: all of a round that has ended, else what was sent of it.
    pub fn settled(&self) -> u64 {
        if self.is_idle() {
            self.after.max(self.staging.settled())
        } else {
            self.staging.settled()
        }
    }
}

fn ready(chunk: &[Arc<Entry>]) -> Refill {
    if chunk.is_empty() {
        Refill::Unready
    } else {
        Refill::Ready
    }
}
