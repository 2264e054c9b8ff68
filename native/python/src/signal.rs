//! The `SignalSystem` for Python: conversions, no decisions.

mod arguments;
mod audience;
mod batch;
mod boundary;
mod buffer;
mod clock;
mod connection;
mod emit;
mod event;
mod extra;
mod fields;
mod grid;
mod listening;
mod many;
mod neighbor;
mod object;
mod options;
mod outgoing;
mod result;
mod run;
mod stats;
mod system;
mod token;
mod vector;
mod wakeup;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

pub use outgoing::SignalBatch;

use crate::error::{SignalOverloaded, SignalSystemError, SignalValueError};

/// The log entries of a batch, in order.
pub fn entries_of(batch: &SignalBatch) -> Vec<plane::NewEntry> {
    batch.0.entries().map(new_entry).collect()
}

fn new_entry(entry: signal::Entry) -> plane::NewEntry {
    let text = |text: &std::sync::Arc<str>| Box::from(&**text);
    let extra = entry.extra.as_deref();
    plane::NewEntry {
        event: text(&entry.event),
        data: entry.data.into_boxed_slice(),
        key: extra.and_then(|extra| extra.key.clone()),
        tags: extra.and_then(|extra| extra.tags.as_deref()).map(Box::from),
        traceparent: extra.and_then(|extra| extra.traceparent.as_ref()).map(text),
        tracestate: extra.and_then(|extra| extra.tracestate.as_ref()).map(text),
        content: None,
        marks: entry
            .marks
            .map(|(marks, vector)| Box::new(plane::Marks::new(marks, vector))),
    }
}

/// What the one crate tells is what the other reads.
const _: () = {
    let (told, read) = (signal::MEMBERS, plane::MARKED);
    assert!(told.len() == read.len());
    let mut member = 0;
    while member < told.len() {
        let (one, other) = (told[member].as_bytes(), read[member].as_bytes());
        assert!(one.len() == other.len());
        let mut at = 0;
        while at < one.len() {
            assert!(one[at] == other[at]);
            at += 1;
        }
        member += 1;
    }
};

/// The vector of a text by the built-in encoder (`channels/encoder.py` describes it).
#[pyfunction]
fn encode_text(text: &Bound<'_, PyString>) -> [f64; signal::DIMENSIONS] {
    // Lone surrogates are no letters; neither is what takes their place.
    signal::encode_text(&text.to_string_lossy())
}

/// Add the `SignalSystem`'s classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<system::PySignalSystem>()?;
    emit::install(&py.get_type::<system::PySignalSystem>())?;
    module.add("EmitResult", object::class(py)?)?;
    module.add_class::<batch::BatchResult>()?;
    module.add_class::<neighbor::Neighbor>()?;
    module.add_class::<token::Token>()?;
    module.add_class::<connection::TokenConnection>()?;
    module.add_class::<stats::Stats>()?;
    module.add_class::<SignalBatch>()?;
    module.add_class::<event::Event>()?;
    module.add("SignalValueError", py.get_type::<SignalValueError>())?;
    module.add("SignalOverloaded", py.get_type::<SignalOverloaded>())?;
    module.add("SignalSystemError", py.get_type::<SignalSystemError>())?;
    module.add_function(wrap_pyfunction!(encode_text, module)?)?;
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(run::note_fork, py)?)?;
    py.import("os")?
        .getattr("register_at_fork")?
        .call((), Some(&hooks))?;
    Ok(())
}
