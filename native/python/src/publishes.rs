//! Publishes that came together, on their way from the I/O threads through Python to a log.

use std::sync::Arc;

use ::plane::json::escape::unescape_into;
use ::plane::{LogId, Members, OwnRun, Part, Parts, Plane, Run, packed};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{appended, position_of};
use crate::error::expected;
use crate::replicas::Packed;

/// From so many publishes on the GIL is given up while entries or answers are composed.
const MANY: usize = 32;

/// See channels/_native.pyi.
#[pyclass(frozen, module = "channels._native")]
pub struct Publishes {
    conn: u64,
    run: Arc<OwnRun>,
    channel: Py<PyString>,
}

impl Publishes {
    pub fn new(py: Python<'_>, conn: u64, run: Run<'_>) -> Self {
        Self {
            conn,
            channel: PyString::new(py, run.channel()).unbind(),
            run: Arc::new(OwnRun::new(run)),
        }
    }
}

#[pymethods]
impl Publishes {
    fn __len__(&self) -> usize {
        self.run.as_run().len()
    }

    #[getter]
    fn channel(&self, py: Python<'_>) -> Py<PyString> {
        self.channel.clone_ref(py)
    }

    #[getter]
    fn largest(&self) -> usize {
        self.run.as_run().largest()
    }

    #[getter]
    fn size(&self) -> usize {
        self.run.as_run().bytes()
    }

    #[getter]
    fn is_traced(&self) -> bool {
        self.run.as_run().is_traced()
    }

    fn frames<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.run
            .as_run()
            .frames()
            .map(|frame| PyBytes::new(py, frame))
            .collect()
    }

    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        self.run
            .as_run()
            .ids()
            .map(|id| id.map(|id| id_of(py, id)).transpose())
            .collect()
    }

    fn events<'py>(&self, py: Python<'py>, count: usize) -> Vec<Bound<'py, PyString>> {
        let members = self.run.as_run().members().take(count);
        members
            .map(|members| PyString::new(py, members.event))
            .collect()
    }
}

/// An id in its shortest form: a string, or a number below 2^53.
fn id_of<'py>(py: Python<'py>, id: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if let Some(inside) = id
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    {
        let mut text = Vec::with_capacity(inside.len());
        unescape_into(&mut text, inside);
        return Ok(PyString::from_bytes(py, &text)?.into_any());
    }
    let number: u64 = std::str::from_utf8(id).unwrap_or_default().parse()?;
    Ok(number.into_pyobject(py)?.into_any())
}

/// See channels/_native.pyi.
#[pyclass(frozen, module = "channels._native")]
pub struct PublishBatch {
    parts: Parts,
    len: usize,
}

#[pymethods]
impl PublishBatch {
    #[new]
    fn new(parts: Vec<(PyRef<'_, Publishes>, usize)>) -> PyResult<Self> {
        let mut all = Parts::default();
        let first = parts.first().map(|(first, _)| Arc::clone(&first.run));
        let channel = first.as_ref().map_or("", |run| run.as_run().channel());
        for (publishes, count) in parts {
            let own = Arc::clone(&publishes.run);
            let run = own.as_run();
            if run.channel() != channel {
                let what = format!("publishes to {channel}");
                return Err(expected("parts", &what, run.channel()));
            }
            if !(1..=run.len()).contains(&count) {
                let what = format!("1 to {} of a run", run.len());
                return Err(expected("parts", &what, &count.to_string()));
            }
            all.parts.push(Part {
                conn: publishes.conn,
                run: own,
                count,
            });
        }
        Ok(Self {
            len: all.len(),
            parts: all,
        })
    }

    fn __len__(&self) -> usize {
        self.len
    }

    fn encode_entries<'py>(&self, py: Python<'py>, ts: f64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut all = Packed::default();
        let pack = || {
            let mut numbered = self.parts.members().enumerate();
            numbered.try_for_each(|(number, one): (usize, Members<'_>)| {
                all.add(|out| packed::pack(out, ts, &one, number))
            })
        };
        let done = leaving(py, self.len, pack);
        done.map_err(|refused| PyValueError::new_err(refused.to_string()))?;
        Ok(all.objects(py))
    }
}

/// The GIL is given up where there is much to do.
fn leaving<T: Send>(py: Python<'_>, count: usize, work: impl FnOnce() -> T + Send) -> T {
    if count >= MANY {
        py.detach(work)
    } else {
        work()
    }
}

pub fn append(
    py: Python<'_>,
    plane: &Plane,
    log: LogId,
    batch: &PublishBatch,
    ts: f64,
) -> PyResult<(String, u64)> {
    appended(leaving(py, batch.len, || {
        plane.append_publishes(log, &batch.parts, ts)
    }))
}

pub fn acknowledge(
    py: Python<'_>,
    plane: &Plane,
    batch: &PublishBatch,
    (epoch, first): (&str, u64),
    over: Vec<u64>,
) -> PyResult<usize> {
    let first = position_of(epoch, first)?;
    Ok(leaving(py, batch.len, move || {
        plane.acknowledge(&batch.parts, &first, &over)
    }))
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Publishes>()?;
    module.add_class::<PublishBatch>()
}
