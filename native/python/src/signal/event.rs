//! Events as subscribers in the process see them.

use std::sync::Arc;

use ::plane::Marks;
use ::plane::filter::Subject;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use signal::Entry;

use super::fields::item;
use crate::error::no_such_key;

/// An event as text, shared by all who hear it.
pub struct Heard {
    entry: Entry,
    message: Vec<u8>,
    marks: Option<Marks>,
}

impl From<Entry> for Heard {
    fn from(entry: Entry) -> Self {
        let message = entry.to_json();
        // `data` is the last member.
        let data = message.len() - entry.data.len() - 1;
        let marks = entry.marks.map(|(marks, vector)| Marks::new(marks, vector));
        Self {
            marks: marks.and_then(|marks| marks.behind(data)),
            message,
            entry,
        }
    }
}

impl Heard {
    /// Its name.
    fn event(&self) -> &str {
        &self.entry.event
    }

    /// The key of its emitter.
    fn key(&self) -> Option<&str> {
        self.entry.extra.as_ref()?.key.as_deref()
    }

    /// What filters look at.
    pub fn subject(&self) -> Subject<'_> {
        Subject::new(self.event(), self.key(), &self.message).with_marks(self.marks.as_ref())
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
        PyBytes::new(py, &self.0.message)
    }

    fn __repr__(&self) -> String {
        format!("SignalEvent({})", String::from_utf8_lossy(&self.0.message))
    }
}
