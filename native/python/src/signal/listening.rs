//! The methods of `SignalSystem` for who listens inside the process.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arguments::{count_of, filter_of};
use super::audience::{MAX_QUEUE, ToCall, Wish};
use super::event::Event;
use super::system::PySignalSystem;
use crate::error::{expected, refusal, wrong_type};

#[pymethods]
impl PySignalSystem {
    #[pyo3(signature = (name, filter = None, callback = None, *, queue = 1024))]
    fn subscribe(
        &self,
        name: &str,
        filter: Option<&Bound<'_, PyAny>>,
        callback: Option<Bound<'_, PyAny>>,
        queue: i64,
    ) -> PyResult<u64> {
        let system = self.system()?;
        let size = usize::try_from(queue).ok();
        let size = size.filter(|size| (1..=MAX_QUEUE).contains(size));
        let bounds = format!("1 to {MAX_QUEUE} events");
        let queue = size.ok_or_else(|| expected("queue", &bounds, &queue.to_string()))?;
        if let Some(callback) = callback.as_ref().filter(|callback| !callback.is_callable()) {
            return Err(wrong_type("callback must be callable", callback));
        }
        let wish = Wish {
            name: name.to_owned(),
            filter: filter_of(filter)?,
            callback: callback.map(Bound::unbind),
            queue,
        };
        self.subscribers.add(system, wish).map_err(refusal)
    }

    fn unsubscribe(&self, subscriber_id: u64) -> PyResult<()> {
        self.system()?;
        self.subscribers.remove(subscriber_id)
    }

    #[pyo3(signature = (subscriber_id, max_events = 1024))]
    fn poll(&self, py: Python<'_>, subscriber_id: u64, max_events: i64) -> PyResult<Vec<Event>> {
        let most = count_of("max_events", "a positive number", max_events)?;
        self.long(py, |system| self.subscribers.drain(system))?;
        self.subscribers.poll(subscriber_id, most)
    }

    #[pyo3(signature = (max_events = 1024))]
    fn take_heard(&self, py: Python<'_>, max_events: i64) -> PyResult<Vec<ToCall>> {
        self.system()?;
        let most = count_of("max_events", "a positive number", max_events)?;
        Ok(self.subscribers.to_call(py, most))
    }

    fn note_callback_errors(&self, subscriber_id: u64, count: u64) -> PyResult<()> {
        self.system()?;
        self.subscribers.failed(subscriber_id, count);
        Ok(())
    }

    fn list_subscribers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.system()?;
        self.subscribers.describe(py)
    }
}
