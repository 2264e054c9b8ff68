//! Arguments that several methods take.

use std::convert::Infallible;

use ::plane::filter::{Filter, Limits};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};
use signal::rules::check_priority;
use signal::{Around, DIMENSIONS, NewToken, SignalError, Vector};

use super::vector;
use crate::error::{filter_fault, is_overflow, misuse, refusal, wrong_type};
use crate::filter::PyFilter;

/// A priority: an integer from 0 to 255.
#[derive(Clone, Copy)]
pub struct Priority(pub u8);

/// What a signal has that says nothing else (M32).
pub const DEFAULT_PRIORITY: Priority = Priority(128);

impl<'py> FromPyObject<'_, 'py> for Priority {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let number = match given.extract::<i64>() {
            Err(error) if is_overflow(given.py(), &error) => i64::MAX,
            other => other?,
        };
        check_priority(number).map(Self).map_err(refusal)
    }
}

impl<'py> IntoPyObject<'py> for Priority {
    type Target = PyInt;
    type Output = Bound<'py, PyInt>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        self.0.into_pyobject(py)
    }
}

/// The id of a token; what no token can have is 0.
#[derive(Clone, Copy)]
pub struct TokenId(pub u64);

impl<'py> FromPyObject<'_, 'py> for TokenId {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.extract::<u64>() {
            Err(error) if is_overflow(given.py(), &error) => Ok(Self(0)),
            other => other.map(Self),
        }
    }
}

/// A filter in the words of protocol section 9: a dictionary, or one that was read.
pub fn filter_of(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Filter>> {
    let Some(given) = given else {
        return Ok(None);
    };
    let filter = if let Ok(read) = given.cast::<PyFilter>() {
        read.get().inner.clone()
    } else if given.is_instance_of::<PyDict>() {
        let text = given
            .py()
            .import("orjson")?
            .call_method1("dumps", (given,))?;
        let text = text.extract::<Vec<u8>>()?;
        Filter::parse(&text, Limits::default()).map_err(|fault| filter_fault(&fault))?
    } else {
        return Err(wrong_type("filter must be a dictionary or a Filter", given));
    };
    Ok(Some(filter).filter(|filter| !filter.is_open()))
}

/// A count that is not negative.
pub fn count_of(name: &'static str, expected: &'static str, given: i64) -> PyResult<usize> {
    usize::try_from(given).map_err(|_| {
        refusal(SignalError::Argument {
            name,
            expected,
            came: given.to_string(),
        })
    })
}

/// A token's id, or else a vector.
pub fn around(given: &Bound<'_, PyAny>) -> PyResult<Around> {
    if given.is_instance_of::<PyInt>() {
        return Ok(Around::Token(given.extract::<TokenId>()?.0));
    }
    vector::one(given).map(Around::Point)
}

/// Tokens to be: at these places, or so many at the origin.
pub enum NewTokens {
    At(Vec<Vector>),
    Origin(usize),
}

impl NewTokens {
    /// Exactly one of `n` and `vectors`; not more than the slab holds.
    pub fn read(
        n: Option<i64>,
        vectors: Option<&Bound<'_, PyAny>>,
        capacity: u64,
    ) -> PyResult<Self> {
        let new = match (n, vectors) {
            (Some(n), None) => Self::Origin(count_of("n", "0 to the capacity", n)?),
            (None, Some(vectors)) => Self::At(vector::many(vectors)?),
            _ => return Err(misuse("exactly one of n and vectors must be given")),
        };
        if new.len() as u64 <= capacity {
            return Ok(new);
        }
        Err(refusal(SignalError::Argument {
            name: "n",
            expected: "at most the capacity",
            came: new.len().to_string(),
        }))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::At(vectors) => vectors.len(),
            Self::Origin(n) => *n,
        }
    }

    pub fn iter(&self, event_type: u16) -> impl ExactSizeIterator<Item = NewToken> {
        let at = |place: usize| match self {
            Self::At(vectors) => vectors.get(place).copied().unwrap_or_default(),
            Self::Origin(_) => [0.0; DIMENSIONS],
        };
        (0..self.len()).map(move |place| NewToken {
            vector: at(place),
            event_type,
            weight: 1.0,
            priority: DEFAULT_PRIORITY.0,
        })
    }
}
