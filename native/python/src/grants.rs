//! What I/O threads may do by themselves, and the buckets that they share with Python.

use std::sync::Arc;

use ::plane::{LogId, Plane, Rate, SharedBucket, Terms};
use pyo3::prelude::*;

use crate::error::{Raised, expected};

/// See channels/_native.pyi.
#[pyclass(name = "SharedBucket", frozen, module = "channels._native")]
pub struct PyBucket {
    inner: Arc<SharedBucket>,
}

#[pymethods]
impl PyBucket {
    #[new]
    fn new(capacity: f64, refill: f64, now: f64) -> PyResult<Self> {
        for (name, value) in [("capacity", capacity), ("refill", refill)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(expected(
                    name,
                    "a finite number above 0",
                    &value.to_string(),
                ));
            }
        }
        if !now.is_finite() {
            return Err(expected(
                "now",
                "a finite number of seconds",
                &now.to_string(),
            ));
        }
        let rate = Rate::new(capacity, refill);
        Ok(Self {
            inner: Arc::new(SharedBucket::new(rate, now)),
        })
    }

    #[getter]
    fn at(&self) -> f64 {
        self.inner.at()
    }

    #[getter]
    fn is_lent(&self) -> bool {
        Arc::strong_count(&self.inner) > 1
    }

    fn level(&self, now: f64) -> f64 {
        self.inner.level(now)
    }

    fn pay(&self, cost: f64, now: f64) {
        self.inner.pay(cost, now);
    }

    fn drain(&self, cost: f64, now: f64, most: f64) {
        self.inner.drain(cost, now, most);
    }

    #[pyo3(signature = (cost, now, other = None))]
    fn take(&self, cost: f64, now: f64, other: Option<&Self>) -> PyResult<bool> {
        Ok(self.inner.take(self.another(other)?, cost, now))
    }

    #[pyo3(signature = (most, now, other = None))]
    fn take_each(&self, most: u32, now: f64, other: Option<&Self>) -> PyResult<u32> {
        Ok(self.inner.take_each(self.another(other)?, most, now))
    }
}

impl PyBucket {
    /// A bucket that is locked twice would wait for itself.
    fn another<'a>(&self, other: Option<&'a Self>) -> PyResult<Option<&'a SharedBucket>> {
        match other {
            Some(other) if Arc::ptr_eq(&self.inner, &other.inner) => {
                Err(expected("other", "another bucket", "the same"))
            }
            other => Ok(other.map(|other| &*other.inner)),
        }
    }
}

pub fn grant(
    plane: &Plane,
    (conn, log): (u64, LogId),
    (largest, takes_traces): (usize, bool),
    own: &PyBucket,
    shared: Option<&PyBucket>,
) -> PyResult<()> {
    let terms = Terms {
        largest,
        takes_traces,
        own: Arc::clone(&own.inner),
        shared: shared.map(|shared| Arc::clone(&shared.inner)),
    };
    Ok(plane.grant(conn, log, terms).map_err(Raised::from)?)
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyBucket>()
}
