//! What travels with a signal: checked here, kept as text.

use std::sync::Arc;

use plane::json::{self, check_value, escape::write_str};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString};
use signal::rules::{check_key, check_payload_size, check_tags, is_traceparent, is_tracestate};
use signal::{Extra, SignalError};

use crate::error::{refusal, wrong_type};

/// The optional members of an emit.
#[derive(Default)]
pub struct Members<'a, 'py> {
    pub key: Option<&'a str>,
    pub tags: Option<Borrowed<'a, 'py, PyAny>>,
    pub payload: Option<&'a [u8]>,
    pub traceparent: Option<&'a str>,
    pub tracestate: Option<&'a str>,
}

impl Members<'_, '_> {
    /// All of them checked; `None` if there are none.
    pub fn check(&self) -> PyResult<Option<Arc<Extra>>> {
        let nothing =
            (self.key, self.payload, self.traceparent, self.tracestate) == (None, None, None, None);
        if nothing && self.tags.is_none() {
            return Ok(None);
        }
        if let Some(key) = self.key {
            check_key(key).map_err(refusal)?;
        }
        if let Some(payload) = self.payload {
            check_payload(payload).map_err(refusal)?;
        }
        // An invalid traceparent is dropped, and takes its tracestate with it (M17).
        let traceparent = self.traceparent.filter(|text| is_traceparent(text));
        let tracestate = self
            .tracestate
            .filter(|text| traceparent.is_some() && is_tracestate(text));
        let extra = Extra {
            key: self.key.map(Box::from),
            tags: self.tags.as_deref().map(tags_json).transpose()?.flatten(),
            payload: self.payload.map(Arc::from),
            traceparent: traceparent.map(Arc::from),
            tracestate: tracestate.map(Arc::from),
        };
        Ok(extra.shared())
    }
}

fn check_payload(payload: &[u8]) -> Result<(), SignalError> {
    check_payload_size(payload)?;
    check_value(payload).map_err(|fault| SignalError::Field {
        field: "payload",
        expected: "JSON text",
        came: fault.to_string(),
    })
}

/// A mapping of strings, or the JSON text of one that was checked before.
fn tags_json(tags: &Bound<'_, PyAny>) -> PyResult<Option<Arc<[u8]>>> {
    if let Ok(text) = tags.cast::<PyBytes>() {
        return checked_tags(text.as_bytes()).map_err(refusal).map(Some);
    }
    let pairs = pairs_of(tags)?;
    check_tags(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
    .map_err(refusal)?;
    Ok((!pairs.is_empty()).then(|| Arc::from(written(&pairs))))
}

fn checked_tags(text: &[u8]) -> Result<Arc<[u8]>, SignalError> {
    let checked = json::check_tags(text).map_err(|fault| SignalError::Field {
        field: "tags",
        expected: "a JSON object of strings",
        came: fault.to_string(),
    });
    checked.map(|()| Arc::from(text))
}

fn pairs_of(tags: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    if let Ok(dict) = tags.cast::<PyDict>() {
        return dict
            .iter()
            .map(|(name, value)| pair_of(&name, &value))
            .collect();
    }
    let mapping = tags.cast::<PyMapping>().map_err(|_| not_strings(tags))?;
    let items = mapping.items()?;
    items
        .iter()
        .map(|item| item.extract().map_err(|_| not_strings(tags)))
        .collect()
}

fn pair_of(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    let text = |part: &Bound<'_, PyAny>| -> PyResult<String> {
        Ok(part
            .cast::<PyString>()
            .map_err(|_| not_strings(part))?
            .to_str()?
            .to_owned())
    };
    Ok((text(name)?, text(value)?))
}

fn not_strings(came: &Bound<'_, PyAny>) -> PyErr {
    wrong_type("tags must be a mapping of strings to strings", came)
}

fn written(pairs: &[(String, String)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (n, (name, value)) in pairs.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_str(&mut out, name);
        out.push(b':');
        write_str(&mut out, value);
    }
    out.push(b'}');
    out
}
