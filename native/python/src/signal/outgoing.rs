//! What the hub's side takes.

use ::plane::json::msgpack;
use ::plane::{Encoding, packed};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::encoding_of;
use crate::error::expected;
use crate::replicas::Packed;
use crate::signal::entries_of;

/// A batch of processed signals on its way to a log; opaque.
#[pyclass(frozen, module = "channels._native")]
pub struct SignalBatch(pub signal::Batch);

/// The msgpack form of an entry (M14), all of whose JSON was checked or was written here.
fn packed_of(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let _ = msgpack::transcode(text, &mut out);
    out
}

#[pymethods]
impl SignalBatch {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped().map_or(0, |dropped| dropped.count)
    }

    fn index_of(&self, token_id: u64) -> Option<usize> {
        self.0.index_of(token_id)
    }

    #[pyo3(signature = (encoding = "json"))]
    fn encode<'py>(&self, py: Python<'py>, encoding: &str) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let encoding = encoding_of(encoding)?;
        let texts = py.detach(|| {
            let texts = self.0.to_json();
            match encoding {
                Encoding::Json => texts,
                Encoding::Msgpack => texts.iter().map(|text| packed_of(text)).collect(),
            }
        });
        Ok(texts.iter().map(|text| PyBytes::new(py, text)).collect())
    }

    fn encode_entries<'py>(&self, py: Python<'py>, ts: f64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        if !packed::is_time(ts) {
            return Err(expected("ts", "seconds of a wall clock", &ts.to_string()));
        }
        let encoded = py.detach(|| {
            let mut encoded = Packed::default();
            // All of it was checked before it was processed, or was written here.
            for entry in entries_of(self) {
                encoded.add(|out| packed::pack_checked(out, ts, &entry.members()));
            }
            encoded
        });
        Ok(encoded.objects(py))
    }

    fn __repr__(&self) -> String {
        format!(
            "SignalBatch(len={}, dropped={})",
            self.0.len(),
            self.dropped()
        )
    }
}
