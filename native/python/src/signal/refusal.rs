//! `SignalError` as Python sees it.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::{create_exception, exceptions::PyValueError};
use signal::SignalError;

create_exception!(
    channels._native,
    SignalValueError,
    PyValueError,
    "What was given to the SignalSystem breaks a rule; nothing was processed.\n\n\
     `slug` is the error name of the wire protocol (`vector_invalid`, `schema_invalid`, `bad_message`, `too_large`,\n\
     `overloaded` where the table of event types is full), `path` the member that is wrong (`vectors.3`), if there is one."
);
create_exception!(
    channels._native,
    SignalOverloaded,
    PyException,
    "The queue to the consumer is full; the signal was not processed. `slug` is `overloaded`."
);
create_exception!(
    channels._native,
    SignalSystemError,
    PyException,
    "The SignalSystem is closed, failed earlier, or belongs to the process that this one was forked from."
);

/// A refusal, and which vector of a batch it is about.
pub struct Refusal {
    error: SignalError,
    vector: Option<usize>,
}

impl From<SignalError> for Refusal {
    fn from(error: SignalError) -> Self {
        Self {
            error,
            vector: None,
        }
    }
}

impl Refusal {
    /// The refusal of vector number `index` of a batch.
    pub fn of_vector(error: SignalError, index: usize) -> Self {
        Self {
            error,
            vector: Some(index),
        }
    }

    fn message(&self) -> String {
        match self.vector {
            None => self.error.to_string(),
            Some(index) => format!("vectors[{index}]: {}", self.error),
        }
    }

    fn path(&self) -> Option<String> {
        match self.vector {
            None => self.error.path().map(str::to_owned),
            Some(index) => Some(format!("vectors.{index}")),
        }
    }
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.message();
        let raised = match refusal.error {
            SignalError::Overloaded { .. } => SignalOverloaded::new_err(message),
            SignalError::Closed | SignalError::Failed | SignalError::Interrupted => {
                return SignalSystemError::new_err(message);
            }
            _ => SignalValueError::new_err(message),
        };
        Python::attach(|py| {
            let value = raised.value(py);
            value.setattr("slug", refusal.error.slug())?;
            value.setattr("path", refusal.path())
        })
        .map_or_else(|failed| failed, |()| raised)
    }
}

/// A refusal as an exception to raise.
pub fn raise(error: SignalError) -> PyErr {
    Refusal::from(error).into()
}
