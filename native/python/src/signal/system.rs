//! `SignalSystem`: checks what comes, lets the crate work, wraps what it answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use signal::index::Hit;
use signal::{NewToken, Signal, SignalError, SignalSystem, TokenUpdate, check_weight};

use super::arguments::{DEFAULT_PRIORITY, NewTokens, Priority, TokenId, around, count_of};
use super::batch::BatchResult;
use super::extra::Members;
use super::many::{Item, Request, read_items};
use super::neighbor::{Naming, Neighbor};
use super::options::Options;
use super::outgoing::SignalBatch;
use super::result::EmitResult;
use super::stats::Stats;
use super::token::Token;
use super::vector;
use super::wakeup::Wakeup;
use crate::error::{forked, refusal};

/// How often this process has turned out to be the child of a fork.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Runs in the child after every fork.
#[pyfunction]
pub fn note_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Wall clock in microseconds.
fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Takes typed 8-D vectors, says at once what is new and what lies near, and hands the events to the hub.
#[pyclass(name = "SignalSystem", frozen, module = "channels._native")]
pub struct PySignalSystem {
    system: Arc<SignalSystem>,
    wakeup: OnceLock<Wakeup>,
    naming: Naming,
    max_neighbors: usize,
    forks: u64,
}

impl PySignalSystem {
    /// The system, unless this process is a fork of the one that made it.
    fn system(&self) -> PyResult<&SignalSystem> {
        if self.forks == FORKS.load(Ordering::Relaxed) {
            return Ok(&self.system);
        }
        Err(forked())
    }

    /// Work that holds the lock only briefly; where somebody else may hold it for longer, the interpreter is left meanwhile.
    fn brief<R: Send>(
        &self,
        py: Python<'_>,
        work: impl Fn(&SignalSystem) -> Result<R, SignalError> + Send + Sync,
    ) -> PyResult<R> {
        let system = self.system()?;
        loop {
            let result = if system.is_busy() {
                py.detach(|| guarded(|| work(system)))
            } else {
                guarded(|| work(system))
            };
            match result {
                Err(SignalError::Overloaded { .. }) if system.blocks() => {
                    self.wait_for_room(py, &[])?;
                }
                result => return result.map_err(refusal),
            }
        }
    }

    /// Work that takes long; the interpreter is left meanwhile.
    fn long<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&SignalSystem) -> Result<R, SignalError> + Send,
    ) -> PyResult<R> {
        let system = self.system()?;
        py.detach(|| guarded(|| work(system))).map_err(refusal)
    }

    fn wait_for_room(&self, py: Python<'_>, signals: &[Signal]) -> PyResult<()> {
        let mut interrupted = None;
        let system = self.system()?;
        let waited = py.detach(|| {
            let mut go_on = || go_on(&mut interrupted);
            system.wait_for_room(signals, &mut go_on)
        });
        waited.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))
    }

    /// Process one signal, with the time that it took.
    fn run_one(
        &self,
        system: &SignalSystem,
        event_type: &str,
        signal: Signal,
    ) -> Result<EmitResult, SignalError> {
        let start = Instant::now();
        let mut seen = None;
        let mut sink = |outcome, hits: &[Hit]| seen = Some((outcome, Box::from(hits)));
        system.emit(now_us(), event_type, signal, &mut sink)?;
        let (outcome, hits) = seen.ok_or(SignalError::Failed)?;
        Ok(EmitResult {
            outcome,
            hits,
            naming: self.naming.clone(),
            processing_time_us: observe(system, start, 1),
        })
    }

    /// Process `signals` as one batch.
    fn run(&self, py: Python<'_>, signals: &[Signal]) -> PyResult<BatchResult> {
        let system = self.system()?;
        let mut interrupted = None;
        let done = py.detach(|| self.run_detached(system, signals, &mut interrupted));
        done.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))
    }

    fn run_detached(
        &self,
        system: &SignalSystem,
        signals: &[Signal],
        interrupted: &mut Option<PyErr>,
    ) -> Result<BatchResult, SignalError> {
        let start = Instant::now();
        let mut result = BatchResult::new(self.naming.clone(), self.max_neighbors, signals.len());
        let mut sink = |outcome, hits: &[Hit]| result.push(outcome, hits);
        guarded(|| system.emit_batch(now_us(), signals, &mut sink, &mut || go_on(interrupted)))?;
        let us = observe(system, start, signals.len());
        Ok(result.took(us))
    }

    /// Process each item for itself: what is refused is refused alone.
    fn run_items<'py>(
        &self,
        py: Python<'py>,
        items: Vec<Item>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let system = self.system()?;
        let mut interrupted = None;
        let run = |item: Item| match item {
            Item::Refused(error) => Ok(Err(error)),
            Item::Signals(signals) => match self.run_detached(system, &signals, &mut interrupted) {
                Ok(result) => Ok(Ok(result)),
                Err(error @ SignalError::Overloaded { .. }) => Ok(Err(refusal(error))),
                Err(error) => Err(error),
            },
        };
        let outcomes: Result<Vec<Result<BatchResult, PyErr>>, _> =
            py.detach(|| items.into_iter().map(run).collect());
        let outcomes = outcomes.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))?;
        outcomes
            .into_iter()
            .map(|outcome| outcome_object(py, outcome))
            .collect()
    }
}

/// The results of an item, or the exception that says why there are none.
fn outcome_object(
    py: Python<'_>,
    outcome: Result<BatchResult, PyErr>,
) -> PyResult<Bound<'_, PyAny>> {
    match outcome {
        Ok(result) => Ok(result.into_list(py)?.into_any()),
        Err(refusal) => Ok(refusal.into_value(py).into_bound(py).into_any()),
    }
}

/// A panic becomes the failure that every later call reports.
fn guarded<R>(work: impl FnOnce() -> Result<R, SignalError>) -> Result<R, SignalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(SignalError::Failed))
}

/// Whether nobody has pressed Ctrl-C; if so, it is kept for the caller to raise.
fn go_on(interrupted: &mut Option<PyErr>) -> bool {
    // A closure, for the method alone is not general enough over lifetimes.
    #[allow(clippy::redundant_closure_for_method_calls)]
    let checked = Python::attach(|py| py.check_signals());
    *interrupted = checked.err();
    interrupted.is_none()
}

/// Count the emits since `start`. -> microseconds
fn observe(system: &SignalSystem, start: Instant, emits: usize) -> f64 {
    let took = start.elapsed();
    system.durations.observe(
        u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        emits as u64,
    );
    took.as_secs_f64() * 1e6
}

#[pymethods]
impl PySignalSystem {
    #[new]
    #[pyo3(signature = (*, capacity = 1_048_576, index_window = None, neighbor_radius = 0.1, novelty_radius = 0.1,
        novelty_ttl = None, max_neighbors = 10, neighbors = "exact", scales = None, publish = "all",
        event_neighbors = 5, queue_size = 65_536, overflow = "refuse", token_events = false, node = ""))]
    #[allow(clippy::too_many_arguments)] // a public call names its options
    fn new(
        capacity: i64,
        index_window: Option<i64>,
        neighbor_radius: f64,
        novelty_radius: f64,
        novelty_ttl: Option<f64>,
        max_neighbors: i64,
        neighbors: &str,
        scales: Option<&Bound<'_, PyAny>>,
        publish: &str,
        event_neighbors: i64,
        queue_size: i64,
        overflow: &str,
        token_events: bool,
        node: &str,
    ) -> PyResult<Self> {
        let options = Options {
            capacity,
            index_window,
            radii: (neighbor_radius, novelty_radius),
            novelty_ttl,
            max_neighbors,
            neighbors,
            scales,
            publish,
            event_neighbors,
            queue_size,
            overflow,
            token_events,
            node,
        };
        let config = options.config()?;
        let max_neighbors = config.max_neighbors;
        let system = SignalSystem::new(config).map_err(refusal)?;
        let naming = Naming {
            names: Arc::clone(system.names()),
            neighbor_radius: system.neighbor_radius(),
        };
        Ok(Self {
            system: Arc::new(system),
            wakeup: OnceLock::new(),
            naming,
            max_neighbors,
            forks: FORKS.load(Ordering::Relaxed),
        })
    }

    #[pyo3(signature = (event_type, vector, priority = DEFAULT_PRIORITY, *, key = None, tags = None, payload = None,
        traceparent = None, publish = None))]
    #[allow(clippy::too_many_arguments)]
    fn emit(
        &self,
        py: Python<'_>,
        event_type: &str,
        vector: &Bound<'_, PyAny>,
        priority: Priority,
        key: Option<&str>,
        tags: Option<&Bound<'_, PyAny>>,
        payload: Option<&[u8]>,
        traceparent: Option<&str>,
        publish: Option<bool>,
    ) -> PyResult<EmitResult> {
        let members = Members {
            key,
            tags,
            payload,
            traceparent,
            tracestate: None,
        };
        let signal = Signal {
            event_type: 0,
            vector: vector::one(vector)?,
            priority: priority.0,
            publish,
            extra: members.check()?,
        };
        self.brief(py, |system| {
            self.run_one(system, event_type, signal.clone())
        })
    }

    #[pyo3(signature = (event_type, vectors, priorities = None, *, keys = None, payload = None, publish = None))]
    #[allow(clippy::too_many_arguments)]
    fn emit_batch(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        priorities: Option<&Bound<'_, PyAny>>,
        keys: Option<&Bound<'_, PyAny>>,
        payload: Option<&[u8]>,
        publish: Option<bool>,
    ) -> PyResult<BatchResult> {
        let request = Request::read(event_type, vectors, priorities, keys, payload)?;
        let signals = request.signals(publish, &mut |name| {
            self.brief(py, |system| system.intern(name))
        })?;
        self.run(py, &signals)
    }

    fn emit_many<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut intern = |name: &str| self.brief(py, |system| system.intern(name));
        let items = read_items(items, &mut intern)?;
        self.run_items(py, items)
    }

    #[pyo3(signature = (vector, *, event_type = "token", weight = 1.0, priority = DEFAULT_PRIORITY))]
    fn create_token(
        &self,
        py: Python<'_>,
        vector: &Bound<'_, PyAny>,
        event_type: &str,
        weight: f64,
        priority: Priority,
    ) -> PyResult<u64> {
        let vector = vector::one(vector)?;
        let weight = check_weight(weight).map_err(refusal)?;
        self.brief(py, |system| {
            let event_type = system.intern(event_type)?;
            let new = NewToken {
                vector,
                event_type,
                weight,
                priority: priority.0,
            };
            system.create_token(now_us(), new)
        })
    }

    #[pyo3(signature = (n = None, *, vectors = None, event_type = "token", index = true))]
    fn create_tokens<'py>(
        &self,
        py: Python<'py>,
        n: Option<i64>,
        vectors: Option<&Bound<'py, PyAny>>,
        event_type: &str,
        index: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let new = NewTokens::read(n, vectors, self.system.capacity())?;
        let first = self.long(py, |system| {
            let event_type = system.intern(event_type)?;
            system.create_tokens(now_us(), &mut new.iter(event_type), index)
        })?;
        let ids = (first, first + new.len() as u64);
        py.import("builtins")?.getattr("range")?.call1(ids)
    }

    fn get_token(&self, py: Python<'_>, token_id: TokenId) -> PyResult<Option<Token>> {
        let found = self.brief(py, |system| system.get_token(token_id.0))?;
        Ok(found.map(Token))
    }

    #[pyo3(signature = (token_id, *, vector = None, weight = None, priority = None))]
    fn update_token(
        &self,
        py: Python<'_>,
        token_id: TokenId,
        vector: Option<&Bound<'_, PyAny>>,
        weight: Option<f64>,
        priority: Option<Priority>,
    ) -> PyResult<bool> {
        let update = TokenUpdate {
            vector: vector.map(vector::one).transpose()?,
            weight: weight.map(check_weight).transpose().map_err(refusal)?,
            priority: priority.map(|priority| priority.0),
        };
        self.brief(py, |system| system.update_token(token_id.0, update))
    }

    fn delete_token(&self, py: Python<'_>, token_id: TokenId) -> PyResult<bool> {
        self.brief(py, |system| system.delete_token(token_id.0))
    }

    #[pyo3(signature = (*, limit = 100, before = None))]
    fn list_tokens(
        &self,
        py: Python<'_>,
        limit: i64,
        before: Option<TokenId>,
    ) -> PyResult<Vec<Token>> {
        let limit = count_of("limit", "0 to 10000", limit)?;
        let found = self.long(py, |system| {
            system.list_tokens(limit, before.map(|id| id.0))
        })?;
        Ok(found.into_iter().map(Token).collect())
    }

    fn count_tokens(&self, py: Python<'_>) -> PyResult<u64> {
        self.brief(py, SignalSystem::count_tokens)
    }

    fn clear_tokens(&self, py: Python<'_>) -> PyResult<u64> {
        self.brief(py, SignalSystem::clear_tokens)
    }

    #[pyo3(signature = (vector_or_id, k = 10, radius = None))]
    fn find_neighbors(
        &self,
        py: Python<'_>,
        vector_or_id: &Bound<'_, PyAny>,
        k: i64,
        radius: Option<f64>,
    ) -> PyResult<Vec<Neighbor>> {
        let around = around(vector_or_id)?;
        let k = count_of("k", "1 to 64", k)?;
        let found = self.brief(py, |system| {
            system.find_neighbors(now_us(), around, k, radius)
        })?;
        Ok(found
            .iter()
            .map(|neighbor| self.naming.of_found(neighbor))
            .collect())
    }

    fn get_grid_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.brief(py, SignalSystem::index_info)?;
        let dict = PyDict::new(py);
        dict.set_item("window", self.system.index_window())?;
        dict.set_item("points", info.points)?;
        dict.set_item("buckets", info.buckets)?;
        dict.set_item("fill", info.fill)?;
        dict.set_item("depth", info.depth)?;
        dict.set_item("bytes", info.bytes)?;
        dict.set_item("radius", self.naming.neighbor_radius)?;
        Ok(dict)
    }

    fn set_scales(&self, py: Python<'_>, scales: &Bound<'_, PyAny>) -> PyResult<()> {
        let scales = vector::one(scales)?;
        self.long(py, |system| system.set_scales(scales))
    }

    #[pyo3(signature = (vectors, event_type = "token"))]
    fn warm(
        &self,
        py: Python<'_>,
        vectors: &Bound<'_, PyAny>,
        event_type: &str,
    ) -> PyResult<usize> {
        let new = NewTokens::read(None, Some(vectors), self.system.capacity())?;
        self.long(py, |system| {
            let event_type = system.intern(event_type)?;
            system.warm(now_us(), &mut new.iter(event_type))
        })?;
        Ok(new.len())
    }

    #[pyo3(signature = (max_events = 4096))]
    fn take_batch(&self, py: Python<'_>, max_events: i64) -> PyResult<Option<SignalBatch>> {
        let max = count_of("max_events", "a positive number", max_events)?;
        // Cleared before the batch is taken: what comes later sets it again.
        if let Some(wakeup) = self.wakeup.get() {
            wakeup.clear();
        }
        let batch = self.brief(py, |system| system.take_batch(max))?;
        Ok(batch.map(SignalBatch))
    }

    fn wakeup_fd(&self, py: Python<'_>) -> PyResult<i32> {
        self.system()?;
        if let Some(wakeup) = self.wakeup.get() {
            return Ok(wakeup.fd());
        }
        let wakeup = Wakeup::new()?;
        let wakeup = self.wakeup.get_or_init(|| wakeup).clone();
        let fd = wakeup.fd();
        self.long(py, |system| system.attach(Box::new(move || wakeup.set())))?;
        Ok(fd)
    }

    fn get_stats(&self, py: Python<'_>) -> PyResult<Stats> {
        Ok(Stats::from(self.brief(py, SignalSystem::stats)?))
    }

    fn reset_stats(&self, py: Python<'_>) -> PyResult<()> {
        self.brief(py, SignalSystem::reset_stats)
    }

    fn export_metrics(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.brief(py, SignalSystem::stats)?;
        Ok(stats.to_prometheus())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.brief(py, SignalSystem::close)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.brief(py, SignalSystem::stats)?;
        Ok(format!(
            "SignalSystem(tokens={}, window_points={}, emits={}, queue_depth={})",
            stats.tokens, stats.index.points, stats.counts.emits, stats.queue_depth
        ))
    }
}
