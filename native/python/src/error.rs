//! The only file that names Python's exceptions.
//!
//! Exception
//! ├── PlaneError          the plane cannot do what was asked: not started, stopped, forked, unknown log, refused descriptor
//! └── ValueError          an argument is not as it should be; the text says what was expected and what came

use plane::PlaneError;
use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

mod exceptions {
    #![allow(missing_docs, reason = "the macro writes the item")]

    use pyo3::exceptions::PyException;

    pyo3::create_exception!(
        channels._native,
        PlaneError,
        PyException,
        "The plane cannot do what was asked (stopped, descriptor not usable, unknown log)."
    );
}

pub use exceptions::PlaneError as PyPlaneError;

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
            other => PyPlaneError::new_err(other.to_string()),
        }
    }
}

/// An argument that is not as it should be.
pub fn expected(name: &str, what: &str, came: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: {what} was expected, {came} came"))
}
