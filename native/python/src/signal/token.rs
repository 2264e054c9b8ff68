//! Tokens as objects.

use ::plane::filter::{Filter, Scratch, Subject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use signal::rules::check_limit;
use signal::vector::decimal;
use signal::{NamedToken, SignalError, SignalSystem};

use super::fields::{dict, item};

/// Tokens looked at between which others have their turn.
const PIECE: usize = 4_096;

/// At most `limit` tokens with ids below `before` that pass, newest first: what a filter sees is an event of the token's type,
/// whose data is the token.
pub fn passing(
    system: &SignalSystem,
    limit: usize,
    before: Option<u64>,
    filter: Option<&Filter>,
) -> Result<Vec<NamedToken>, SignalError> {
    let Some(filter) = filter else {
        return system.list_tokens(limit, before);
    };
    check_limit(limit)?;
    let (mut found, mut from, mut scratch) = (Vec::new(), before, Scratch::default());
    while found.len() < limit {
        let piece = system.list_tokens(PIECE, from)?;
        from = piece.last().map(|last| last.token.id);
        let is_last = piece.len() < PIECE;
        for token in piece {
            let message = token.to_json();
            let subject = Subject::new(&token.event_type, None, &message);
            if found.len() < limit && filter.passes(&subject, &mut scratch) {
                found.push(token);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

/// One token as it was when it was looked at.
#[pyclass(frozen, module = "channels._native")]
pub struct Token(pub NamedToken);

const TOKEN_FIELDS: [&str; 9] = [
    "token_id",
    "vector",
    "event_type",
    "priority",
    "weight",
    "created",
    "is_novel",
    "nearest_id",
    "nearest_dist",
];

#[pymethods]
impl Token {
    #[getter]
    fn token_id(&self) -> u64 {
        self.0.token.id
    }

    #[getter]
    fn vector<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.token.pos.map(decimal))
    }

    #[getter]
    fn event_type(&self) -> &str {
        &self.0.event_type
    }

    #[getter]
    fn priority(&self) -> u8 {
        self.0.token.priority
    }

    #[getter]
    fn weight(&self) -> f64 {
        decimal(self.0.token.weight)
    }

    #[getter]
    #[allow(clippy::cast_precision_loss)] // microseconds since 1970 stay below 2^53 until the year 2255
    fn created(&self) -> f64 {
        self.0.token.created_us as f64 / 1e6
    }

    #[getter]
    fn is_novel(&self) -> bool {
        self.0.token.is_novel()
    }

    #[getter]
    fn nearest_id(&self) -> Option<u64> {
        self.0.token.nearest().map(|(id, _)| id)
    }

    #[getter]
    fn nearest_dist(&self) -> Option<f64> {
        self.0
            .token
            .nearest()
            .map(|(_, distance)| decimal(distance))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        item(slf, &TOKEN_FIELDS, key)
    }

    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        dict(slf, &TOKEN_FIELDS)
    }

    fn __repr__(&self) -> String {
        let vector = self.0.token.pos.map(decimal);
        format!(
            "Token(token_id={}, vector={vector:?}, event_type={:?})",
            self.0.token.id, self.0.event_type
        )
    }
}
