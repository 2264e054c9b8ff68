//! The only file that names Python's exceptions.
//!
//! ```text
//! Exception
//! ├── PlaneError          the plane cannot do what was asked: not started, stopped, forked, unknown log, refused descriptor
//! │   └── PlaneOverloaded      too much waits to be written, or there are too many filters; nothing was done
//! ├── SignalOverloaded    the queue to the consumer is full; the signal was not processed
//! ├── SignalSystemError   the SignalSystem is closed, failed earlier, or belongs to the process this one was forked from
//! ├── ValueError          an argument is not as it should be; the text says what was expected and what came
//! │   ├── FilterError         the same of a filter, with the member
//! │   └── SignalValueError    the same of the SignalSystem, with the protocol's name for it
//! └── TypeError, KeyError, IndexError    as Python means them
//! ```

use plane::PlaneError;
use plane::filter::FilterFault;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use signal::SignalError;

mod exceptions {
    #![allow(missing_docs, reason = "the macro writes the item")]

    use pyo3::exceptions::{PyException, PyValueError};

    pyo3::create_exception!(
        channels._native,
        PlaneError,
        PyException,
        "The plane cannot do what was asked (stopped, descriptor not usable, unknown log)."
    );
    pyo3::create_exception!(
        channels._native,
        PlaneOverloaded,
        PlaneError,
        "Too much waits to be written to durable logs, or there are too many filters; nothing was done."
    );
    pyo3::create_exception!(
        channels._native,
        FilterError,
        PyValueError,
        "A filter breaks a rule. `path`: the member, empty for the whole."
    );
    pyo3::create_exception!(
        channels._native,
        SignalValueError,
        PyValueError,
        "What was given breaks a rule; nothing was processed. `slug`: the protocol's name for it; `path`: the member."
    );
    pyo3::create_exception!(
        channels._native,
        SignalOverloaded,
        PyException,
        "The queue to the consumer is full; the signal was not processed. `slug`: overloaded."
    );
    pyo3::create_exception!(
        channels._native,
        SignalSystemError,
        PyException,
        "The system is closed, failed earlier, or belongs to the process this one was forked from."
    );
}

pub use exceptions::{FilterError, PlaneError as PyPlaneError, PlaneOverloaded};
pub use exceptions::{SignalOverloaded, SignalSystemError, SignalValueError};

/// An error of the plane on its way to Python.
pub struct Raised(PlaneError);

impl From<PlaneError> for Raised {
    fn from(error: PlaneError) -> Self {
        Self(error)
    }
}

impl From<Raised> for PyErr {
    fn from(Raised(error): Raised) -> Self {
        match error {
            PlaneError::Argument(text) => PyValueError::new_err(text),
            PlaneError::Overloaded(..) | PlaneError::Filters(..) | PlaneError::FilterMemory(..) => {
                PlaneOverloaded::new_err(error.to_string())
            }
            other => PyPlaneError::new_err(other.to_string()),
        }
    }
}

/// A filter that is refused, as an exception.
pub fn filter_fault(fault: &FilterFault) -> PyErr {
    let raised = FilterError::new_err(fault.to_string());
    let described = Python::attach(|py| raised.value(py).setattr("path", &fault.path));
    described.map_or_else(|failed| failed, |()| raised)
}

/// An argument that is not as it should be.
pub fn expected(name: &str, what: &str, came: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: {what} was expected, {came} came"))
}

/// A refusal of the `SignalSystem` on its way to Python, and which vector of a batch it is about.
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
        let described = Python::attach(|py| {
            let value = raised.value(py);
            value.setattr("slug", refusal.error.slug())?;
            value.setattr("path", refusal.path())
        });
        described.map_or_else(|failed| failed, |()| raised)
    }
}

/// A refusal of the `SignalSystem` as an exception.
pub fn refusal(error: SignalError) -> PyErr {
    Refusal::from(error).into()
}

/// A call from a process that is not the system's own.
pub fn forked() -> PyErr {
    SignalSystemError::new_err(
        "a SignalSystem does not survive a fork: make one in this process (or start it by spawn)",
    )
}

/// An argument of another type than was expected.
pub fn wrong_type(expected: &str, came: &Bound<'_, PyAny>) -> PyErr {
    let came = came
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{expected}, got {came}"))
}

/// A number that no subscriber has.
pub fn no_subscriber(id: u64) -> PyErr {
    PyKeyError::new_err(format!("no subscriber {id}"))
}

/// Arguments that do not go together.
pub fn misuse(text: &'static str) -> PyErr {
    PyTypeError::new_err(text)
}

/// `object[key]` of an object that has no such member.
pub fn no_such_key(key: &str) -> PyErr {
    PyKeyError::new_err(key.to_owned())
}

/// `object[index]` beyond its length.
pub fn no_such_index(index: isize, len: usize) -> PyErr {
    PyIndexError::new_err(format!("index {index} of a batch of {len}"))
}

/// Whether a conversion failed because the number was too large.
pub fn is_overflow(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyOverflowError>(py)
}

/// Whether this is a refusal that an emitter can be answered with.
pub fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<SignalValueError>(py)
}
