//! Neighbours as objects.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use signal::vector::decimal;
use signal::{Hit, Names};

use super::fields::{dict, item};

/// What makes the neighbours of a result into objects.
#[derive(Clone)]
pub struct Naming {
    pub names: Arc<Names>,
    pub neighbor_radius: f64,
}

impl Naming {
    fn neighbor(&self, token_id: u64, distance: f64, event_type: u16) -> Neighbor {
        Neighbor {
            token_id,
            distance,
            resonance: (1.0 - distance / self.neighbor_radius).max(0.0),
            event_type: self.names.get(event_type).to_string(),
        }
    }

    pub fn of_found(&self, found: &signal::Neighbor) -> Neighbor {
        self.neighbor(found.token_id, found.distance, found.event_type)
    }

    /// What `to_dict` of the neighbour would say.
    pub fn dict_of_hit<'py>(&self, py: Python<'py>, hit: &Hit) -> PyResult<Bound<'py, PyDict>> {
        let neighbor = self.of_hit(hit);
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "token_id"), neighbor.token_id)?;
        dict.set_item(intern!(py, "distance"), neighbor.distance)?;
        dict.set_item(intern!(py, "resonance"), neighbor.resonance)?;
        dict.set_item(intern!(py, "event_type"), neighbor.event_type)?;
        Ok(dict)
    }

    pub fn of_hit(&self, hit: &Hit) -> Neighbor {
        self.neighbor(hit.entry.id, decimal(hit.distance()), hit.entry.event_type)
    }
}

/// A live token near another point.
#[pyclass(frozen, get_all, module = "channels._native")]
pub struct Neighbor {
    token_id: u64,
    distance: f64,
    resonance: f64,
    event_type: String,
}

const NEIGHBOR_FIELDS: [&str; 4] = ["token_id", "distance", "resonance", "event_type"];

#[pymethods]
impl Neighbor {
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        item(slf, &NEIGHBOR_FIELDS, key)
    }

    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        dict(slf, &NEIGHBOR_FIELDS)
    }

    fn __repr__(&self) -> String {
        format!(
            "Neighbor(token_id={}, distance={:?}, event_type={:?})",
            self.token_id, self.distance, self.event_type
        )
    }
}
