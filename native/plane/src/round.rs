//! Conflation (S3, S4): of each key the newest entry between a cursor and the head of this moment, in offset order.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::{Encoding, Entry};
use crate::feed::{Feed, Refill};
use crate::log::Log;
use crate::staging::Staging;

/// Entries of a ring looked at in one turn: a long log must not hold up everybody else.
const SLICE: usize = 8_192;

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

#[derive(Debug)]
enum Phase {
    Idle,
    /// Picking from the newest to the oldest; everything from `next` up was looked at.
    Gathering {
        end: u64,
        next: u64,
        seen: HashSet<ByKey>,
        picked: Vec<Arc<Entry>>,
    },
    /// Picked entries, the oldest last.
    Delivering {
        end: u64,
        picked: Vec<Arc<Entry>>,
    },
}

/// An entry that is equal to others of its conflation key.
#[derive(Debug)]
struct ByKey(Arc<Entry>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        self.0.conflation_key()
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.conflation_key() == other.0.conflation_key()
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.conflation_key().hash(state);
    }
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
    pub fn snapshot() -> Self {
        Self {
            snapshot: true,
            ..Self::new(0)
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

    /// After the last chunk was sent: at most `allowed` more messages of this round, or of the next one if this one has
    /// ended. `Reached` when the head is reached.
    pub fn refill(&mut self, channel: &Channel, encoding: Encoding, allowed: usize) -> Refill {
        self.staging.restart();
        if matches!(self.phase, Phase::Idle) {
            match self.begin(&channel.log()) {
                Refill::Ready => {}
                other => return other,
            }
        }
        match self.gather(channel) {
            Refill::Ready => self.deliver(encoding, allowed),
            other => other,
        }
    }

    fn begin(&mut self, log: &Log) -> Refill {
        let end = log.head();
        if end <= self.after {
            self.snapshot = false;
            return Refill::Reached;
        }
        self.again = false;
        self.staging.settle(self.after);
        self.phase = match log.newest() {
            Some(newest) => Phase::Delivering {
                end,
                picked: newest
                    .after(self.after, self.snapshot)
                    .rev()
                    .map(Arc::clone)
                    .collect(),
            },
            None => Phase::Gathering {
                end,
                next: end + 1,
                seen: HashSet::new(),
                picked: Vec::new(),
            },
        };
        Refill::Ready
    }

    fn gather(&mut self, channel: &Channel) -> Refill {
        let Phase::Gathering {
            end,
            next,
            seen,
            picked,
        } = &mut self.phase
        else {
            return Refill::Ready;
        };
        let log = channel.log();
        let first = log.first().max(self.after + 1);
        let stop = next.saturating_sub(SLICE as u64).max(first);
        for offset in (stop..*next).rev() {
            if let Some(entry) = log
                .get(offset)
                .filter(|entry| !seen.contains(entry.conflation_key()))
            {
                seen.insert(ByKey(Arc::clone(entry)));
                if !(self.snapshot && entry.removes_key()) {
                    picked.push(Arc::clone(entry));
                }
            }
        }
        *next = stop.min(*next);
        if *next > first {
            return Refill::Unready;
        }
        if log.first() > self.after + 1 && !self.snapshot {
            self.phase = Phase::Idle;
            return Refill::Overrun;
        }
        let (end, picked) = (*end, std::mem::take(picked));
        self.phase = Phase::Delivering { end, picked };
        Refill::Ready
    }

    fn deliver(&mut self, encoding: Encoding, allowed: usize) -> Refill {
        let Phase::Delivering { end, picked } = &mut self.phase else {
            return Refill::Unready;
        };
        for _ in 0..allowed {
            match picked.pop() {
                Some(entry) => self.staging.push_entry(&entry, encoding),
                None => break,
            }
            if self.staging.is_full() {
                break;
            }
        }
        if picked.is_empty() {
            self.after = *end;
            self.snapshot = false;
            self.phase = Phase::Idle;
        }
        if self.staging.is_drained() {
            // Everything between was removed, or conflated into what came before.
            self.staging.settle(self.after);
            return Refill::Unready;
        }
        Refill::Ready
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
