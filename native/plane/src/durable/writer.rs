//! The queue before the thread that writes durable logs.
//!
//! An append gets its place at once and waits here until the thread comes round (see `writing`).

use std::mem;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::batch::{Batch, Event};
use crate::channel::Channel;
use crate::durable::job::{Job, size};
use crate::durable::{Durable, DurableFigures};
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::error::PlaneError;
use crate::inbox::Inbox;
use crate::logs::LogId;

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Of `jobs` and of what is being written.
    entries: usize,
    bytes: usize,
    /// The thread has something to do, and waits to be told.
    is_due: bool,
    is_parked: bool,
    stops_at: Option<Instant>,
    sweep_at: Option<f64>,
}

/// What there is to do.
pub struct Turn {
    /// In the order of their places.
    pub jobs: Vec<Job>,
    /// The wall clock, if somebody asked to look at what channels keep.
    pub sweep_at: Option<f64>,
    /// Nothing more will come, and it has so long.
    pub last_until: Option<Instant>,
}

/// The queue before the thread; callable from any thread.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Queue>,
    ready: Condvar,
    /// The thread has ended: from then on another hub may have the files.
    ended: RwLock<bool>,
    max_entries: usize,
    max_bytes: usize,
    /// What happened.
    pub figures: Arc<DurableFigures>,
}

impl Writer {
    /// Nothing waits; at most so much may.
    pub fn new(max_entries: usize, max_bytes: usize, figures: Arc<DurableFigures>) -> Self {
        Self {
            queue: Mutex::default(),
            ready: Condvar::new(),
            ended: RwLock::new(false),
            max_entries,
            max_bytes,
            figures,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries and bytes that wait or are being written.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.entries, queue.bytes)
    }

    /// Give entries the places after all that wait; they are written when the thread is next told to (see
    /// [`Self::flush`]). The offset of the first.
    pub fn append(
        &self,
        channel: &Arc<Channel>,
        durable: &Durable,
        entries: Vec<NewEntry>,
        marks: Vec<Option<Box<[u8]>>>,
        ts: f64,
    ) -> Result<(Epoch, u64), PlaneError> {
        let marked: usize = marks.iter().flatten().map(|mark| mark.len()).sum();
        let bytes = entries.iter().map(size).sum::<usize>() + marked;
        let mut queue = self.queue();
        if queue.stops_at.is_some() {
            return Err(PlaneError::Stopped);
        }
        let is_too_much = queue.entries + entries.len() > self.max_entries
            || queue.bytes + bytes > self.max_bytes;
        // One that is too large by itself is written alone: the bound is on what waits.
        if queue.entries > 0 && is_too_much {
            self.figures.refused.add(entries.len() as u64);
            return Err(PlaneError::Overloaded(queue.entries, queue.bytes));
        }
        let count = entries.len() as u64;
        let first = durable.placed.fetch_add(count, SeqCst) + 1;
        let epoch = durable.epoch();
        queue.entries += entries.len();
        queue.bytes += bytes;
        queue.jobs.push(Job {
            channel: Arc::clone(channel),
            epoch: epoch.clone(),
            first,
            ts,
            entries,
            marks,
            bytes,
        });
        Ok((epoch, first))
    }

    /// Wake the thread if something waits.
    pub fn flush(&self) {
        let mut queue = self.queue();
        if queue.jobs.is_empty() {
            return;
        }
        queue.is_due = true;
        self.wake(queue);
    }

    /// Look, soon, at what channels keep; `now` is the wall clock.
    pub fn sweep(&self, now: f64) {
        let mut queue = self.queue();
        queue.sweep_at = Some(now);
        self.wake(queue);
    }

    /// Write what waits, then end; what is not synced by `deadline` is left to the kernel.
    pub fn stop(&self, deadline: Instant) {
        let mut queue = self.queue();
        queue.stops_at.get_or_insert(deadline);
        self.wake(queue);
    }

    /// The files are this process's as long as the guard is held; [`PlaneError::Stopped`] once the thread has ended.
    pub fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, PlaneError> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return Err(PlaneError::Stopped);
        }
        Ok(ended)
    }

    /// The thread has ended, well or not: nothing touches the files any more, and nothing waits for them in vain.
    pub fn end(&self) {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
        self.queue().stops_at.get_or_insert_with(Instant::now);
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        if mem::take(&mut queue.is_parked) {
            drop(queue);
            self.ready.notify_one();
        }
    }

    /// What the thread is to do next: at once, when it is told to, or when `sync_at` has come.
    pub fn wait(&self, sync_at: Option<Instant>) -> Turn {
        let mut queue = self.queue();
        loop {
            let sync_in = sync_at.map(|at| at.saturating_duration_since(Instant::now()));
            let has_work = queue.is_due || queue.stops_at.is_some() || queue.sweep_at.is_some();
            if has_work || sync_in.is_some_and(|left| left.is_zero()) {
                queue.is_parked = false;
                queue.is_due = false;
                return Turn {
                    jobs: mem::take(&mut queue.jobs),
                    sweep_at: queue.sweep_at.take(),
                    last_until: queue.stops_at,
                };
            }
            queue.is_parked = true;
            let patience = sync_in.unwrap_or(Duration::from_secs(3_600));
            let waited = self.ready.wait_timeout(queue, patience);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// So much of what waited is stored or has failed.
    pub fn settled(&self, entries: usize, bytes: usize) {
        let mut queue = self.queue();
        queue.entries -= entries;
        queue.bytes -= bytes;
    }

    /// Strike what waits for a channel, whose next entry gets the place after `head` again: of its history, or of `other`.
    pub fn strike(&self, channel: LogId, durable: &Durable, head: u64, other: Option<Epoch>) {
        let mut queue = self.queue();
        let Queue {
            jobs,
            entries,
            bytes,
            ..
        } = &mut *queue;
        jobs.retain(|job| {
            let stays = job.channel.id != channel;
            if !stays {
                *entries -= job.entries.len();
                *bytes -= job.bytes;
            }
            stays
        });
        durable.placed.store(head, SeqCst);
        if let Some(epoch) = other {
            durable.set_epoch(epoch);
        }
    }

    /// Begin another history of a channel on disk: what waits for it is refused, and nothing of it is written while this
    /// runs. Its log in memory is the caller's to begin anew, in `renew`, before anybody appends again.
    pub fn rotate(
        &self,
        channel: &Channel,
        epoch: Epoch,
        inbox: &Inbox,
        renew: impl FnOnce(Epoch),
    ) -> Result<(), PlaneError> {
        let Some(durable) = &channel.durable else {
            renew(epoch);
            return Ok(());
        };
        let _open = self.enter()?;
        let mut history = durable.history();
        let (former, next) = (history.epoch().clone(), history.head() + 1);
        if !history.rotate(epoch.clone())? {
            self.figures.leftovers.add(1);
        }
        let has_waiting = durable.placed.load(SeqCst) >= next;
        self.strike(channel.id, durable, 0, Some(epoch.clone()));
        durable.note(&history);
        renew(epoch);
        // While the history is held: what the thread has stored it has told before it let go.
        if has_waiting {
            let mut batch = Batch::default();
            batch.push(
                0,
                Event::StoreFailed {
                    log: channel.id,
                    epoch: former,
                    first: next,
                    text: "another history of the channel began".into(),
                    is_uncertain: false,
                },
            );
            inbox.hand_over(&mut batch);
        }
        Ok(())
    }
}
