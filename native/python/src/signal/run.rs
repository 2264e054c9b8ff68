//! How calls reach the crate: with the interpreter or without it, with patience, never with a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use signal::{Hit, Signal, SignalError, SignalSystem};

use super::batch::BatchResult;
use super::many::Item;
use super::result::EmitResult;
use super::system::PySignalSystem;
use crate::error::{forked, refusal};

/// How often this process has turned out to be the child of a fork.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between the first process and this one.
pub fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Runs in the child after every fork.
#[pyfunction]
pub fn note_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Wall clock in microseconds.
pub fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl PySignalSystem {
    /// The system, unless this process is a fork of the one that made it.
    pub fn system(&self) -> PyResult<&SignalSystem> {
        if self.forks == forks() {
            return Ok(&self.system);
        }
        Err(forked())
    }

    /// Work that holds the lock only briefly.
    pub fn brief<R: Send>(
        &self,
        py: Python<'_>,
        work: impl Fn(&SignalSystem) -> Result<R, SignalError> + Send + Sync,
    ) -> PyResult<R> {
        self.patiently(py, &[], work)
    }

    /// The same for `signals`, for which there may have to be room first. Where somebody else may hold the lock for longer,
    /// the interpreter is left meanwhile.
    fn patiently<R: Send>(
        &self,
        py: Python<'_>,
        signals: &[Signal],
        work: impl Fn(&SignalSystem) -> Result<R, SignalError> + Send + Sync,
    ) -> PyResult<R> {
        let system = self.system()?;
        self.subscribers
            .make_room(py, system, signals.len().max(1))?;
        loop {
            let result = if system.is_busy() {
                py.detach(|| guarded(|| work(system)))
            } else {
                guarded(|| work(system))
            };
            match result {
                Err(SignalError::Overloaded { .. }) if system.blocks() => {
                    self.wait_for_room(py, signals)?;
                }
                result => return result.map_err(refusal),
            }
        }
    }

    /// Work that takes long; the interpreter is left meanwhile.
    pub fn long<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&SignalSystem) -> Result<R, SignalError> + Send,
    ) -> PyResult<R> {
        let system = self.system()?;
        self.subscribers.make_room(py, system, 1)?;
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

    /// Process one signal.
    pub fn run_one(
        &self,
        py: Python<'_>,
        event_type: &str,
        signal: &Signal,
    ) -> PyResult<EmitResult> {
        let work = |system: &SignalSystem| self.emit_one(system, event_type, signal.clone());
        self.patiently(py, std::slice::from_ref(signal), work)
    }

    fn emit_one(
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
    pub fn run(&self, py: Python<'_>, signals: &[Signal]) -> PyResult<BatchResult> {
        let system = self.system()?;
        self.subscribers.make_room(py, system, signals.len())?;
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
    pub fn run_items<'py>(
        &self,
        py: Python<'py>,
        items: Vec<Item>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let system = self.system()?;
        let count = items.iter().map(Item::len).sum();
        self.subscribers.make_room(py, system, count)?;
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
