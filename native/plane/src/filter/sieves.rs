//! The distinct filters of one channel: equal ones are one, and what is new is judged for all at once: each entry is read
//! once, and evaluated for those that it may pass.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use crate::entry::Entry;
use crate::error::PlaneError;
use crate::filter::Filter;
use crate::filter::files::Files;
use crate::filter::keys::{Key, keys_of};
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::sieve::{Filed, Sieve};
use crate::filter::totals::Totals;
use crate::filter::verdicts::Judged;
use crate::json::Paths;

/// Bytes of a filter on a channel beside those of the filter itself: its places among the others, and a view.
const BASE: usize = 1_024;
/// Bytes of a key, or of a name beside it, among those of others.
const KEY: usize = 256;
/// So many of those that have gone keep their places among the paths, whatever there is.
const STALE: usize = 64;

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
        let taken = match group.by_text.get(filter.text()).and_then(Weak::upgrade) {
            Some(known) => Ok(known),
            None => self.begin(&mut group, filter, must),
        };
        drop(group);
        self.settle();
        taken
    }

    fn begin(
        self: &Arc<Self>,
        group: &mut Group,
        filter: Filter,
        must: bool,
    ) -> Result<Arc<Sieve>, PlaneError> {
        let keys = keys_of(&filter.node).map(Vec::into_boxed_slice);
        let places = keys.iter().flatten().map(Key::places).sum::<usize>();
        let filed = Filed {
            size: BASE + filter.size() + KEY * places,
            is_free: group.files.is_free(keys.as_deref()),
            keys,
        };
        self.make_room(&filed, must)?;
        let id = self.totals.next();
        let text = Arc::clone(&filter.text);
        let front = *lock(&self.front);
        let since = (front.history, front.judged.upto);
        let (home, totals) = (Arc::clone(self), Arc::clone(&self.totals));
        let sieve = Arc::new(Sieve::new(id, (filter, filed), (home, totals), since));
        let before = group.files.balls();
        group.insert(&sieve);
        self.totals.balls_are(group.files.balls(), before);
        group.by_text.insert(text, Arc::downgrade(&sieve));
        Ok(sieve)
    }

    fn make_room(&self, filed: &Filed, must: bool) -> Result<(), PlaneError> {
        let more = usize::from(!filed.is_free);
        let of_channel = self.evaluated.fetch_add(more, SeqCst);
        let room = self.totals.make_room(more, of_channel, filed.size);
        match room {
            Err(error) if !must => {
                self.uncount(filed);
                self.totals.refused.add(1);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn uncount(&self, filed: &Filed) {
        let less = usize::from(!filed.is_free);
        self.evaluated.fetch_sub(less, SeqCst);
        self.totals.uncount(less, filed.size);
    }

    /// A sieve is gone. It may go while the group is locked.
    pub(super) fn gone(&self, id: u64, filed: Filed, text: Arc<[u8]>) {
        self.uncount(&filed);
        let keys = filed.keys;
        lock(&self.gone).push(Gone { id, keys, text });
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
        self.settle();
        hits.sort_unstable();
        self.totals.near.add(near as u64);
        self.count_judged(judged);
    }
}

impl Drop for Sieves {
    /// Whatever was left when somebody panicked.
    fn drop(&mut self) {
        let group = self.group.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.totals.balls_are(0, group.files.balls());
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
        let keys = sieve.filed.keys.as_deref();
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
