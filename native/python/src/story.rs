//! Stories of connections as Python reads them.

use ::plane::{Account, Kind};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// (wall clock of the first time, of the last, how often, kind, text).
type PyRecord = (f64, f64, u32, &'static str, String);

/// Wall clock of the beginning; records in order; how many of them are forgotten.
pub type PyAccount = (f64, Vec<PyRecord>, u64);

/// An account with times of the wall clock.
pub fn account(told: &Account) -> PyAccount {
    let at = |ms: u32| told.begun + f64::from(ms) / 1_000.0;
    let records = told.records.iter().map(|one| {
        let text = String::from(one.text.clone());
        (at(one.at), at(one.last), one.count, one.kind.name(), text)
    });
    (told.begun, records.collect(), told.forgotten)
}

/// The kind of that name.
pub fn kind_of(name: &str) -> PyResult<Kind> {
    Kind::named(name).ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let message = format!("kind: expected one of {}, came {name:?}", names.join(", "));
        PyValueError::new_err(message)
    })
}
