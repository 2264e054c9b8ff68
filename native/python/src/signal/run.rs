//! How calls reach the crate: with the interpreter or without it, with patience, never with a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use signal::{Hit, Signal, SignalError, SignalSystem};

use super::arguments::Priority;
use super::batch::BatchResult;
use super::clock::{monotonic_ns, now_us};
use super::extra::Members;
use super::many::Item;
use super::result::EmitResult;
use super::system::PySignalSystem;
use super::vector;
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
    #[inline]
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

    /// Check one signal, and process it.
    pub fn emit_one(
        &self,
        py: Python<'_>,
        event_type: &str,
        vector: &Bound<'_, PyAny>,
        priority: Priority,
        members: &Members<'_, '_>,
        publish: Option<bool>,
    ) -> PyResult<EmitResult> {
        let signal = Signal {
            event_type: 0,
            vector: vector::one(vector)?,
            priority: priority.0,
            publish,
            extra: members.check()?,
        };
        let work = |system: &SignalSystem| self.process(system, event_type, signal.clone());
        self.patiently(py, std::slice::from_ref(&signal), work)
    }

    #[inline]
    fn process(
        &self,
        system: &SignalSystem,
        event_type: &str,
        signal: Signal,
    ) -> Result<EmitResult, SignalError> {
        let start_ns = monotonic_ns();
        let mut seen = None;
        let mut sink = |outcome, hits: &[Hit]| {
            seen = Some(EmitResult::new(outcome, hits, &self.naming, 0.0));
        };
        system.emit(now_us(), event_type, signal, &mut sink)?;
        let mut result = seen.ok_or(SignalError::Failed)?;
        result.processing_time_us = observe(system, start_ns, 1);
        Ok(result)
    }

    /// Process `signals` as one batch.
    pub fn run(&self, py: Python<'_>, signals: &[Signal]) -> PyResult<BatchResult> {
        let system = self.system()?;
        self.subscribers.make_room(py, system, signals.len())?;
        let mut interrupted = None;
        let work = || self.process_all(system, signals, &mut interrupted);
        let done = apart(py, system, signals.len(), work);
        done.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))
    }

    fn process_all(
        &self,
        system: &SignalSystem,
        signals: &[Signal],
        interrupted: &mut Option<PyErr>,
    ) -> Result<BatchResult, SignalError> {
        let start_ns = monotonic_ns();
        let mut result = BatchResult::new(self.naming.clone(), self.max_neighbors, signals.len());
        let mut sink = |outcome, hits: &[Hit]| result.push(outcome, hits);
        let now_us = now_us();
        guarded(|| system.emit_batch(now_us, signals, &mut sink, &mut || go_on(interrupted)))?;
        let us = observe(system, start_ns, signals.len());
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
            Item::Signals(signals) => match self.process_all(system, &signals, &mut interrupted) {
                Ok(result) => Ok(Ok(result)),
                Err(error @ SignalError::Overloaded { .. }) => Ok(Err(refusal(error))),
                Err(error) => Err(error),
            },
        };
        let outcomes: Result<Vec<Result<BatchResult, PyErr>>, _> =
            apart(py, system, count, || items.into_iter().map(run).collect());
        let outcomes = outcomes.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))?;
        let answer = |outcome: Result<BatchResult, PyErr>| match outcome {
            Ok(result) => Ok(result.into_list(py)?.into_any()),
            Err(refusal) => refusal.into_bound_py_any(py),
        };
        outcomes.into_iter().map(answer).collect()
    }

    /// The same of items that are one signal each.
    pub fn run_each(
        &self,
        py: Python<'_>,
        signals: Vec<Result<Signal, PyErr>>,
    ) -> PyResult<Vec<Result<EmitResult, PyErr>>> {
        let system = self.system()?;
        let count = signals.len();
        self.subscribers.make_room(py, system, count)?;
        let mut interrupted = None;
        let run = |signal: Result<Signal, PyErr>| match signal {
            Err(error) => Ok(Err(error)),
            Ok(signal) => match self.process_one(system, &signal, &mut interrupted) {
                Err(error @ SignalError::Overloaded { .. }) => Ok(Err(refusal(error))),
                result => result.map(Ok),
            },
        };
        let work = || signals.into_iter().map(run).collect::<Result<_, _>>();
        let outcomes = apart(py, system, count, work);
        outcomes.map_err(|error| interrupted.unwrap_or_else(|| refusal(error)))
    }

    fn process_one(
        &self,
        system: &SignalSystem,
        signal: &Signal,
        interrupted: &mut Option<PyErr>,
    ) -> Result<EmitResult, SignalError> {
        let start_ns = monotonic_ns();
        let now_us = now_us();
        let mut seen = None;
        let mut sink = |outcome, hits: &[Hit]| {
            seen = Some(EmitResult::new(outcome, hits, &self.naming, 0.0));
        };
        let signals = std::slice::from_ref(signal);
        guarded(|| system.emit_batch(now_us, signals, &mut sink, &mut || go_on(interrupted)))?;
        let mut result = seen.ok_or(SignalError::Failed)?;
        result.processing_time_us = observe(system, start_ns, 1);
        Ok(result)
    }

    /// Gives event types their numbers. Emitters mostly repeat one, and what has a number keeps it.
    pub fn interning(&self, py: Python<'_>) -> impl FnMut(&str) -> PyResult<u16> {
        let mut latest: Option<(String, u16)> = None;
        move |name| match &latest {
            Some((known, number)) if known == name => Ok(*number),
            _ => {
                let number = self.brief(py, |system| system.intern(name))?;
                latest = Some((name.to_owned(), number));
                Ok(number)
            }
        }
    }
}

/// Work on so many signals, for which the interpreter is left; of one alone that is as brief as leaving it.
fn apart<R: Send>(
    py: Python<'_>,
    system: &SignalSystem,
    signals: usize,
    work: impl FnOnce() -> R + Send,
) -> R {
    // Who may have to wait for room needs a consumer, which needs the interpreter.
    if signals > 1 || system.is_busy() || system.blocks() {
        py.detach(work)
    } else {
        work()
    }
}

/// A panic becomes the failure that every later call reports.
#[inline]
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

/// Count the emits since `start_ns`. -> microseconds
#[inline]
#[allow(clippy::cast_precision_loss)] // exact below 2^53 nanoseconds, which are 104 days
fn observe(system: &SignalSystem, start_ns: u64, emits: usize) -> f64 {
    let took_ns = monotonic_ns().saturating_sub(start_ns);
    system.durations.observe(took_ns, emits as u64);
    took_ns as f64 / 1e3
}
