//! The classes `Filter` and `Sieve`.

use std::sync::Arc;

use ::plane::Channel;
use ::plane::filter::{Filter, Limits, Sieve, judge_past, unjudged};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::start_of;
use crate::error::filter_fault;

/// A filter that was read; see channels/_native.pyi for what it is.
#[pyclass(name = "Filter", frozen, module = "channels._native")]
pub struct PyFilter {
    pub(crate) inner: Filter,
}

#[pymethods]
impl PyFilter {
    #[new]
    #[pyo3(signature = (text, *, max_bytes = 2_048, max_nodes = 32, max_depth = 4))]
    fn new(text: &[u8], max_bytes: usize, max_nodes: usize, max_depth: usize) -> PyResult<Self> {
        let limits = Limits {
            bytes: max_bytes,
            nodes: max_nodes,
            depth: max_depth,
        };
        let inner = Filter::parse(text, limits).map_err(|fault| filter_fault(&fault))?;
        Ok(Self { inner })
    }

    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.text())
    }

    #[getter]
    fn received<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.inner.received())
    }

    #[getter]
    fn is_open(&self) -> bool {
        self.inner.is_open()
    }

    fn __and__(&self, other: &Self) -> Self {
        Self {
            inner: self.inner.and(&other.inner),
        }
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner.is(&other.inner)
    }

    fn __repr__(&self) -> String {
        format!("Filter({})", String::from_utf8_lossy(&self.inner.text()))
    }
}

/// A filter on a log; see channels/_native.pyi.
#[pyclass(name = "Sieve", frozen, module = "channels._native")]
pub struct PySieve {
    pub(crate) inner: Arc<Sieve>,
    pub(crate) channel: Arc<Channel>,
}

#[pymethods]
impl PySieve {
    fn unjudged(&self, start: &Bound<'_, PyAny>) -> PyResult<u64> {
        Ok(unjudged(&self.channel, &self.inner, &start_of(start)?))
    }

    fn judge(&self, py: Python<'_>, start: &Bound<'_, PyAny>) -> PyResult<()> {
        let start = start_of(start)?;
        py.detach(|| judge_past(&self.channel, &self.inner, &start));
        Ok(())
    }
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let fault = module.py().get_type::<crate::error::FilterError>();
    module.add("FilterError", fault)?;
    module.add_class::<PyFilter>()?;
    module.add_class::<PySieve>()
}
