//! The two functions on JSON text.

use ::plane::json;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The strict scan (M10-M13).
#[pyfunction]
fn check_json(data: &[u8]) -> PyResult<()> {
    json::check(data).map_err(|fault| PyValueError::new_err(fault.to_string()))
}

/// The msgpack form of JSON text (M14).
#[pyfunction]
fn json_to_msgpack<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(data.len());
    json::msgpack::transcode(data, &mut out)
        .map_err(|fault| PyValueError::new_err(fault.to_string()))?;
    Ok(PyBytes::new(py, &out))
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_json, module)?)?;
    module.add_function(wrap_pyfunction!(json_to_msgpack, module)?)
}
