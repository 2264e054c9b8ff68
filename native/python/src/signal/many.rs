//! Many signals in one call: a batch, or the messages of many emitters.

use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};
use signal::rules::{check_batch_size, check_key};
use signal::{Extra, Signal, SignalError, Vector};

use super::arguments::{DEFAULT_PRIORITY, Priority};
use super::extra::Members;
use super::vector;
use crate::error::{is_refusal, misuse, refusal, wrong_type};

/// Gives an event type its number.
pub type Intern<'a> = dyn FnMut(&str) -> PyResult<u16> + 'a;

/// One value for all signals, or one for each.
enum Values<T> {
    All(T),
    Each(Vec<T>),
}

impl<T: Copy> Values<T> {
    fn at(&self, index: usize) -> Option<T> {
        match self {
            Self::All(value) => Some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }
}

/// `emit_batch`, checked whole.
pub struct Request {
    event_types: Values<usize>,
    names: Vec<String>,
    vectors: Vec<Vector>,
    priorities: Values<u8>,
    keys: Option<Vec<String>>,
    payload: Option<Arc<[u8]>>,
}

impl Request {
    pub fn read(
        event_type: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        priorities: Option<&Bound<'_, PyAny>>,
        keys: Option<&Bound<'_, PyAny>>,
        payload: Option<&[u8]>,
    ) -> PyResult<Self> {
        let vectors = vector::many(vectors)?;
        check_batch_size(vectors.len()).map_err(refusal)?;
        let members = Members {
            payload,
            ..Members::default()
        };
        let (event_types, names) = read_event_types(event_type, vectors.len())?;
        Ok(Self {
            event_types,
            names,
            priorities: read_priorities(priorities, vectors.len())?,
            keys: keys
                .map(|keys| read_keys(keys, vectors.len()))
                .transpose()?,
            payload: members.check()?.and_then(|extra| extra.payload.clone()),
            vectors,
        })
    }

    /// The signals, their event types interned.
    pub fn signals(&self, publish: Option<bool>, intern: &mut Intern<'_>) -> PyResult<Vec<Signal>> {
        let types: Vec<u16> = self
            .names
            .iter()
            .map(|name| intern(name))
            .collect::<PyResult<_>>()?;
        let shared = self.extra(None);
        let signal = |(index, vector): (usize, &Vector)| Signal {
            event_type: self
                .event_types
                .at(index)
                .and_then(|place| types.get(place).copied())
                .unwrap_or_default(),
            vector: *vector,
            priority: self.priorities.at(index).unwrap_or(DEFAULT_PRIORITY.0),
            publish,
            extra: match self.keys.as_ref().and_then(|keys| keys.get(index)) {
                Some(key) => self.extra(Some(key)),
                None => shared.clone(),
            },
        };
        Ok(self.vectors.iter().enumerate().map(signal).collect())
    }

    fn extra(&self, key: Option<&str>) -> Option<Arc<Extra>> {
        let extra = Extra {
            key: key.map(Box::from),
            payload: self.payload.clone(),
            ..Extra::default()
        };
        extra.shared()
    }
}

fn one_each(name: &'static str, came: usize, signals: usize) -> PyResult<()> {
    if came == signals {
        return Ok(());
    }
    Err(refusal(SignalError::Argument {
        name,
        expected: "one per vector",
        came: format!("{came} for {signals}"),
    }))
}

/// One name, or one for each vector. -> places in the list of names
fn read_event_types(
    given: &Bound<'_, PyAny>,
    signals: usize,
) -> PyResult<(Values<usize>, Vec<String>)> {
    if given.is_instance_of::<PyString>() {
        return Ok((Values::All(0), vec![given.extract()?]));
    }
    let names: Vec<String> = given.extract()?;
    one_each("event_type", names.len(), signals)?;
    Ok((Values::Each((0..names.len()).collect()), names))
}

fn read_priorities(given: Option<&Bound<'_, PyAny>>, signals: usize) -> PyResult<Values<u8>> {
    let Some(given) = given else {
        return Ok(Values::All(DEFAULT_PRIORITY.0));
    };
    if given.is_instance_of::<PyInt>() {
        return Ok(Values::All(given.extract::<Priority>()?.0));
    }
    let priorities = PyBuffer::<u8>::get(given)
        .map_err(|_| {
            wrong_type(
                "priorities must be an integer or a buffer of unsigned bytes",
                given,
            )
        })?
        .to_vec(given.py())?;
    one_each("priorities", priorities.len(), signals)?;
    Ok(Values::Each(priorities))
}

fn read_keys(given: &Bound<'_, PyAny>, signals: usize) -> PyResult<Vec<String>> {
    let keys: Vec<String> = given.extract()?;
    one_each("keys", keys.len(), signals)?;
    keys.iter()
        .try_for_each(|key| check_key(key))
        .map_err(refusal)?;
    Ok(keys)
}

/// One item of `emit_many`: its signals, or why it is refused.
pub enum Item {
    Signals(Vec<Signal>),
    Refused(PyErr),
}

impl Item {
    /// How many signals it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Signals(signals) => signals.len(),
            Self::Refused(_) => 0,
        }
    }
}

/// Check every item for itself.
pub fn read_items(items: &Bound<'_, PyAny>, intern: &mut Intern<'_>) -> PyResult<Vec<Item>> {
    let read = |item: PyResult<Bound<'_, PyAny>>| {
        let signals = unless_refused(items.py(), read_item(&item?, intern))?;
        Ok(signals.map_or_else(Item::Refused, Item::Signals))
    };
    items.try_iter()?.map(read).collect()
}

/// The same where every item is one signal.
pub fn read_each(
    items: &Bound<'_, PyAny>,
    intern: &mut Intern<'_>,
) -> PyResult<Vec<Result<Signal, PyErr>>> {
    let mut read = Vec::new();
    for item in items.try_iter()? {
        let signal = read_signal(&item?, intern, vector::one);
        let whole = signal.map(|(signal, vector)| Signal { vector, ..signal });
        read.push(unless_refused(items.py(), whole)?);
    }
    Ok(read)
}

/// What an emitter can be answered with stands beside what is done.
fn unless_refused<T>(py: Python<'_>, read: PyResult<T>) -> PyResult<Result<T, PyErr>> {
    match read {
        Err(error) if !is_refusal(py, &error) => Err(error),
        read => Ok(read),
    }
}

const ITEM_LEN: usize = 8;
const ITEM: &str = "an item must be a tuple (event_type, vectors, priority, key, tags, payload, traceparent, tracestate)";

fn read_item(item: &Bound<'_, PyAny>, intern: &mut Intern<'_>) -> PyResult<Vec<Signal>> {
    let (signal, vectors) = read_signal(item, intern, |given| {
        let vectors = vector::of_item(given)?;
        check_batch_size(vectors.len()).map_err(refusal)?;
        Ok(vectors)
    })?;
    let with = |vector| Signal {
        vector,
        ..signal.clone()
    };
    Ok(vectors.into_iter().map(with).collect())
}

/// The signal of an item without its vector, and what `vectors` reads.
fn read_signal<V>(
    item: &Bound<'_, PyAny>,
    intern: &mut Intern<'_>,
    vectors: impl Fn(&Bound<'_, PyAny>) -> PyResult<V>,
) -> PyResult<(Signal, V)> {
    let tuple = item.cast::<PyTuple>().map_err(|_| misuse(ITEM))?;
    if tuple.len() != ITEM_LEN {
        return Err(misuse(ITEM));
    }
    let member = |place| tuple.get_borrowed_item(place);
    let (event_type, priority, tags) = (member(0)?, member(2)?, member(4)?);
    let event_type = event_type.cast::<PyString>()?;
    let (key, payload) = (member(3)?, member(5)?);
    let (traceparent, tracestate) = (member(6)?, member(7)?);
    let members = Members {
        key: key.extract()?,
        tags: (!tags.is_none()).then_some(tags),
        payload: payload.extract()?,
        traceparent: traceparent.extract()?,
        tracestate: tracestate.extract()?,
    };
    let given = member(1)?;
    let vectors = vectors(&given)?;
    let signal = Signal {
        event_type: 0,
        vector: Vector::default(),
        priority: priority.extract::<Priority>()?.0,
        publish: None,
        extra: members.check()?,
    };
    // Last, so that nothing refused takes a place in the table of names.
    let event_type = intern(event_type.to_str()?)?;
    Ok((
        Signal {
            event_type,
            ..signal
        },
        vectors,
    ))
}
