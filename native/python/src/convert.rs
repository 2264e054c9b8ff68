//! Python's arguments as the plane takes them; what is wrong says what was expected and what came.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ::plane::{
    Accepts, Appended, Content, ContentEncoding, Delivery, Encoding, Epoch, Fsync, LogId, Members,
    Note, OnSlow, Options, PlaneError, Position, Rate, Start, Subscription,
};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyString, PyTuple};

use crate::error::{PyPlaneError, Raised, expected, is_overflow};
use crate::filter::PySieve;

/// `(media type, encoding, meta)`
pub type PyContent = (PyBackedStr, Option<PyBackedStr>, Option<PyBackedBytes>);

type PlainEntry = (
    PyBackedStr,
    PyBackedBytes,
    Option<PyBackedStr>,
    Option<PyBackedBytes>,
    Option<PyBackedStr>,
    Option<PyBackedStr>,
);
type FullEntry = (
    PyBackedStr,
    PyBackedBytes,
    Option<PyBackedStr>,
    Option<PyBackedBytes>,
    Option<PyBackedStr>,
    Option<PyBackedStr>,
    PyContent,
);

/// `(event, data, key, tags, traceparent, tracestate)`, and what `data` is where that is said.
pub struct PyEntry {
    event: PyBackedStr,
    /// JSON text, or a payload.
    pub data: PyBackedBytes,
    key: Option<PyBackedStr>,
    tags: Option<PyBackedBytes>,
    traceparent: Option<PyBackedStr>,
    tracestate: Option<PyBackedStr>,
    content: Option<(PyContent, Option<ContentEncoding>)>,
}

impl<'py> FromPyObject<'_, 'py> for PyEntry {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let is_full = object.cast::<PyTuple>().is_ok_and(|one| one.len() == 7);
        let (plain, content) = if is_full {
            let (event, data, key, tags, traceparent, tracestate, content): FullEntry =
                object.extract()?;
            let encoding = content.1.as_deref().map(content_encoding).transpose()?;
            let plain = (event, data, key, tags, traceparent, tracestate);
            (plain, Some((content, encoding)))
        } else {
            (object.extract::<PlainEntry>()?, None)
        };
        let (event, data, key, tags, traceparent, tracestate) = plain;
        Ok(Self {
            event,
            data,
            key,
            tags,
            traceparent,
            tracestate,
            content,
        })
    }
}

impl PyEntry {
    /// Borrowed.
    pub fn members(&self) -> Members<'_> {
        Members {
            event: &self.event,
            data: &self.data,
            key: self.key.as_deref(),
            tags: self.tags.as_deref(),
            traceparent: self.traceparent.as_deref(),
            tracestate: self.tracestate.as_deref(),
            content: self.content.as_ref().map(|(content, encoding)| Content {
                media_type: &content.0,
                encoding: *encoding,
                meta: content.2.as_deref(),
            }),
        }
    }
}

/// B7.
pub fn content_encoding(name: &str) -> PyResult<ContentEncoding> {
    ContentEncoding::named(name)
        .ok_or_else(|| expected("content_encoding", "gzip, zlib or deflate", name))
}

/// Those of `names` that the hub knows: a client may accept others as well (M21).
pub fn accepts_of(names: &[PyBackedStr]) -> Accepts {
    let known = names.iter().filter_map(|name| ContentEncoding::named(name));
    known.fold(Accepts::default(), Accepts::with)
}

/// `(log, delivery, on_slow, max_rate, start, keep, ack, sieve)`
pub type PySpec<'py> = (
    LogId,
    PyBackedStr,
    PyBackedStr,
    Option<f64>,
    Bound<'py, PyAny>,
    bool,
    Option<u64>,
    Option<PyRef<'py, PySieve>>,
);

pub fn at_least_one(name: &str, value: usize) -> PyResult<usize> {
    if value == 0 {
        return Err(expected(name, "at least 1", "0"));
    }
    Ok(value)
}

pub fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| expected(name, "a time of zero or more", &value.to_string()))
}

pub fn rate(name: &str, (capacity, refill): (f64, f64)) -> PyResult<Rate> {
    let sound = |value: f64| value.is_finite() && value >= 0.0;
    if sound(capacity) && sound(refill) {
        return Ok(Rate::new(capacity, refill));
    }
    Err(expected(
        name,
        "two finite numbers of zero or more",
        &format!("({capacity}, {refill})"),
    ))
}

pub fn encoding_of(name: &str) -> PyResult<Encoding> {
    match name {
        "json" => Ok(Encoding::Json),
        "msgpack" => Ok(Encoding::Msgpack),
        other => Err(expected("encoding", "\"json\" or \"msgpack\"", other)),
    }
}

/// The descriptor becomes ours: it is closed when anything after this fails.
pub fn owned(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(PyPlaneError::new_err(format!(
            "an open descriptor was expected, {fd} came"
        )));
    }
    // SAFETY: the borrow ends with the call, which only asks the kernel whether the number is open.
    if !::plane::is_open(unsafe { BorrowedFd::borrow_raw(fd) }) {
        return Err(PyPlaneError::new_err(format!(
            "an open descriptor was expected, {fd} is closed"
        )));
    }
    // SAFETY: it is open, as was just seen, and the caller gives it away by the contract of `attach`.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An offset: an integer that is none raises `TypeError`, one that cannot be one `ValueError`.
pub fn offset_of(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let most = (1_u64 << 53) - 1;
    let offset = match value.extract::<u64>() {
        Ok(offset) => Some(offset),
        Err(error) if is_overflow(value.py(), &error) => None,
        Err(error) => return Err(error),
    };
    let offset = offset.filter(|offset| *offset <= most);
    offset.ok_or_else(|| expected(name, "0 to 2^53-1", &value.to_string()))
}

/// A place that somebody else names.
pub fn position_of(epoch: &str, offset: u64) -> PyResult<Position> {
    let checked = Epoch::checked(epoch);
    let epoch = checked.ok_or_else(|| expected("epoch", "4 to 16 of A-Z a-z 0-9 _ -", epoch))?;
    Ok(epoch.position(offset))
}

/// When files are synced.
pub fn fsync_of(name: &str, interval: f64) -> PyResult<Fsync> {
    match name {
        "always" => Ok(Fsync::Always),
        "interval" => Ok(Fsync::Interval(seconds("fsync_interval", interval)?)),
        "never" => Ok(Fsync::Never),
        other => Err(expected(
            "fsync",
            "\"always\", \"interval\" or \"never\"",
            other,
        )),
    }
}

/// One mark for each of `count` entries, or none at all.
pub fn marks_of(
    marks: Option<Vec<Option<PyBackedBytes>>>,
    count: usize,
) -> PyResult<Vec<Option<Box<[u8]>>>> {
    let Some(marks) = marks else {
        return Ok(Vec::new());
    };
    if marks.len() != count {
        let what = format!("one for each of {count} entries");
        return Err(expected("marks", &what, &marks.len().to_string()));
    }
    let copied = marks
        .into_iter()
        .map(|mark| mark.map(|mark| Box::from(&*mark)));
    Ok(copied.collect())
}

/// What happened at a recovery: its name, and a text for people.
pub fn note(note: Note) -> (&'static str, String) {
    match note {
        Note::Torn(bytes) => (
            "torn",
            format!("{bytes} bytes of a record that was not written to its end were cut off"),
        ),
        Note::NewEpoch(reason, text) => (reason.name(), text),
    }
}

pub fn appended(result: Result<Appended, PlaneError>) -> PyResult<(String, u64)> {
    let Appended {
        epoch,
        first_offset,
    } = result.map_err(Raised::from)?;
    Ok((epoch, first_offset))
}

pub fn subscription(
    (log, delivery, on_slow, max_rate, start, keep, ack, sieve): PySpec<'_>,
) -> PyResult<Subscription> {
    let delivery = match &*delivery {
        "all" => Delivery::All,
        "latest" => Delivery::Latest,
        other => return Err(expected("delivery", "\"all\" or \"latest\"", other)),
    };
    let on_slow = match &*on_slow {
        "gap" => OnSlow::Gap,
        "close" => OnSlow::Close,
        other => return Err(expected("on_slow", "\"gap\" or \"close\"", other)),
    };
    let options = Options {
        delivery,
        on_slow,
        max_rate,
        ack,
    };
    Ok(Subscription {
        log,
        options,
        sieve: sieve.map(|sieve| Arc::clone(&sieve.inner)),
        start: start_of(&start)?,
        keep,
    })
}

pub fn start_of(start: &Bound<'_, PyAny>) -> PyResult<Start> {
    let wrong = || {
        expected(
            "start",
            "\"new\", \"snapshot\", (\"last\", n), (\"since\", ts) or (\"at\", epoch, offset)",
            &start.to_string(),
        )
    };
    if let Ok(name) = start.cast::<PyString>() {
        return match &*name.to_cow()? {
            "new" => Ok(Start::New),
            "snapshot" => Ok(Start::Snapshot),
            _ => Err(wrong()),
        };
    }
    let parts = start.cast::<PyTuple>().map_err(|_| wrong())?;
    let kind: PyBackedStr = parts.get_item(0)?.extract().map_err(|_| wrong())?;
    match (&*kind, parts.len()) {
        ("last", 2) => Ok(Start::Last(parts.get_item(1)?.extract()?)),
        ("since", 2) => Ok(Start::Since(parts.get_item(1)?.extract()?)),
        ("at", 3) => Ok(Start::At {
            epoch: parts.get_item(1)?.extract()?,
            offset: parts.get_item(2)?.extract()?,
        }),
        _ => Err(wrong()),
    }
}
