//! The answer to one emit.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use signal::vector::decimal;
use signal::{Hit, Outcome};

use super::fields::item;
use super::neighbor::Naming;

/// What the system said about one signal.
#[pyclass(frozen, module = "channels._native")]
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

const RESULT_FIELDS: [&str; 7] = [
    "token_id",
    "is_novel",
    "neighbors",
    "processing_time_us",
    "nearest_dist",
    "anomaly_score",
    "exact",
];

#[pymethods]
impl EmitResult {
    #[getter]
    fn token_id(&self) -> u64 {
        self.outcome.token_id
    }

    #[getter]
    pub fn is_novel(&self) -> bool {
        self.outcome.is_novel
    }

    #[getter]
    fn neighbors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let Some(near) = &self.near else {
            return Ok(PyList::empty(py));
        };
        let neighbors = near.hits.iter().map(|hit| near.naming.of_hit(hit));
        let neighbors = neighbors.map(|neighbor| Py::new(py, neighbor));
        PyList::new(py, neighbors.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn processing_time_us(&self) -> f64 {
        self.processing_time_us
    }

    #[getter]
    fn nearest_dist(&self) -> Option<f64> {
        self.outcome.nearest_dist.map(decimal)
    }

    #[getter]
    fn anomaly_score(&self) -> f64 {
        decimal(self.outcome.anomaly_score)
    }

    #[getter]
    fn exact(&self) -> bool {
        self.outcome.exact
    }

    #[getter]
    fn published(&self) -> bool {
        self.outcome.published
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        item(slf, &RESULT_FIELDS, key)
    }

    /// Written member by member: a pipeline asks for it with every text.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let neighbors = match &self.near {
            Some(near) => near.naming.dicts_of(py, &near.hits)?,
            None => Vec::new(),
        };
        let result = PyDict::new(py);
        result.set_item(intern!(py, "token_id"), self.token_id())?;
        result.set_item(intern!(py, "is_novel"), self.is_novel())?;
        result.set_item(intern!(py, "neighbors"), neighbors)?;
        result.set_item(intern!(py, "processing_time_us"), self.processing_time_us)?;
        result.set_item(intern!(py, "nearest_dist"), self.nearest_dist())?;
        result.set_item(intern!(py, "anomaly_score"), self.anomaly_score())?;
        result.set_item(intern!(py, "exact"), self.exact())?;
        Ok(result)
    }

    /// The members of `emitted` (M46) as JSON: `{"token_id":…,"is_novel":…,"neighbors":[{"token_id":…,"distance":…}]}`.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
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

    fn __repr__(&self) -> String {
        format!(
            "EmitResult(token_id={}, is_novel={}, neighbors={}, nearest_dist={:?})",
            self.outcome.token_id,
            if self.outcome.is_novel {
                "True"
            } else {
                "False"
            },
            self.hits().len(),
            self.nearest_dist(),
        )
    }
}
