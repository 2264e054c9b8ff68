//! The distinct filters of one channel: equal ones are one, and what is new is judged for all at once: each entry is read
//! once, and evaluated for those that it may pass.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::entry::Entry;
use crate::error::PlaneError;
use crate::figures::Count;
use crate::filter::Filter;
use crate::filter::files::Files;
use crate::filter::keys::{Key, keys_of};
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::sieve::Sieve;
use crate::filter::verdicts::Judged;
use crate::json::Paths;

/// Bytes of a filter on a channel beside those of the filter itself: its places among the others, and a view.
const BASE: usize = 1_024;
/// Bytes of a key among those of others.
const KEY: usize = 256;
/// So many of those that have gone keep their places among the paths, whatever there is.
const STALE: usize = 64;

/// Bounds of filters.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Distinct (channel, filter) that are evaluated for whatever comes.
    pub all: usize,
    /// The same of one channel.
    pub of_channel: usize,
    /// Bytes of all distinct (channel, filter).
    pub bytes: usize,
}

/// What holds for the filters of all channels together.
#[derive(Debug)]
pub struct Totals {
    bounds: Bounds,
    next: AtomicU64,
    count: AtomicUsize,
    /// Those that are not filed under balls.
    evaluated: AtomicUsize,
    bytes: AtomicUsize,
    balls: AtomicUsize,
    /// Subscriptions refused for these bounds.
    pub refused: Count,
    /// Evaluations of a filter for an entry.
    pub judged: Count,
    /// Filters whose ball held the vector of an entry, for each entry.
    pub near: Count,
}

impl Totals {
    /// No filters.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next: AtomicU64::new(1),
            count: AtomicUsize::new(0),
            evaluated: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            balls: AtomicUsize::new(0),
            refused: Count::default(),
            judged: Count::default(),
            near: Count::default(),
        }
    }

    /// Distinct (channel, filter) that somebody follows.
    pub fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Bytes that are counted for them.
    pub fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    /// Distinct (channel, ball) that vectors are looked up in.
    pub fn balls(&self) -> usize {
        self.balls.load(SeqCst)
    }

    fn balls_are(&self, now: usize, before: usize) {
        self.balls.fetch_add(now, SeqCst);
        self.balls.fetch_sub(before, SeqCst);
    }
}

/// The sieves of one channel.
#[derive(Debug)]
pub struct Sieves {
    totals: Arc<Totals>,
    evaluated: AtomicUsize,
    /// Those that the group still lists, though nobody follows through them.
    gone: Mutex<Vec<Gone>>,
    front: Mutex<Front>,
    group: Mutex<Group>,
}

/// Up to where everything was judged for all.
#[derive(Clone, Copy, Debug, Default)]
struct Front {
    history: u64,
    judged: Judged,
}

#[derive(Debug)]
struct Gone {
    id: u64,
    keys: Option<Box<[Key]>>,
    text: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Group {
    by_text: HashMap<Arc<[u8]>, Weak<Sieve>>,
    members: HashMap<u64, Member>,
    files: Files,
    /// The places that any of them looks at.
    paths: Paths,
    /// How many have gone since the paths were put together.
    left: usize,
    found: Vec<u64>,
}

#[derive(Debug)]
struct Member {
    sieve: Weak<Sieve>,
    /// Where its members stand in the paths of the group.
    slots: Box<[usize]>,
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

fn is_by_balls(keys: Option<&[Key]>) -> bool {
    keys.is_some_and(|keys| keys.iter().all(Key::is_ball))
}

impl Sieves {
    /// None yet.
    pub fn new(totals: Arc<Totals>) -> Self {
        Self {
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
        if let Some(known) = group.by_text.get(filter.text()).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let keys = keys_of(&filter.node).map(Vec::into_boxed_slice);
        let size = BASE + filter.size() + KEY * keys.as_ref().map_or(0, |keys| keys.len());
        self.make_room(is_by_balls(keys.as_deref()), size, must)?;
        let id = self.totals.next.fetch_add(1, SeqCst);
        let text = Arc::clone(&filter.text);
        let front = *lock(&self.front);
        let since = (front.history, front.judged.upto);
        let sieve = Sieve::new(id, (filter, keys, size), Arc::clone(self), since);
        let sieve = Arc::new(sieve);
        let before = group.files.balls();
        group.insert(&sieve);
        self.totals.balls_are(group.files.balls(), before);
        group.by_text.insert(text, Arc::downgrade(&sieve));
        Ok(sieve)
    }

    fn make_room(&self, is_by_balls: bool, size: usize, must: bool) -> Result<(), PlaneError> {
        let totals = &self.totals;
        let bounds = totals.bounds;
        let more = usize::from(!is_by_balls);
        let of_channel = self.evaluated.fetch_add(more, SeqCst);
        let of_all = totals.evaluated.fetch_add(more, SeqCst);
        totals.count.fetch_add(1, SeqCst);
        let bytes = totals.bytes.fetch_add(size, SeqCst) + size;
        let full = if more > 0 && of_channel >= bounds.of_channel {
            Some(PlaneError::Filters("of the channel", bounds.of_channel))
        } else if more > 0 && of_all >= bounds.all {
            Some(PlaneError::Filters("of all channels", bounds.all))
        } else if bytes > bounds.bytes {
            Some(PlaneError::FilterMemory(bounds.bytes))
        } else {
            None
        };
        match full {
            Some(error) if !must => {
                self.uncount(is_by_balls, size);
                totals.refused.add(1);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn uncount(&self, is_by_balls: bool, size: usize) {
        let less = usize::from(!is_by_balls);
        self.evaluated.fetch_sub(less, SeqCst);
        self.totals.evaluated.fetch_sub(less, SeqCst);
        self.totals.count.fetch_sub(1, SeqCst);
        self.totals.bytes.fetch_sub(size, SeqCst);
    }

    /// A sieve is gone. It may go while the group is locked.
    pub(super) fn gone(&self, id: u64, keys: Option<Box<[Key]>>, text: Arc<[u8]>, size: usize) {
        self.uncount(is_by_balls(keys.as_deref()), size);
        lock(&self.gone).push(Gone { id, keys, text });
    }

    fn tidy(&self, group: &mut Group) {
        let gone = std::mem::take(&mut *lock(&self.gone));
        if gone.is_empty() {
            return;
        }
        let before = group.files.balls();
        for one in gone {
            group.remove(&one);
        }
        self.totals.balls_are(group.files.balls(), before);
        group.renew_paths();
    }

    pub(super) fn count_judged(&self, more: u64) {
        self.totals.judged.add(more);
    }

    /// What of a history was judged for all that were there `since` then.
    pub(super) fn judged(&self, history: u64, since: (u64, u64)) -> Judged {
        let front = *lock(&self.front);
        let mut judged = front.judged;
        if front.history != history {
            return Judged::default();
        }
        if since.0 == history {
            judged.after = judged.after.max(since.1);
        }
        judged
    }

    /// Which of the entries of a history, that follow one another, pass which filters: ascending by filter, and of one by
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
        let mut front = *lock(&self.front);
        if history > front.history {
            front = Front {
                history,
                judged: Judged::default(),
            };
        }
        let (mut judged, mut near) = (0, 0);
        for (number, entry) in entries.iter().enumerate() {
            let is_new = history == front.history && entry.offset() > front.judged.upto;
            let of = Of {
                history,
                entry,
                is_new,
            };
            let looked = group.sift(&of, scratch, |sieve| {
                hits.push(Hit {
                    sieve,
                    entry: number,
                });
            });
            judged += looked.judged;
            near += if is_new { looked.near } else { 0 };
        }
        front.pass(history, entries);
        *lock(&self.front) = front;
        drop(group);
        hits.sort_unstable();
        self.totals.near.add(near as u64);
        self.count_judged(judged);
    }
}

impl Front {
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

/// An entry of a history, and whether nobody has judged it for all.
struct Of<'a> {
    history: u64,
    entry: &'a Entry,
    is_new: bool,
}

#[derive(Default)]
struct Looked {
    judged: u64,
    near: usize,
}

impl Group {
    fn insert(&mut self, sieve: &Arc<Sieve>) {
        let member = Member::new(sieve, &mut self.paths);
        self.members.insert(sieve.id, member);
        let keys = sieve.keys.as_deref();
        self.files.insert(sieve.id, keys, &mut self.paths);
    }

    fn remove(&mut self, gone: &Gone) {
        self.members.remove(&gone.id);
        self.files.remove(gone.id, gone.keys.as_deref());
        self.left += 1;
        // Another may have come since that is equal.
        let is_gone = |sieve: &Weak<Sieve>| sieve.strong_count() == 0;
        if self.by_text.get(&gone.text).is_some_and(is_gone) {
            self.by_text.remove(&gone.text);
        }
    }

    /// Put the paths together again, once most of what is in them may be of those that have gone.
    fn renew_paths(&mut self) {
        if self.left <= self.members.len().max(STALE) {
            return;
        }
        self.left = 0;
        self.paths = Paths::default();
        for member in self.members.values_mut() {
            if let Some(sieve) = member.sieve.upgrade() {
                *member = Member::new(&sieve, &mut self.paths);
            }
        }
        self.files.renumber(&mut self.paths);
    }

    fn sift(&mut self, of: &Of<'_>, scratch: &mut Scratch, mut hit: impl FnMut(u64)) -> Looked {
        let mut looked = Looked::default();
        let subject = Subject::from(of.entry);
        let mut look = Look::new(&subject, &self.paths, scratch);
        looked.near = self.files.find(&mut look, &mut self.found);
        for id in &self.found {
            let Some(member) = self.members.get(id) else {
                continue;
            };
            let Some(sieve) = member.sieve.upgrade() else {
                continue;
            };
            let offset = of.entry.offset();
            let passes = sieve.known(of.history, offset).unwrap_or_else(|| {
                looked.judged += 1;
                let passes = sieve.holds(&member.slots, &mut look);
                // What is new needs no note to be known as what does not pass.
                if passes || !of.is_new {
                    sieve.note(of.history, offset, passes);
                }
                passes
            });
            if passes {
                hit(*id);
            }
        }
        looked
    }
}
