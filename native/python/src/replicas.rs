//! Entries on their way between nodes: what is done with them, and their binary form.

use ::plane::{ContentEncoding, LogId, Members, Plane, packed};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::{PyEntry, offset_of, position_of};
use crate::error::Raised;

/// From so many bytes on the GIL is given up while they are read or written: some tens of microseconds.
const MUCH: usize = 8 << 10;

pub fn begin(plane: &Plane, log: LogId, epoch: &str, offset: &Bound<'_, PyAny>) -> PyResult<()> {
    let position = position_of(epoch, offset_of("offset", offset)?)?;
    Ok(plane.begin_log(log, &position).map_err(Raised::from)?)
}

pub fn apply(
    py: Python<'_>,
    plane: &Plane,
    log: LogId,
    (epoch, first): (&str, &Bound<'_, PyAny>),
    entries: &[u8],
) -> PyResult<u64> {
    let first = position_of(epoch, offset_of("first", first)?)?;
    let apply = || plane.apply_entries(log, &first, entries);
    let applied = if entries.len() > MUCH {
        py.detach(apply)
    } else {
        apply()
    };
    Ok(applied.map_err(Raised::from)?)
}

pub fn restore(
    py: Python<'_>,
    plane: &Plane,
    log: LogId,
    newest: Vec<(Bound<'_, PyAny>, PyBackedBytes)>,
) -> PyResult<()> {
    let placed = newest
        .into_iter()
        .map(|(offset, entry)| Ok((offset_of("offset", &offset)?, entry)))
        .collect::<PyResult<Vec<_>>>()?;
    let restored = py.detach(|| {
        let borrowed: Vec<(u64, &[u8])> = placed
            .iter()
            .map(|(offset, entry)| (*offset, &**entry))
            .collect();
        plane.restore_newest(log, &borrowed)
    });
    Ok(restored.map_err(Raised::from)?)
}

/// Each entry with its time as bytes.
#[pyfunction]
#[allow(
    clippy::needless_pass_by_value,
    reason = "they are borrowed from while the GIL is given up, and go with it"
)]
fn encode_entries(
    py: Python<'_>,
    entries: Vec<PyEntry>,
    ts: f64,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let all: Vec<Members<'_>> = entries.iter().map(PyEntry::members).collect();
    let mut packed = Packed::default();
    let mut pack = || {
        let mut numbered = all.iter().enumerate();
        numbered.try_for_each(|(number, one)| packed.add(|out| packed::pack(out, ts, one, number)))
    };
    let much = all.iter().map(|one| one.data.len()).sum::<usize>() > MUCH;
    let done = if much { py.detach(pack) } else { pack() };
    done.map_err(|refused| PyValueError::new_err(refused.to_string()))?;
    Ok(packed.objects(py))
}

/// Entries one behind the other.
#[derive(Default)]
pub struct Packed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    /// One more, which is what `write` appends.
    pub fn add<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let done = write(&mut self.bytes);
        self.ends.push(self.bytes.len());
        done
    }

    /// One object for each.
    pub fn objects<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let mut start = 0;
        let cut = |end: &usize| {
            let one = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            PyBytes::new(py, one)
        };
        self.ends.iter().map(cut).collect()
    }
}

/// What `encode_entries` made, one or several.
#[pyfunction]
fn decode_entries<'py>(py: Python<'py>, data: &'py [u8]) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let unpack = || packed::unpack(data);
    let entries = if data.len() > MUCH {
        py.detach(unpack)
    } else {
        unpack()
    };
    let entries = entries.map_err(|refused| PyValueError::new_err(refused.to_string()))?;
    let decoded = entries.into_iter().map(|packed::Packed { ts, members }| {
        let plain = (
            members.event,
            PyBytes::new(py, members.data),
            members.key,
            members.tags.map(|tags| PyBytes::new(py, tags)),
            members.traceparent,
            members.tracestate,
        );
        let (event, data, key, tags, traceparent, tracestate) = plain;
        match members.content {
            None => (event, data, key, tags, traceparent, tracestate, ts).into_pyobject(py),
            Some(content) => {
                let content = (
                    content.media_type,
                    content.encoding.map(ContentEncoding::name),
                    content.meta.map(|meta| PyBytes::new(py, meta)),
                );
                let all = (event, data, key, tags, traceparent, tracestate, content, ts);
                all.into_pyobject(py)
            }
        }
    });
    decoded.collect()
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_entries, module)?)?;
    module.add_function(wrap_pyfunction!(decode_entries, module)?)
}
