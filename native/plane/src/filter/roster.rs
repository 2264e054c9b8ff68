//! The distinct filters of one channel: equal ones are one, and what is new is judged for all at once.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::entry::Entry;
use crate::error::PlaneError;
use crate::filter::Filter;
use crate::filter::group::{Group, Of};
use crate::filter::keys::{Key, keys_of};
use crate::filter::look::Scratch;
use crate::filter::notes::{Notes, Taken};
use crate::filter::rule::Rule;
use crate::filter::sieve::{Sieve, Weight};
use crate::filter::totals::{Shared, Totals};
use crate::filter::verdicts::Judged;

/// Bytes of a filter on a channel beside those of its conditions: its place among the others, and a view.
const BASE: usize = 640;

/// So many hits before one is noted, what that touches is fetched.
const AHEAD: usize = 8;

/// The filters of one channel.
#[derive(Debug)]
pub struct Roster {
    totals: Arc<Totals>,
    evaluated: AtomicUsize,
    /// Those that the group still lists, though nobody follows through them.
    gone: Mutex<Vec<(u32, Rule)>>,
    front: Mutex<Front>,
    group: Mutex<Group>,
    /// Locked last of all, for a moment.
    notes: Mutex<Notes>,
}

/// Up to where everything was judged for all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Front {
    history: u64,
    judged: Judged,
}

/// An entry that passes a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The number of the filter.
    pub sieve: u64,
    /// Which of the entries that were judged.
    pub entry: usize,
}

/// A panic elsewhere while it was held has left nothing half changed that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Roster {
    /// None yet.
    pub fn new(totals: Arc<Totals>) -> Self {
        Self {
            notes: Mutex::new(Notes::new(Arc::clone(&totals))),
            totals,
            evaluated: AtomicUsize::new(0),
            gone: Mutex::default(),
            front: Mutex::default(),
            group: Mutex::default(),
        }
    }

    /// The sieve of a filter: the one there is, or another if there is room for it. `must`: there is always room, since what
    /// follows the channel has to be filtered anew (C17, F12).
    pub fn take(self: &Arc<Self>, filter: Filter, must: bool) -> Result<Arc<Sieve>, PlaneError> {
        let mut group = lock(&self.group);
        self.tidy(&mut group);
        let taken = match group.find(&filter.rule) {
            Some(known) => Ok(known),
            None => self.begin(&mut group, filter.rule, must),
        };
        drop(group);
        self.settle();
        taken
    }

    fn begin(
        self: &Arc<Self>,
        group: &mut Group,
        rule: Rule,
        must: bool,
    ) -> Result<Arc<Sieve>, PlaneError> {
        let keys = keys_of(&rule.node);
        let filed: usize = keys.iter().flatten().map(Key::size).sum();
        let weight = Weight {
            bytes: BASE + rule.held() + filed,
            is_free: group.is_free(keys.as_deref(), &rule),
        };
        self.make_room(weight, must)?;
        let front = *lock(&self.front);
        let since = (front.history, front.judged.upto);
        let before = group.shared();
        let sieve = group.insert(rule, keys.as_deref(), |seat, rule| {
            let (home, totals) = (Arc::clone(self), Arc::clone(&self.totals));
            let id = self.totals.next();
            Sieve::new((id, seat), (rule, weight), (home, totals), since)
        });
        self.totals.share(group.shared(), before);
        lock(&self.notes).seat(sieve.seat);
        Ok(sieve)
    }

    fn make_room(&self, weight: Weight, must: bool) -> Result<(), PlaneError> {
        let more = usize::from(!weight.is_free);
        let of_channel = self.evaluated.fetch_add(more, SeqCst);
        let room = self.totals.make_room(more, of_channel, weight.bytes);
        match room {
            Err(error) if !must => {
                self.uncount(weight);
                self.totals.refused.add(1);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn uncount(&self, weight: Weight) {
        let less = usize::from(!weight.is_free);
        self.evaluated.fetch_sub(less, SeqCst);
        self.totals.uncount(less, weight.bytes);
    }

    /// A sieve is gone. It may go while the group is locked.
    pub(super) fn gone(&self, seat: u32, rule: Rule, weight: Weight) {
        self.uncount(weight);
        lock(&self.gone).push((seat, rule));
        self.settle();
    }

    /// Those that have gone leave the group; while it is locked, whoever holds it does this once he lets go.
    fn settle(&self) {
        while !lock(&self.gone).is_empty() {
            let mut group = match self.group.try_lock() {
                Ok(group) => group,
                Err(TryLockError::Poisoned(group)) => group.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.tidy(&mut group);
        }
    }

    fn tidy(&self, group: &mut Group) {
        let gone = std::mem::take(&mut *lock(&self.gone));
        if gone.is_empty() {
            return;
        }
        let before = group.shared();
        for (seat, rule) in gone {
            group.remove(seat, &rule);
        }
        self.totals.share(group.shared(), before);
        group.renew_paths();
        if group.is_empty() {
            lock(&self.notes).let_go();
        }
    }

    pub(super) fn count_judged(&self, more: u64, again: u64) {
        self.totals.judged.add(more);
        self.totals.rejudged.add(again);
    }

    pub(super) fn front(&self) -> Front {
        *lock(&self.front)
    }

    /// What was noted of a filter in a history since this was asked last.
    pub(super) fn take_noted(&self, seat: u32, history: u64) -> Taken {
        lock(&self.notes).take(seat, history)
    }

    /// Which of the entries of a history, that follow one another, pass which filters: those of a filter together, and by
    /// entry. What was judged already is not judged again.
    pub fn sift(
        &self,
        history: u64,
        entries: &[Arc<Entry>],
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) {
        hits.clear();
        let mut group = lock(&self.group);
        self.tidy(&mut group);
        group.begin();
        let mut front = *lock(&self.front);
        if history > front.history {
            front = Front {
                history,
                judged: Judged::default(),
            };
        }
        let (mut judged, mut again, mut near) = (0, 0, 0);
        let is_new = |entry: &Entry| history == front.history && entry.offset() > front.judged.upto;
        for (number, entry) in (0..).zip(entries) {
            let is_new = is_new(entry);
            let of = Of {
                history,
                entry,
                number,
                is_new,
                front: &front,
            };
            let looked = group.sift(&of, scratch);
            judged += looked.judged;
            again += looked.again;
            near += if is_new { looked.near } else { 0 };
        }
        group.end();
        let passed = group.passed();
        let mut notes = lock(&self.notes);
        notes.enter(history);
        for (at, one) in passed.iter().enumerate() {
            if let Some(ahead) = passed.get(at + AHEAD) {
                notes.expect(ahead.seat());
                group.expect(ahead.seat());
            }
            let (Some(sieve), Some(entry)) = (group.id(one.seat()), entries.get(one.entry()))
            else {
                continue;
            };
            if is_new(entry) {
                notes.note(one.seat(), entry.offset());
            }
            let entry = one.entry();
            hits.push(Hit { sieve, entry });
        }
        drop(notes);
        // Whoever sees that they were judged sees what was noted.
        front.pass(history, entries);
        *lock(&self.front) = front;
        drop(group);
        self.settle();
        self.totals.near.add(near as u64);
        self.count_judged(judged, again);
    }
}

impl Drop for Roster {
    /// Whatever was left when somebody panicked.
    fn drop(&mut self) {
        let group = self.group.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.totals.share(Shared::default(), group.shared());
    }
}

impl Front {
    /// What of a history was judged for all that were there `since` then.
    pub(super) fn judged(&self, history: u64, since: (u64, u64)) -> Judged {
        if self.history != history {
            return Judged::default();
        }
        let mut judged = self.judged;
        if since.0 == history {
            judged.after = judged.after.max(since.1);
        }
        judged
    }

    /// These entries were judged too.
    fn pass(&mut self, history: u64, entries: &[Arc<Entry>]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        if history != self.history || last.offset() <= self.judged.upto {
            return;
        }
        if first.offset() > self.judged.upto + 1 {
            self.judged.after = first.offset() - 1;
        }
        self.judged.upto = last.offset();
    }
}
