//! What crosses from the I/O threads to Python: one descriptor that says "drain", and events in lists.

use std::ops::Range;

use plane::{Batch, Event, Inbox};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::publishes::Publishes;

/// Kinds of events, the second member of each tuple.
pub const KINDS: [(&str, u8); 12] = [
    ("EVENT_TEXT", 1),
    ("EVENT_BINARY", 2),
    ("EVENT_UNREADABLE", 3),
    ("EVENT_CLOSED", 4),
    ("EVENT_OUTPUT", 5),
    ("EVENT_FEED", 6),
    ("EVENT_FATAL", 7),
    ("EVENT_POSITIONS", 8),
    ("EVENT_STORED", 9),
    ("EVENT_STORE_FAILED", 10),
    ("EVENT_RETAIN_FAILED", 11),
    ("EVENT_PUBLISHES", 12),
];

/// Take at most `max` events, each as (connection, kind, a, b).
pub fn drain<'py>(py: Python<'py>, inbox: &Inbox, max: usize) -> PyResult<Bound<'py, PyList>> {
    let taken = inbox.take(max);
    let events = PyList::empty(py);
    let mut outcome = Ok(());
    for (batch, range) in &taken {
        for (conn, event) in batch.events(range.clone()) {
            outcome = outcome.and_then(|()| events.append(tuple(py, *conn, event, batch)?));
        }
    }
    inbox.give_back(taken);
    outcome.map(|()| events)
}

fn tuple<'py>(
    py: Python<'py>,
    conn: u64,
    event: &Event,
    batch: &Batch,
) -> PyResult<Bound<'py, PyTuple>> {
    let payload = |range: &Range<usize>| PyBytes::new(py, batch.payload(range.clone()));
    match event {
        Event::Text(range) => (conn, 1, payload(range), py.None()).into_pyobject(py),
        Event::Binary(range) => (conn, 2, payload(range), py.None()).into_pyobject(py),
        Event::Publishes(range) => {
            let publishes = Publishes::new(py, conn, batch.run(range.clone()));
            (conn, 12, publishes, py.None()).into_pyobject(py)
        }
        Event::Unreadable(slug, text) => (conn, 3, *slug, text).into_pyobject(py),
        Event::Closed(verdict) => (
            conn,
            4,
            (verdict.code, &verdict.reason),
            verdict.cause.name(),
        )
            .into_pyobject(py),
        Event::Output => (conn, 5, py.None(), py.None()).into_pyobject(py),
        Event::Feed => (conn, 6, py.None(), py.None()).into_pyobject(py),
        Event::Positions(positions) => {
            let positions: Vec<(u64, String)> = positions
                .iter()
                .map(|(log, position)| (*log, position.to_string()))
                .collect();
            (conn, 8, positions, py.None()).into_pyobject(py)
        }
        Event::Fatal(text) => (conn, 7, text, py.None()).into_pyobject(py),
        Event::Stored { log, epoch, offset } => {
            (conn, 9, *log, (epoch.as_str(), *offset)).into_pyobject(py)
        }
        Event::StoreFailed {
            log,
            epoch,
            first,
            text,
            is_uncertain,
        } => (
            conn,
            10,
            *log,
            (epoch.as_str(), *first, text, *is_uncertain),
        )
            .into_pyobject(py),
        Event::RetainFailed { log, text } => (conn, 11, *log, text).into_pyobject(py),
    }
}
