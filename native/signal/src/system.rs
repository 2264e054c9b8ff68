//! The `SignalSystem`: one short mutex around the core; any thread may call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use space::IndexInfo;

use crate::SignalError;
use crate::batch::Batch;
use crate::config::{Config, Neighbors, Overflow, check_scales};
use crate::core::Core;
use crate::crew::Crew;
use crate::histogram::Histogram;
use crate::json::write_str;
use crate::names::Names;
use crate::rules::check_limit;
use crate::stats::Stats;
use crate::tokens::{NamedToken, NewToken, TokenUpdate};
use crate::vector::Vector;

/// Ids a listing looks at between which others get their turn.
pub(crate) const LIST_PIECE: u64 = 65_536;

type Wake = Box<dyn Fn() + Send + Sync>;

/// Takes typed 8-D vectors, says at once what is new and what lies near, and queues an event for the consumer.
pub struct SignalSystem {
    pub(crate) core: Mutex<Core>,
    pub(crate) room: Condvar,
    wake: OnceLock<Wake>,
    /// Callers that wait for the mutex.
    pub(crate) waiting: AtomicUsize,
    /// Calls under way that hold the mutex for long.
    pub(crate) long_calls: AtomicUsize,
    names: Arc<Names>,
    node: Arc<[u8]>,
    event_neighbors: usize,
    neighbor_radius: f64,
    pub(crate) overflow: Overflow,
    pub(crate) crew: Crew,
    capacity: u64,
    index_window: u64,
    queue_size: usize,
    /// How long emits took, as the caller measured it.
    pub durations: Histogram,
}

/// Marks a call that holds the mutex for long.
pub(crate) struct LongCall<'a>(&'a AtomicUsize);

impl<'a> LongCall<'a> {
    pub(crate) fn start(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for LongCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SignalSystem {
    /// A system without tokens; nothing is queued until a consumer is there.
    pub fn new(config: Config) -> Result<Self, SignalError> {
        config.check()?;
        let mut node = Vec::new();
        write_str(&mut node, &config.node);
        Ok(Self {
            room: Condvar::new(),
            wake: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            long_calls: AtomicUsize::new(0),
            node: Arc::from(node),
            event_neighbors: config.event_neighbors,
            neighbor_radius: config.neighbor_radius,
            overflow: config.overflow,
            crew: Crew::new(if config.neighbors == Neighbors::Exact {
                config.threads
            } else {
                1
            }),
            capacity: config.capacity,
            index_window: config.index_window,
            queue_size: config.queue_size,
            durations: Histogram::default(),
            names: Arc::default(),
            core: Mutex::new(Core::new(config)),
        }
        .share_names())
    }

    fn share_names(mut self) -> Self {
        if let Ok(core) = self.core.get_mut() {
            self.names = Arc::clone(core.interner.names());
        }
        self
    }

    /// The names behind the numbers of event types.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// The radius that resonance is relative to.
    pub fn neighbor_radius(&self) -> f64 {
        self.neighbor_radius
    }

    /// Most tokens that exist at a time.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Among how many of the newest tokens neighbours are looked for.
    pub fn index_window(&self) -> u64 {
        self.index_window
    }

    /// Events that may wait.
    pub fn queue_size(&self) -> usize {
        self.queue_size
    }

    /// Whether callers wait for room instead of being refused.
    pub fn blocks(&self) -> bool {
        self.overflow == Overflow::Block
    }

    /// Whether a call under way may keep others waiting for up to a piece of its work.
    pub fn is_busy(&self) -> bool {
        self.long_calls.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Core>, SignalError> {
        match self.core.try_lock() {
            Ok(core) => Ok(core),
            Err(TryLockError::Poisoned(_)) => Err(SignalError::Failed),
            Err(TryLockError::WouldBlock) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let core = self.core.lock();
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                core.map_err(|_| SignalError::Failed)
            }
        }
    }

    /// Work under the lock; the consumer is woken after it.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<R, SignalError>,
    ) -> Result<R, SignalError> {
        let mut core = self.lock()?;
        if core.is_closed {
            return Err(SignalError::Closed);
        }
        let result = work(&mut core);
        if matches!(result, Err(SignalError::Overloaded { .. }))
            && self.overflow == Overflow::Refuse
        {
            core.counts.refused += 1;
        }
        self.unlock(core);
        result
    }

    pub(crate) fn unlock(&self, mut core: MutexGuard<'_, Core>) {
        let wake = std::mem::take(&mut core.wake);
        drop(core);
        if wake && let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// The number of an event type; a new and well-formed one gets one.
    pub fn intern(&self, event_type: &str) -> Result<u16, SignalError> {
        self.with(|core| core.interner.intern(event_type))
    }

    /// Make one token.
    pub fn create_token(&self, now_us: u64, new: NewToken) -> Result<u64, SignalError> {
        self.with(|core| core.create(now_us, new))
    }

    /// Make many tokens with consecutive ids, told as one sum. -> the id of the first
    pub fn create_tokens(
        &self,
        now_us: u64,
        new: impl ExactSizeIterator<Item = NewToken>,
        indexed: bool,
    ) -> Result<u64, SignalError> {
        let _long = LongCall::start(&self.long_calls);
        self.with(|core| core.create_many(now_us, new, indexed))
    }

    /// Make tokens that nobody is told of: the window after a restart.
    pub fn warm(
        &self,
        now_us: u64,
        new: impl ExactSizeIterator<Item = NewToken>,
    ) -> Result<(), SignalError> {
        let _long = LongCall::start(&self.long_calls);
        self.with(|core| {
            core.fill(now_us, new, true);
            Ok(())
        })
    }

    /// The token with this id, if it exists.
    pub fn get_token(&self, id: u64) -> Result<Option<NamedToken>, SignalError> {
        self.with(|core| Ok(core.slab.get(id).map(|token| core.named(token))))
    }

    /// Change a token. -> whether it exists
    pub fn update_token(&self, id: u64, update: TokenUpdate) -> Result<bool, SignalError> {
        self.with(|core| core.update(id, update))
    }

    /// Remove a token. -> whether it existed
    pub fn delete_token(&self, id: u64) -> Result<bool, SignalError> {
        self.with(|core| core.delete(id))
    }

    /// At most `limit` tokens with ids below `before`, newest first.
    pub fn list_tokens(
        &self,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Vec<NamedToken>, SignalError> {
        check_limit(limit)?;
        let mut found = Vec::new();
        let mut from = Some(before.unwrap_or(u64::MAX));
        while let Some(before) = from {
            from = self.with(|core| Ok(core.list(before, limit, LIST_PIECE, &mut found)))?;
        }
        Ok(found)
    }

    /// How many tokens exist.
    pub fn count_tokens(&self) -> Result<u64, SignalError> {
        self.with(|core| Ok(core.slab.live()))
    }

    /// Remove all tokens. -> how many there were
    pub fn clear_tokens(&self) -> Result<u64, SignalError> {
        self.with(Core::clear)
    }

    /// How the index is doing.
    pub fn index_info(&self) -> Result<IndexInfo, SignalError> {
        self.with(|core| {
            Ok(core
                .index
                .as_ref()
                .map_or_else(IndexInfo::default, |index| index.info()))
        })
    }

    /// Other scales from now on; the index is filled again.
    pub fn set_scales(&self, scales: Vector) -> Result<(), SignalError> {
        check_scales(&scales)?;
        let _long = LongCall::start(&self.long_calls);
        self.with(|core| {
            core.set_scales(scales);
            Ok(())
        })
    }

    /// From now on events are queued, and `wake` is called when one waits where none did. -> false if that was said before
    pub fn attach(&self, wake: Wake) -> Result<bool, SignalError> {
        let is_first = self.wake.set(wake).is_ok();
        self.with(|core| {
            core.queue.attach();
            // What waited before there was anybody to wake.
            core.wake = !core.queue.is_empty();
            Ok(is_first)
        })
    }

    /// From now on events are queued, for who asks for them by himself.
    pub fn listen(&self) -> Result<(), SignalError> {
        self.with(|core| {
            core.queue.attach();
            Ok(())
        })
    }

    /// At most `max` (and at least one) events, the oldest first; `None` if none wait. The first call makes the caller the consumer.
    pub fn take_batch(&self, max: usize) -> Result<Option<Batch>, SignalError> {
        let mut core = self.lock()?;
        core.queue.attach();
        core.consumer = Some(std::thread::current().id());
        let taken = core.queue.take(max.max(1));
        // What is left must wake the consumer again, for pushes beside it do not.
        core.wake = !core.queue.is_empty();
        self.unlock(core);
        self.room.notify_all();
        let batch = |taken| {
            Batch::new(
                taken,
                Arc::clone(&self.names),
                Arc::clone(&self.node),
                self.event_neighbors,
            )
        };
        Ok(taken.map(batch))
    }

    /// Figures at this moment; also of a closed system, and of one that failed: those who look after it need them then.
    pub fn stats(&self) -> Stats {
        let is_failed = self.core.is_poisoned();
        let core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        // An index in which a panic happened may hold anything.
        let index = core.index.as_ref().filter(|_| !is_failed);
        Stats {
            counts: core.counts,
            tokens: core.slab.live(),
            connections: core.connections.len() as u64,
            token_bytes: core.slab.bytes() as u64,
            index: index.map_or_else(IndexInfo::default, |index| index.info()),
            queue_depth: core.queue.len() as u64,
            emit: self.durations.snapshot(),
        }
    }

    /// Counters and durations start again at zero.
    pub fn reset_stats(&self) -> Result<(), SignalError> {
        self.durations.reset();
        self.with(|core| {
            core.counts = crate::core::Counts::default();
            Ok(())
        })
    }

    /// Refuse further work; those who wait for room are told, the consumer is woken and may take what is left.
    pub fn close(&self) -> Result<(), SignalError> {
        let mut core = self.lock()?;
        core.is_closed = true;
        core.wake = true;
        self.unlock(core);
        self.room.notify_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::core::Signal;
    use space::{Entry, Index, Nearest, Query};

    struct Broken;

    impl Index for Broken {
        fn insert(&mut self, _: Entry, _: &Vector) {}
        fn remove(&mut self, _: u64) -> bool {
            false
        }
        fn search(&self, _: &Query, _: &mut Nearest) {
            panic!("a fault in the index")
        }
        fn visit_box(&self, _: &Vector, _: &Vector, _: &mut dyn FnMut(Entry)) {}
        fn clear(&mut self) {}
        fn points(&self) -> u64 {
            0
        }
        fn info(&self) -> IndexInfo {
            IndexInfo::default()
        }
    }

    /// signals.md §8: never a hang, never an abort.
    #[test]
    fn after_a_caught_panic_every_call_is_refused() {
        let system = SignalSystem::new(Config::default()).unwrap();
        system.lock().unwrap().index = Some(Box::new(Broken));
        let signal = Signal {
            event_type: 0,
            vector: [0.5; 8],
            priority: 128,
            publish: None,
            extra: None,
        };
        let emit = || system.emit(0, "test", signal.clone(), &mut |_, _| ());
        assert!(catch_unwind(AssertUnwindSafe(emit)).is_err());
        assert_eq!(Err(SignalError::Failed), emit());
        assert_eq!(Err(SignalError::Failed), system.count_tokens());
        assert!(matches!(system.take_batch(1), Err(SignalError::Failed)));
        assert_eq!(Err(SignalError::Failed), system.close());
        assert_eq!(
            (0, IndexInfo::default()),
            (system.stats().tokens, system.stats().index)
        );
    }
}
