//! The distinct filters of one channel: equal ones are one, their number is bounded, and what is new is judged for all at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::entry::Entry;
use crate::error::PlaneError;
use crate::figures::Count;
use crate::filter::Filter;
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::sieve::Sieve;
use crate::json::Paths;

/// What holds for the filters of all channels together.
#[derive(Debug)]
pub struct Totals {
    /// Distinct (channel, filter) at most.
    most: usize,
    /// Distinct filters of a channel at most.
    most_of_channel: usize,
    next: AtomicU64,
    count: AtomicUsize,
    /// Subscriptions refused for these bounds.
    pub refused: Count,
    /// Evaluations of a filter for an entry.
    pub judged: Count,
}

impl Totals {
    /// No filters.
    pub fn new(most: usize, most_of_channel: usize) -> Self {
        Self {
            most,
            most_of_channel,
            next: AtomicU64::new(1),
            count: AtomicUsize::new(0),
            refused: Count::default(),
            judged: Count::default(),
        }
    }

    /// Distinct (channel, filter) that somebody follows.
    pub fn count(&self) -> usize {
        self.count.load(SeqCst)
    }
}

/// The sieves of one channel.
#[derive(Debug)]
pub struct Sieves {
    totals: Arc<Totals>,
    count: AtomicUsize,
    /// Some that the group still lists are gone.
    is_stale: AtomicBool,
    group: Mutex<Group>,
}

#[derive(Debug, Default)]
struct Group {
    by_text: HashMap<Box<[u8]>, Weak<Sieve>>,
    members: Vec<Member>,
    /// The places that any of them looks at.
    paths: Paths,
    history: u64,
    /// Everything up to here was judged for all.
    front: u64,
}

#[derive(Debug)]
struct Member {
    sieve: Weak<Sieve>,
    /// Where its members stand in the paths of the group.
    slots: Vec<usize>,
}

impl Member {
    fn new(sieve: &Arc<Sieve>, paths: &mut Paths) -> Self {
        let places = sieve.filter.members.iter();
        Self {
            sieve: Arc::downgrade(sieve),
            slots: places.map(|path| paths.insert(path.steps())).collect(),
        }
    }
}

impl Sieves {
    /// None yet.
    pub fn new(totals: Arc<Totals>) -> Self {
        Self {
            totals,
            count: AtomicUsize::new(0),
            is_stale: AtomicBool::new(false),
            group: Mutex::default(),
        }
    }

    /// The sieve of a filter: the one there is, or another if there is room for it. `must`: there is always room, since what
    /// follows the channel has to be filtered anew (C17, F12).
    pub fn take(self: &Arc<Self>, filter: Filter, must: bool) -> Result<Arc<Sieve>, PlaneError> {
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        group.tidy(&self.is_stale);
        if let Some(known) = group.by_text.get(filter.text()).and_then(Weak::upgrade) {
            return Ok(known);
        }
        self.make_room(must)?;
        let text = filter.text().into();
        let id = self.totals.next.fetch_add(1, SeqCst);
        let sieve = Arc::new(Sieve::new(id, filter, Arc::clone(self)));
        let member = Member::new(&sieve, &mut group.paths);
        group.members.push(member);
        group.by_text.insert(text, Arc::downgrade(&sieve));
        Ok(sieve)
    }

    fn make_room(&self, must: bool) -> Result<(), PlaneError> {
        let totals = &self.totals;
        let of_channel = self.count.fetch_add(1, SeqCst);
        let of_all = totals.count.fetch_add(1, SeqCst);
        let full = if of_channel >= totals.most_of_channel {
            Some(("of the channel", totals.most_of_channel))
        } else if of_all >= totals.most {
            Some(("of all channels", totals.most))
        } else {
            None
        };
        match full {
            Some((of, most)) if !must => {
                self.uncount();
                totals.refused.add(1);
                Err(PlaneError::Filters(of, most))
            }
            _ => Ok(()),
        }
    }

    fn uncount(&self) {
        self.count.fetch_sub(1, SeqCst);
        self.totals.count.fetch_sub(1, SeqCst);
    }

    /// A sieve is gone. It may go while the group is locked.
    pub(super) fn gone(&self) {
        self.uncount();
        self.is_stale.store(true, SeqCst);
    }

    pub(super) fn count_judged(&self, more: u64) {
        self.totals.judged.add(more);
    }

    /// Judge what is new for all of them: one reading of each entry. What is not new is left to who asks.
    pub(super) fn judge(&self, history: u64, entries: &[Arc<Entry>], scratch: &mut Scratch) {
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        if history > group.history {
            (group.history, group.front) = (history, 0);
        }
        let front = group.front;
        let new = entries.partition_point(|entry| entry.offset() <= front);
        let Some(new) = entries.get(new..).filter(|new| !new.is_empty()) else {
            return;
        };
        if history < group.history {
            return;
        }
        group.tidy(&self.is_stale);
        let judged = group.judge(history, new, scratch);
        group.front = new.last().map_or(front, |entry| entry.offset());
        drop(group);
        self.count_judged(judged);
    }
}

impl Group {
    /// Forget those that are gone; the paths are put together again.
    fn tidy(&mut self, is_stale: &AtomicBool) {
        if !is_stale.swap(false, SeqCst) {
            return;
        }
        self.by_text.retain(|_, sieve| sieve.strong_count() > 0);
        let sieves: Vec<Arc<Sieve>> = self.by_text.values().filter_map(Weak::upgrade).collect();
        self.paths = Paths::default();
        let paths = &mut self.paths;
        self.members = sieves.iter().map(|one| Member::new(one, paths)).collect();
    }

    fn judge(&self, history: u64, entries: &[Arc<Entry>], scratch: &mut Scratch) -> u64 {
        let upgrade = |member: &Member| member.sieve.upgrade();
        let sieves: Vec<Option<Arc<Sieve>>> = self.members.iter().map(upgrade).collect();
        let mut judged = 0;
        for entry in entries {
            let subject = Subject::from(&**entry);
            let mut look = Look::new(&subject, &self.paths, scratch);
            for (member, sieve) in self.members.iter().zip(&sieves) {
                let Some(sieve) = sieve else {
                    continue;
                };
                if sieve.knows(history, entry.offset()) {
                    continue;
                }
                let passes = sieve.holds(&member.slots, &mut look);
                judged += 1;
                sieve.note(history, entry.offset(), passes);
            }
        }
        judged
    }
}
