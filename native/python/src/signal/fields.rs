//! Frozen objects whose members are attributes and items.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::no_such_key;

/// `object[key]` for the members in `fields`.
pub fn item<'py>(
    object: &Bound<'py, PyAny>,
    fields: &[&str],
    key: &str,
) -> PyResult<Bound<'py, PyAny>> {
    if fields.contains(&key) {
        return object.getattr(key);
    }
    Err(no_such_key(key))
}

/// All of `fields`.
pub fn dict<'py>(object: &Bound<'py, PyAny>, fields: &[&str]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(object.py());
    for field in fields {
        dict.set_item(field, object.getattr(*field)?)?;
    }
    Ok(dict)
}
