//! A log as threads share it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::durable::Durable;
use crate::entry::Entry;
use crate::figures::ChannelFigures;
use crate::filter::{Hit, Roster, Scratch, Totals};
use crate::log::Log;

/// One open channel: its log under a short lock, and which I/O threads follow it.
#[derive(Debug)]
pub struct Channel {
    /// The number by which Python calls it.
    pub id: u64,
    /// The name in messages.
    pub name: Arc<str>,
    /// Its files, where it has some.
    pub durable: Option<Durable>,
    log: Mutex<Log>,
    followers: Box<[Follower]>,
    is_closed: AtomicBool,
    /// Somebody is about to close it: nobody holds it open any more.
    is_closing: AtomicBool,
    /// How many hold it open.
    held: AtomicUsize,
    figures: OnceLock<Box<ChannelFigures>>,
    roster: OnceLock<Arc<Roster>>,
}

/// What one I/O thread has to do with a channel.
#[derive(Debug, Default)]
struct Follower {
    cursors: AtomicUsize,
    told: AtomicBool,
}

impl Channel {
    /// A channel that `threads` I/O threads may follow.
    pub fn new(id: u64, name: &str, log: Log, durable: Option<Durable>, threads: usize) -> Self {
        Self {
            id,
            name: name.into(),
            durable,
            log: Mutex::new(log),
            followers: (0..threads).map(|_| Follower::default()).collect(),
            is_closed: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            figures: OnceLock::new(),
            roster: OnceLock::new(),
        }
    }

    /// The log, for a moment. A panic elsewhere while it was held cannot have left it half changed in a way that matters:
    /// offsets follow from the ring's length.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody finds it any more: from now on what is in its log counts for nothing. To be called with the log locked.
    pub fn close(&self) {
        self.is_closed.store(true, SeqCst);
    }

    /// Whether it was closed; what is asked with the log locked stays so.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }

    /// Keep it open for what is about to be appended; none if it is closed, or about to be.
    pub fn hold(self: &Arc<Self>) -> Option<Held> {
        self.held.fetch_add(1, SeqCst);
        let held = Held(Arc::clone(self));
        // Whoever closes says so before it looks who holds: one of the two sees the other.
        (!self.is_closing.load(SeqCst)).then_some(held)
    }

    /// Nobody can hold it open from now on: whether nobody does. Logs are closed by one thread at a time.
    pub fn begin_close(&self) -> bool {
        self.is_closing.store(true, SeqCst);
        self.held.load(SeqCst) == 0
    }

    /// It stays open after all.
    pub fn stay_open(&self) {
        self.is_closing.store(false, SeqCst);
    }

    /// What happened on it.
    pub fn figures(&self) -> &ChannelFigures {
        self.figures.get_or_init(Box::default)
    }

    /// The distinct filters of those who follow it; at the first of them, one of those that `totals` counts.
    pub fn roster(&self, totals: &Arc<Totals>) -> &Arc<Roster> {
        self.roster
            .get_or_init(|| Arc::new(Roster::new(Arc::clone(totals))))
    }

    /// Which of the entries of a history, that follow one another, pass which filters (see [`Roster::sift`]).
    pub fn sift(
        &self,
        history: u64,
        entries: &[Arc<Entry>],
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) {
        hits.clear();
        if let Some(roster) = self.roster.get() {
            roster.sift(history, entries, scratch, hits);
        }
    }

    /// A cursor of I/O thread `thread` comes. To be called before the head is read: whoever appends after that tells.
    pub fn join(&self, thread: usize) {
        if let Some(follower) = self.followers.get(thread) {
            follower.cursors.fetch_add(1, SeqCst);
        }
    }

    /// A cursor of I/O thread `thread` goes.
    pub fn leave(&self, thread: usize) {
        if let Some(follower) = self.followers.get(thread) {
            follower.cursors.fetch_sub(1, SeqCst);
        }
    }

    /// Cursors of all threads.
    pub fn cursors(&self) -> usize {
        self.followers
            .iter()
            .map(|follower| follower.cursors.load(SeqCst))
            .sum()
    }

    /// The I/O threads that follow and were not told yet of what has been appended.
    pub fn to_tell(&self) -> impl Iterator<Item = usize> {
        self.followers
            .iter()
            .enumerate()
            .filter_map(|(thread, follower)| {
                let follows = follower.cursors.load(SeqCst) > 0;
                (follows && !follower.told.swap(true, SeqCst)).then_some(thread)
            })
    }

    /// I/O thread `thread` is about to read the log: what is appended from now on has to be told again.
    pub fn heard(&self, thread: usize) {
        if let Some(follower) = self.followers.get(thread) {
            follower.told.store(false, SeqCst);
        }
    }
}

/// An open channel, which stays so as long as this is there.
#[derive(Debug)]
pub struct Held(Arc<Channel>);

impl std::ops::Deref for Held {
    type Target = Arc<Channel>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, SeqCst);
    }
}
