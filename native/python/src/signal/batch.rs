//! The answer to a batch of emits.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView};
use signal::{Hit, Outcome};

use super::neighbor::Naming;
use super::result::EmitResult;
use crate::error::no_such_index;

/// What the system said about the signals of a batch, as columns and row by row.
#[pyclass(frozen, module = "channels._native")]
pub struct BatchResult {
    rows: Vec<(Outcome, usize)>,
    hits: Vec<Hit>,
    width: usize,
    naming: Naming,
    processing_time_us: f64,
}

impl BatchResult {
    pub fn new(naming: Naming, width: usize, len: usize) -> Self {
        Self {
            rows: Vec::with_capacity(len),
            hits: Vec::new(),
            width,
            naming,
            processing_time_us: 0.0,
        }
    }

    pub fn push(&mut self, outcome: Outcome, hits: &[Hit]) {
        self.rows.push((outcome, self.hits.len()));
        self.hits.extend_from_slice(hits);
    }

    pub fn took(mut self, us: f64) -> Self {
        self.processing_time_us = us;
        self
    }

    /// Its results one by one.
    pub fn into_list(self, py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
        let results = (0..self.rows.len()).filter_map(|index| self.result(index));
        PyList::new(py, results.collect::<Vec<_>>())
    }

    fn row(&self, index: usize) -> Option<(Outcome, &[Hit])> {
        let (outcome, start) = *self.rows.get(index)?;
        let end = self
            .rows
            .get(index + 1)
            .map_or(self.hits.len(), |(_, next)| *next);
        Some((outcome, self.hits.get(start..end).unwrap_or_default()))
    }

    fn result(&self, index: usize) -> Option<EmitResult> {
        self.row(index).map(|(outcome, hits)| {
            EmitResult::new(outcome, hits, &self.naming, self.processing_time_us)
        })
    }

    fn rows(&self) -> impl Iterator<Item = (Outcome, &[Hit])> {
        (0..self.rows.len()).filter_map(|index| self.row(index))
    }

    /// One value per signal.
    fn column<'py, const N: usize>(
        &self,
        py: Python<'py>,
        format: &str,
        value: impl Fn(&Outcome, &[Hit]) -> [u8; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut bytes = Vec::with_capacity(self.rows.len() * N);
        for (outcome, hits) in self.rows() {
            bytes.extend_from_slice(&value(&outcome, hits));
        }
        view(py, &bytes)?.call_method1("cast", (format,))
    }

    /// One value per signal and place among its neighbours; places without one hold `none`.
    fn table<'py, const N: usize>(
        &self,
        py: Python<'py>,
        format: &str,
        none: [u8; N],
        value: impl Fn(&Hit) -> [u8; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut bytes = Vec::with_capacity(self.rows.len() * self.width * N);
        for (_, hits) in self.rows() {
            for place in 0..self.width {
                bytes.extend_from_slice(&hits.get(place).map_or(none, &value));
            }
        }
        let view = view(py, &bytes)?;
        if self.rows.is_empty() {
            // A view of nothing has no rows to tell the shape of.
            return view.call_method1("cast", (format,));
        }
        view.call_method1("cast", (format, (self.rows.len(), self.width)))
    }
}

fn view<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyMemoryView>> {
    PyMemoryView::from(PyBytes::new(py, bytes).as_any())
}

#[pymethods]
impl BatchResult {
    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<EmitResult> {
        let place = if index < 0 {
            self.rows.len().checked_add_signed(index)
        } else {
            usize::try_from(index).ok()
        };
        let result = place.and_then(|place| self.result(place));
        result.ok_or_else(|| no_such_index(index, self.rows.len()))
    }

    #[getter]
    fn novel_count(&self) -> usize {
        self.rows
            .iter()
            .filter(|(outcome, _)| outcome.is_novel)
            .count()
    }

    #[getter]
    fn processing_time_us(&self) -> f64 {
        self.processing_time_us
    }

    #[getter]
    fn token_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.column(py, "Q", |outcome, _| outcome.token_id.to_ne_bytes())
    }

    #[getter]
    fn novel<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.column(py, "B", |outcome, _| [u8::from(outcome.is_novel)])
    }

    #[getter]
    fn nearest_dist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.column(py, "f", |outcome, _| {
            outcome.nearest_dist.unwrap_or(f32::INFINITY).to_ne_bytes()
        })
    }

    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // At most 64 neighbours.
        self.column(py, "B", |_, hits| {
            [u8::try_from(hits.len()).unwrap_or(u8::MAX)]
        })
    }

    #[getter]
    fn neighbor_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.table(py, "Q", [0; 8], |hit| hit.entry.id.to_ne_bytes())
    }

    #[getter]
    fn neighbor_dists<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.table(py, "f", f32::INFINITY.to_ne_bytes(), |hit| {
            hit.distance().to_ne_bytes()
        })
    }

    fn __repr__(&self) -> String {
        format!(
            "BatchResult(len={}, novel_count={})",
            self.rows.len(),
            self.novel_count()
        )
    }
}
