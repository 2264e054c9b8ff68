//! Frozen objects whose members are attributes and items.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// `object[key]` for the members in `fields`.
pub fn item<'py>(object: &Bound<'py, PyAny>, fields: &[&str], key: &str) -> PyResult<Bound<'py, PyAny>> {
    if fields.contains(&key) {
        return object.getattr(key);
    }
    Err(PyKeyError::new_err(key.to_owned()))
}

/// All of `fields`.
pub fn dict<'py>(object: &Bound<'py, PyAny>, fields: &[&str]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(object.py());
    for field in fields {
        dict.set_item(field, object.getattr(*field)?)?;
    }
    Ok(dict)
}
