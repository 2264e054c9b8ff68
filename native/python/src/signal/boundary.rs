//! What the interpreter calls without a wrapper of `pyo3`, and how such a call ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use signal::SignalError;

use crate::error::refusal;

/// The object that `work` makes, or null with an exception set; a panic becomes the failure of the system.
///
/// # Safety
/// The thread is attached to the interpreter, which has called and lends what it gave until this returns.
pub unsafe fn answered<'py>(
    work: impl FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller says.
    let py = unsafe { Python::assume_attached() };
    let result = catch_unwind(AssertUnwindSafe(|| work(py)));
    match result.unwrap_or_else(|_| Err(refusal(SignalError::Failed))) {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            // Attached as `pyo3` counts it: what an error lets go of would wait for that otherwise.
            Python::attach(|py| error.restore(py));
            ptr::null_mut()
        }
    }
}
