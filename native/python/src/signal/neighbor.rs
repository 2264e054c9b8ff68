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
            resonance: self.resonance(distance),
            event_type: self.names.get(event_type).to_string(),
        }
    }

    pub fn of_found(&self, found: &signal::Neighbor) -> Neighbor {
        self.neighbor(found.token_id, found.distance, found.event_type)
    }

    /// What `to_dict` of each neighbour would say.
    pub fn dicts_of<'py>(
        &self,
        py: Python<'py>,
        hits: &[Hit],
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        // Each is a copy of the one before: that has its keys, and mostly its type.
        let mut latest: Option<(u16, Bound<'py, PyDict>)> = None;
        let dict_of = |hit: &Hit| {
            let number = hit.entry.event_type;
            let dict = match &latest {
                Some((known, dict)) if *known == number => dict.copy()?,
                _ => self.typed_dict(py, number)?,
            };
            let distance = decimal(hit.distance());
            dict.set_item(intern!(py, "token_id"), hit.entry.id)?;
            dict.set_item(intern!(py, "distance"), distance)?;
            dict.set_item(intern!(py, "resonance"), self.resonance(distance))?;
            latest = Some((number, dict.clone()));
            Ok(dict)
        };
        hits.iter().map(dict_of).collect()
    }

    /// A neighbour of this type as a dictionary, its other members to be filled in.
    fn typed_dict<'py>(&self, py: Python<'py>, event_type: u16) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for name in [
            intern!(py, "token_id"),
            intern!(py, "distance"),
            intern!(py, "resonance"),
        ] {
            dict.set_item(name, py.None())?;
        }
        let name = &*self.names.get(event_type);
        dict.set_item(intern!(py, "event_type"), name)?;
        Ok(dict)
    }

    fn resonance(&self, distance: f64) -> f64 {
        (1.0 - distance / self.neighbor_radius).max(0.0)
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
