//! Events as subscribers in the process see them.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use signal::Entry;

use super::fields::item;
use crate::error::no_such_key;

/// An event as text, shared by all who hear it.
pub struct Heard {
    entry: Entry,
    message: Vec<u8>,
}

impl From<Entry> for Heard {
    fn from(entry: Entry) -> Self {
        Self {
            message: entry.to_json(),
            entry,
        }
    }
}

impl Heard {
    /// Its name.
    pub fn event(&self) -> &str {
        &self.entry.event
    }

    /// The key of its emitter.
    pub fn key(&self) -> Option<&str> {
        self.entry.extra.as_ref()?.key.as_deref()
    }

    /// All of it as JSON: what filters look at.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

/// One event of the `SignalSystem`, as it stands in the channel's log.
#[pyclass(name = "SignalEvent", frozen, module = "channels._native")]
pub struct Event(pub Arc<Heard>);

const EVENT_FIELDS: [&str; 4] = ["event", "key", "tags", "data"];

fn loads<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import("orjson")?
        .getattr("loads")?
        .call1((PyBytes::new(py, text),))
}

#[pymethods]
impl Event {
    #[getter]
    fn event(&self) -> &str {
        self.0.event()
    }

    #[getter]
    fn key(&self) -> Option<&str> {
        self.0.key()
    }

    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let extra = self.0.entry.extra.as_ref();
        match extra.and_then(|extra| extra.tags.as_deref()) {
            Some(tags) => loads(py, tags),
            None => Ok(PyDict::new(py).into_any()),
        }
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.entry.data)
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        if EVENT_FIELDS.contains(&key) {
            return item(slf, &EVENT_FIELDS, key);
        }
        let data = slf.get().data(slf.py())?;
        data.get_item(key).map_err(|_| no_such_key(key))
    }

    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.message())
    }

    fn __repr__(&self) -> String {
        format!("SignalEvent({})", String::from_utf8_lossy(self.0.message()))
    }
}
