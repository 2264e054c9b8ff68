//! Who listens inside the process: what was taken from the queue is offered to each, and waits for it in a bounded queue of
//! its own. Nothing here calls what a subscriber gave; who drains does (channels/listening.py).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::plane::filter::{Filter, Scratch};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use signal::{Batch, SignalError, SignalSystem};

use super::event::{Event, Heard};
use crate::error::{no_subscriber, refusal};

/// Subscribers that a system may be told to have at most.
const MAX_SUBSCRIBERS: usize = 65_536;
/// Events that one of them may keep waiting.
pub const MAX_QUEUE: usize = 65_536;
/// Events after which they are offered where nobody else takes them.
const LATEST: usize = 1_024;
/// Events taken at a time.
const TAKEN: usize = 4_096;

/// Number, name and callback of a subscriber, and the events to call it for.
pub type ToCall = (u64, String, Py<PyAny>, Vec<Event>);

/// What a subscriber asks for.
pub struct Wish {
    pub name: String,
    /// None: everything.
    pub filter: Option<Filter>,
    pub callback: Option<Py<PyAny>>,
    /// Events that may wait; of more, the oldest go.
    pub queue: usize,
}

struct Subscriber {
    wish: Wish,
    waiting: VecDeque<Arc<Heard>>,
    heard: u64,
    dropped: u64,
    failed: u64,
}

/// The subscribers of one system.
pub struct Audience {
    /// How many there may be.
    most: usize,
    all: Mutex<BTreeMap<u64, Subscriber>>,
    next: AtomicU64,
    count: AtomicUsize,
    /// Somebody else takes the batches.
    is_taken: AtomicBool,
    /// Nobody does, and the queue fills for the subscribers.
    is_ours: AtomicBool,
    /// Events that may have come since they were offered.
    come: AtomicUsize,
    dropped: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl Audience {
    /// Nobody yet.
    pub fn new(most: i64) -> Result<Self, SignalError> {
        let size = usize::try_from(most).ok();
        let size = size.filter(|size| (1..=MAX_SUBSCRIBERS).contains(size));
        let wrong = || SignalError::Setting {
            name: "max_subscribers",
            expected: format!("1 to {MAX_SUBSCRIBERS}"),
            came: most.to_string(),
        };
        Ok(Self {
            most: size.ok_or_else(wrong)?,
            all: Mutex::default(),
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            is_taken: AtomicBool::new(false),
            is_ours: AtomicBool::new(false),
            come: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Subscriber>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody else takes the batches from now on.
    pub fn taken(&self) {
        self.is_taken.store(true, SeqCst);
        self.is_ours.store(false, SeqCst);
    }

    /// One more. -> its number
    pub fn add(&self, system: &SignalSystem, wish: Wish) -> Result<u64, SignalError> {
        let mut all = self.lock();
        if all.len() >= self.most {
            self.refused.fetch_add(1, SeqCst);
            return Err(SignalError::Setting {
                name: "subscribers",
                expected: format!("at most {} (max_subscribers)", self.most),
                came: (all.len() + 1).to_string(),
            });
        }
        if !self.is_taken.load(SeqCst) {
            system.listen()?;
            self.is_ours.store(true, SeqCst);
        }
        let id = self.next.fetch_add(1, SeqCst) + 1;
        let subscriber = Subscriber {
            wish,
            waiting: VecDeque::new(),
            heard: 0,
            dropped: 0,
            failed: 0,
        };
        all.insert(id, subscriber);
        self.count.store(all.len(), SeqCst);
        Ok(id)
    }

    /// One less.
    pub fn remove(&self, id: u64) -> PyResult<()> {
        let mut all = self.lock();
        let gone = all.remove(&id);
        self.count.store(all.len(), SeqCst);
        drop(all);
        gone.map(drop).ok_or_else(|| no_subscriber(id))
    }

    /// `more` events are about to come. Where nobody else takes what waits it is offered before that is too much.
    pub fn make_room(&self, py: Python<'_>, system: &SignalSystem, more: usize) -> PyResult<()> {
        if !self.is_ours.load(SeqCst) {
            return Ok(());
        }
        let come = self.come.fetch_add(more, SeqCst) + more;
        if come <= system.queue_size().min(LATEST) / 2 {
            return Ok(());
        }
        self.come.store(more, SeqCst);
        py.detach(|| self.drain(system)).map_err(refusal)
    }

    /// Offer what waits, unless somebody else takes it.
    pub fn drain(&self, system: &SignalSystem) -> Result<(), SignalError> {
        while self.is_ours.load(SeqCst)
            && let Some(batch) = system.take_batch(TAKEN)?
        {
            self.offer(&batch);
        }
        Ok(())
    }

    /// Keep of a batch for each of them what passes its filter.
    pub fn offer(&self, batch: &Batch) {
        if self.count.load(SeqCst) == 0 {
            return;
        }
        let mut scratch = Scratch::default();
        let mut all = self.lock();
        for entry in batch.entries() {
            let heard = Arc::new(Heard::from(entry));
            let subject = heard.subject();
            for subscriber in all.values_mut() {
                let filter = subscriber.wish.filter.as_ref();
                if filter.is_none_or(|filter| filter.passes(&subject, &mut scratch)) {
                    self.dropped.fetch_add(subscriber.keep(&heard), SeqCst);
                }
            }
        }
    }

    /// What waits for a subscriber, the oldest first.
    pub fn poll(&self, id: u64, most: usize) -> PyResult<Vec<Event>> {
        let mut all = self.lock();
        let subscriber = all.get_mut(&id).ok_or_else(|| no_subscriber(id))?;
        Ok(subscriber.take(most))
    }

    /// The same of all that gave something to call.
    pub fn to_call(&self, py: Python<'_>, most: usize) -> Vec<ToCall> {
        if self.count.load(SeqCst) == 0 {
            return Vec::new();
        }
        let mut all = self.lock();
        let waits = all.iter_mut().filter(|(_, one)| !one.waiting.is_empty());
        let called = waits.filter_map(|(id, one)| {
            let callback = one.wish.callback.as_ref()?.clone_ref(py);
            Some((*id, one.wish.name.clone(), callback, one.take(most)))
        });
        called.collect()
    }

    /// So many calls of a subscriber's callback failed.
    pub fn failed(&self, id: u64, more: u64) {
        self.failed.fetch_add(more, SeqCst);
        if let Some(subscriber) = self.lock().get_mut(&id) {
            subscriber.failed += more;
        }
    }

    /// Each of them with its figures.
    pub fn describe<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        // No Python object is made while it is locked: that may run code of the application, which calls us.
        let figures: Vec<_> = self
            .lock()
            .iter()
            .map(|(id, one)| {
                let counts = [one.heard, one.dropped, one.failed];
                let name = one.wish.name.clone();
                (*id, name, one.wish.queue, one.waiting.len(), counts)
            })
            .collect();
        let described =
            figures
                .into_iter()
                .map(|(id, name, queue, waiting, [heard, dropped, failed])| {
                    let dict = PyDict::new(py);
                    dict.set_item("subscriber_id", id)?;
                    dict.set_item("name", name)?;
                    dict.set_item("queue", queue)?;
                    dict.set_item("waiting", waiting)?;
                    dict.set_item("heard", heard)?;
                    dict.set_item("dropped", dropped)?;
                    dict.set_item("failed", failed)?;
                    Ok(dict)
                });
        described.collect()
    }

    /// Their families beside those of the system.
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        let (dropped, failed) = (self.dropped.load(SeqCst), self.failed.load(SeqCst));
        signal::family(
            &mut out,
            "subscriber_dropped_total",
            "counter",
            "Events lost to full queues of subscribers in the process.",
            dropped,
        );
        signal::family(
            &mut out,
            "callback_errors_total",
            "counter",
            "Callbacks of subscribers that raised.",
            failed,
        );
        signal::family(
            &mut out,
            "subscribers_refused_total",
            "counter",
            "Subscribers in the process that were refused, for there were max_subscribers.",
            self.refused.load(SeqCst),
        );
        signal::family(
            &mut out,
            "subscribers",
            "gauge",
            "Subscribers in the process.",
            self.count.load(SeqCst) as u64,
        );
        out
    }
}

impl Subscriber {
    /// How many had to go for it.
    fn keep(&mut self, heard: &Arc<Heard>) -> u64 {
        self.heard += 1;
        self.waiting.push_back(Arc::clone(heard));
        let has_gone = self.waiting.len() > self.wish.queue && self.waiting.pop_front().is_some();
        self.dropped += u64::from(has_gone);
        u64::from(has_gone)
    }

    fn take(&mut self, most: usize) -> Vec<Event> {
        let count = most.min(self.waiting.len());
        self.waiting.drain(..count).map(Event).collect()
    }
}
