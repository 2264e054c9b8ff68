//! Token connections as objects.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use signal::NamedConnection;
use signal::vector::decimal;

use super::fields::{dict, item};

/// One connection between two tokens, as it was when it was looked at.
#[pyclass(frozen, module = "channels._native")]
pub struct TokenConnection(pub NamedConnection);

const CONNECTION_FIELDS: [&str; 7] = [
    "connection_id",
    "token_a",
    "token_b",
    "kind",
    "pull_strength",
    "preferred_distance",
    "activations",
];

#[pymethods]
impl TokenConnection {
    #[getter]
    fn connection_id(&self) -> u64 {
        self.0.id
    }

    #[getter]
    fn token_a(&self) -> u64 {
        self.0.connection.token_a
    }

    #[getter]
    fn token_b(&self) -> u64 {
        self.0.connection.token_b
    }

    #[getter]
    fn kind(&self) -> &str {
        &self.0.kind
    }

    #[getter]
    fn pull_strength(&self) -> f64 {
        decimal(self.0.connection.pull_strength)
    }

    #[getter]
    fn preferred_distance(&self) -> Option<f64> {
        let distance = self.0.connection.preferred_distance;
        distance.is_finite().then(|| decimal(distance))
    }

    #[getter]
    fn activations(&self) -> u32 {
        self.0.connection.activations
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        item(slf, &CONNECTION_FIELDS, key)
    }

    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        dict(slf, &CONNECTION_FIELDS)
    }

    fn __repr__(&self) -> String {
        format!(
            "TokenConnection(connection_id={}, token_a={}, token_b={}, kind={:?})",
            self.0.id, self.0.connection.token_a, self.0.connection.token_b, self.0.kind
        )
    }
}
