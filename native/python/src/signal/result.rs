//! The answer to one emit.

use std::ffi::CStr;
use std::fmt::{self, Display, Formatter};

use pyo3::IntoPyObjectExt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use signal::vector::decimal;
use signal::{Hit, Outcome};

use super::neighbor::Naming;
use crate::error::no_such_key;

/// What the system said about one signal (`object.rs` makes it an object of Python).
pub struct EmitResult {
    outcome: Outcome,
    near: Option<Near>,
    pub processing_time_us: f64,
}

/// Neighbours, made into objects when they are looked at.
struct Near {
    hits: Box<[Hit]>,
    naming: Naming,
}

impl EmitResult {
    #[inline]
    pub fn new(outcome: Outcome, hits: &[Hit], naming: &Naming, processing_time_us: f64) -> Self {
        let near = (!hits.is_empty()).then(|| Near {
            hits: Box::from(hits),
            naming: naming.clone(),
        });
        Self {
            outcome,
            near,
            processing_time_us,
        }
    }

    fn hits(&self) -> &[Hit] {
        self.near.as_ref().map_or(&[], |near| &near.hits)
    }
}

/// Its attributes; the last is no item.
pub const MEMBERS: [&CStr; 8] = [
    c"token_id",
    c"is_novel",
    c"neighbors",
    c"processing_time_us",
    c"nearest_dist",
    c"anomaly_score",
    c"exact",
    c"published",
];

impl EmitResult {
    pub fn is_novel(&self) -> bool {
        self.outcome.is_novel
    }

    /// One of `MEMBERS`.
    pub fn member<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyAny>> {
        match place {
            0 => self.outcome.token_id.into_bound_py_any(py),
            1 => self.is_novel().into_bound_py_any(py),
            2 => self.neighbors(py).map(Bound::into_any),
            3 => self.processing_time_us.into_bound_py_any(py),
            4 => self.nearest_dist().into_bound_py_any(py),
            5 => self.anomaly_score().into_bound_py_any(py),
            6 => self.outcome.exact.into_bound_py_any(py),
            _ => self.outcome.published.into_bound_py_any(py),
        }
    }

    /// The same by its name.
    pub fn item<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        let mut items = MEMBERS.iter().take(MEMBERS.len() - 1);
        let place = items.position(|name| name.to_bytes() == key.as_bytes());
        self.member(py, place.ok_or_else(|| no_such_key(key))?)
    }

    fn neighbors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let Some(near) = &self.near else {
            return Ok(PyList::empty(py));
        };
        let neighbors = near.hits.iter().map(|hit| near.naming.of_hit(hit));
        let neighbors = neighbors.map(|neighbor| Py::new(py, neighbor));
        PyList::new(py, neighbors.collect::<PyResult<Vec<_>>>()?)
    }

    fn nearest_dist(&self) -> Option<f64> {
        self.outcome.nearest_dist.map(decimal)
    }

    fn anomaly_score(&self) -> f64 {
        decimal(self.outcome.anomaly_score)
    }

    /// Written member by member: a pipeline asks for it with every text.
    pub fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let neighbors = match &self.near {
            Some(near) => near.naming.dicts_of(py, &near.hits)?,
            None => Vec::new(),
        };
        let result = PyDict::new(py);
        result.set_item(intern!(py, "token_id"), self.outcome.token_id)?;
        result.set_item(intern!(py, "is_novel"), self.is_novel())?;
        result.set_item(intern!(py, "neighbors"), neighbors)?;
        result.set_item(intern!(py, "processing_time_us"), self.processing_time_us)?;
        result.set_item(intern!(py, "nearest_dist"), self.nearest_dist())?;
        result.set_item(intern!(py, "anomaly_score"), self.anomaly_score())?;
        result.set_item(intern!(py, "exact"), self.outcome.exact)?;
        Ok(result)
    }

    /// The members of `emitted` (M46) as JSON: `{"token_id":…,"is_novel":…,"neighbors":[{"token_id":…,"distance":…}]}`.
    pub fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let neighbor = |hit: &Hit| {
            format!(
                "{{\"token_id\":{},\"distance\":{:?}}}",
                hit.entry.id,
                decimal(hit.distance())
            )
        };
        let neighbors: Vec<String> = self.hits().iter().map(neighbor).collect();
        let (id, is_novel) = (self.outcome.token_id, self.outcome.is_novel);
        let text = format!(
            "{{\"token_id\":{id},\"is_novel\":{is_novel},\"neighbors\":[{}]}}",
            neighbors.join(",")
        );
        PyBytes::new(py, text.as_bytes())
    }
}

impl Display for EmitResult {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let is_novel = if self.outcome.is_novel {
            "True"
        } else {
            "False"
        };
        let (id, neighbors) = (self.outcome.token_id, self.hits().len());
        write!(
            out,
            "EmitResult(token_id={id}, is_novel={is_novel}, neighbors={neighbors}, "
        )?;
        match self.nearest_dist() {
            Some(distance) => write!(out, "nearest_dist={distance:?})"),
            None => write!(out, "nearest_dist=None)"),
        }
    }
}
