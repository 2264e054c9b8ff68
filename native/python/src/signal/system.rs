//! `SignalSystem`: checks what comes, lets the crate work, wraps what it answers.

use std::sync::{Arc, OnceLock};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use signal::{NewToken, SignalSystem, TokenUpdate, check_weight};

use super::arguments::{DEFAULT_PRIORITY, NewTokens, Priority, TokenId, count_of, filter_of};
use super::audience::Audience;
use super::batch::BatchResult;
use super::clock::now_us;
use super::extra::Members;
use super::many::{Request, read_each, read_items};
use super::neighbor::Naming;
use super::options::Options;
use super::outgoing::SignalBatch;
use super::result::EmitResult;
use super::run::forks;
use super::stats::Stats;
use super::token::{Token, passing};
use super::vector;
use super::wakeup::Wakeup;
use crate::error::refusal;

/// Takes typed 8-D vectors, says at once what is new and what lies near, and hands the events to the hub.
#[pyclass(name = "SignalSystem", frozen, module = "channels._native")]
pub struct PySignalSystem {
    pub system: Arc<SignalSystem>,
    wakeup: OnceLock<Wakeup>,
    pub naming: Naming,
    pub max_neighbors: usize,
    pub forks: u64,
    pub subscribers: Audience,
}

#[pymethods]
impl PySignalSystem {
    #[new]
    #[pyo3(signature = (*, capacity = 1_048_576, index_window = None, neighbor_radius = 0.1, novelty_radius = 0.1,
        novelty_ttl = None, max_neighbors = 10, neighbors = "exact", max_leaves = 24, scales = None, auto_connect = 0,
        max_connections = 262_144, publish = "all", event_neighbors = 5, queue_size = 65_536, overflow = "refuse",
        threads = None, token_events = false, novelty_events = false, node = "", max_subscribers = 256))]
    #[allow(clippy::too_many_arguments)] // a public call names its options
    fn new(
        capacity: i64,
        index_window: Option<i64>,
        neighbor_radius: f64,
        novelty_radius: f64,
        novelty_ttl: Option<f64>,
        max_neighbors: i64,
        neighbors: &str,
        max_leaves: i64,
        scales: Option<&Bound<'_, PyAny>>,
        auto_connect: i64,
        max_connections: i64,
        publish: &str,
        event_neighbors: i64,
        queue_size: i64,
        overflow: &str,
        threads: Option<i64>,
        token_events: bool,
        novelty_events: bool,
        node: &str,
        max_subscribers: i64,
    ) -> PyResult<Self> {
        let options = Options {
            capacity,
            index_window,
            radii: (neighbor_radius, novelty_radius),
            novelty_ttl,
            max_neighbors,
            neighbors,
            max_leaves,
            scales,
            auto_connect,
            max_connections,
            publish,
            event_neighbors,
            queue_size,
            overflow,
            threads,
            token_events,
            novelty_events,
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
            forks: forks(),
            subscribers: Audience::new(max_subscribers).map_err(refusal)?,
        })
    }

    #[pyo3(
        signature = (event_type, vector, priority = DEFAULT_PRIORITY, *, key = None, tags = None, payload = None,
            traceparent = None, publish = None),
        text_signature = "($self, /, event_type, vector, priority=128, *, key=None, tags=None, payload=None, \
            traceparent=None, publish=None)"
    )]
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
            tags: tags.map(Bound::as_borrowed),
            payload,
            traceparent,
            tracestate: None,
        };
        self.emit_one(py, event_type, vector, priority, &members, publish)
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
        let items = read_items(items, &mut self.interning(py))?;
        self.run_items(py, items)
    }

    fn emit_each<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyList>, usize, usize)> {
        let signals = read_each(items, &mut self.interning(py))?;
        let outcomes = self.run_each(py, signals)?;
        let results = || outcomes.iter().flatten();
        let counts = (
            results().count(),
            results().filter(|result| result.is_novel()).count(),
        );
        let answer = |outcome| match outcome {
            Ok(result) => EmitResult::into_pyobject(result, py),
            Err(refusal) => PyErr::into_bound_py_any(refusal, py),
        };
        let objects = outcomes.into_iter().map(answer);
        let objects = objects.collect::<PyResult<Vec<_>>>()?;
        Ok((PyList::new(py, objects)?, counts.0, counts.1))
    }

    #[pyo3(
        signature = (vector, *, event_type = "token", weight = 1.0, priority = DEFAULT_PRIORITY),
        text_signature = "($self, /, vector, *, event_type='token', weight=1.0, priority=128)"
    )]
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
            system.create_tokens(now_us(), new.iter(event_type), index)
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

    #[pyo3(signature = (*, limit = 100, before = None, filter = None))]
    fn list_tokens(
        &self,
        py: Python<'_>,
        limit: i64,
        before: Option<TokenId>,
        filter: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Token>> {
        let limit = count_of("limit", "0 to 10000", limit)?;
        let filter = filter_of(filter)?;
        let found = self.long(py, |system| {
            passing(system, limit, before.map(|id| id.0), filter.as_ref())
        })?;
        Ok(found.into_iter().map(Token).collect())
    }

    fn count_tokens(&self, py: Python<'_>) -> PyResult<u64> {
        self.brief(py, SignalSystem::count_tokens)
    }

    fn clear_tokens(&self, py: Python<'_>) -> PyResult<u64> {
        self.brief(py, SignalSystem::clear_tokens)
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
            system.warm(now_us(), new.iter(event_type))
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
        self.subscribers.taken();
        let Some(batch) = self.brief(py, |system| system.take_batch(max))? else {
            return Ok(None);
        };
        py.detach(|| self.subscribers.offer(&batch));
        Ok(Some(SignalBatch(batch)))
    }

    fn wakeup_fd(&self, py: Python<'_>) -> PyResult<i32> {
        self.system()?;
        if let Some(wakeup) = self.wakeup.get() {
            return Ok(wakeup.fd());
        }
        self.subscribers.taken();
        let wakeup = Wakeup::new()?;
        let wakeup = self.wakeup.get_or_init(|| wakeup).clone();
        let fd = wakeup.fd();
        self.long(py, |system| system.attach(Box::new(move || wakeup.set())))?;
        Ok(fd)
    }

    fn get_stats(&self, py: Python<'_>) -> PyResult<Stats> {
        self.brief(py, |system| Ok(Stats::from(system.stats())))
    }

    fn reset_stats(&self, py: Python<'_>) -> PyResult<()> {
        self.brief(py, SignalSystem::reset_stats)
    }

    fn export_metrics(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.brief(py, |system| Ok(system.stats()))?;
        Ok(stats.to_prometheus() + &self.subscribers.to_prometheus())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.brief(py, SignalSystem::close)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.brief(py, |system| Ok(system.stats()))?;
        Ok(format!(
            "SignalSystem(tokens={}, window_points={}, emits={}, queue_depth={})",
            stats.tokens, stats.index.points, stats.counts.emits, stats.queue_depth
        ))
    }
}
