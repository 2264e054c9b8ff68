//! The class `Plane`.

use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::Arc;

use ::plane::filter::{Scratch, Subject};
use ::plane::{Durable, Entry, LogId, NewEntry, Plane, Retention, Settings};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::convert::{
    PyEntry, PySpec, accepts_of, appended, at_least_one, encoding_of, fsync_of, marks_of, note,
    owned, rate, seconds, subscription,
};
use crate::error::{PlaneOverloaded, PyPlaneError, Raised};
use crate::filter::{PyFilter, PySieve};
use crate::grants::{self, PyBucket};
use crate::publishes::{self, PublishBatch};
use crate::signal::{self, SignalBatch};
use crate::story::{PyAccount, account, kind_of};
use crate::{replicas, stats, wake};

/// From here on the GIL is given up while entries are composed.
const MANY: usize = 8;

/// The data plane; see channels/_native.pyi for what its methods do.
#[pyclass(name = "Plane", frozen, module = "channels._native")]
pub struct PyPlane {
    pub(crate) inner: Arc<Plane>,
}

#[pymethods]
impl PyPlane {
    #[new]
    #[pyo3(signature = (*, io_threads = 1, flush_ms = 2.0, ring_from = 256, max_message = 1_048_576, max_empty_fragments = 64,
        message_timeout = 30.0, heartbeat_interval = 30.0, heartbeat_timeout = 10.0, write_stall = 10.0, close_wait = 2.0,
        answer_buffer = 1_048_576, message_rate = (4000.0, 2000.0), control_rate = (100.0, 20.0),
        byte_rate = (16_777_216.0, 4_194_304.0), inbox_messages = 10_000, inbox_bytes = 16_777_216, turn_read = 262_144,
        turn_write = 65_536, log_memory = 536_870_912, view_memory = 268_435_456, max_filters = 1_024, max_channel_filters = 256, filter_memory = 268_435_456, resume_events = 1_000, data_dir = None,
        fsync = "interval", fsync_interval = 1.0, log_segment = 16_777_216, log_queue = 65_536,
        log_queue_bytes = 67_108_864, recorder_bytes = 4_096, recorder_ended = 10_000, recorder_seconds = 900.0))]
    #[allow(
        clippy::too_many_arguments,
        reason = "every one is a named setting in Python"
    )]
    fn new(
        io_threads: usize,
        flush_ms: f64,
        ring_from: usize,
        max_message: u64,
        max_empty_fragments: u32,
        message_timeout: f64,
        heartbeat_interval: f64,
        heartbeat_timeout: f64,
        write_stall: f64,
        close_wait: f64,
        answer_buffer: usize,
        message_rate: (f64, f64),
        control_rate: (f64, f64),
        byte_rate: (f64, f64),
        inbox_messages: usize,
        inbox_bytes: usize,
        turn_read: usize,
        turn_write: usize,
        log_memory: usize,
        view_memory: usize,
        max_filters: usize,
        max_channel_filters: usize,
        filter_memory: usize,
        resume_events: u64,
        data_dir: Option<PathBuf>,
        fsync: &str,
        fsync_interval: f64,
        log_segment: usize,
        log_queue: usize,
        log_queue_bytes: usize,
        recorder_bytes: usize,
        recorder_ended: usize,
        recorder_seconds: f64,
    ) -> PyResult<Self> {
        let settings = Settings {
            io_threads: at_least_one("io_threads", io_threads)?,
            flush: seconds("flush_ms", flush_ms / 1_000.0)?,
            ring_from,
            max_message,
            max_empty_fragments,
            message_timeout: seconds("message_timeout", message_timeout)?,
            heartbeat_interval: seconds("heartbeat_interval", heartbeat_interval)?,
            heartbeat_timeout: seconds("heartbeat_timeout", heartbeat_timeout)?,
            write_stall: seconds("write_stall", write_stall)?,
            close_wait: seconds("close_wait", close_wait)?,
            answer_buffer,
            message_rate: rate("message_rate", message_rate)?,
            control_rate: rate("control_rate", control_rate)?,
            byte_rate: rate("byte_rate", byte_rate)?,
            inbox_messages: at_least_one("inbox_messages", inbox_messages)?,
            inbox_bytes: at_least_one("inbox_bytes", inbox_bytes)?,
            turn_read: at_least_one("turn_read", turn_read)?,
            turn_write: at_least_one("turn_write", turn_write)?,
            log_memory,
            view_memory,
            max_filters,
            max_channel_filters,
            filter_memory,
            resume_events,
            data_dir,
            fsync: fsync_of(fsync, fsync_interval)?,
            log_segment,
            log_queue: at_least_one("log_queue", log_queue)?,
            log_queue_bytes: at_least_one("log_queue_bytes", log_queue_bytes)?,
            recorder: recorder_bytes,
            recorder_ended,
            recorder_time: seconds("recorder_seconds", recorder_seconds)?,
        };
        let inner = Arc::new(Plane::new(settings).map_err(Raised::from)?);
        Ok(Self { inner })
    }

    fn start(&self) -> PyResult<()> {
        Ok(self.inner.start().map_err(Raised::from)?)
    }

    #[pyo3(signature = (timeout = 5.0))]
    fn stop(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout = seconds("timeout", timeout)?;
        Ok(py.detach(|| self.inner.stop(timeout)))
    }

    fn wakeup_fd(&self) -> i32 {
        self.inner.wakeup_fd().as_raw_fd()
    }

    #[pyo3(signature = (max_events = 4096))]
    fn drain<'py>(&self, py: Python<'py>, max_events: usize) -> PyResult<Bound<'py, PyList>> {
        let events = wake::drain(py, self.inner.inbox(), max_events)?;
        self.inner.drained();
        Ok(events)
    }

    #[pyo3(signature = (fd, head, tail, *, encoding = "json", deflate = false, max_message = None))]
    fn attach(
        &self,
        fd: i32,
        head: &[u8],
        tail: &[u8],
        encoding: &str,
        deflate: bool,
        max_message: Option<u64>,
    ) -> PyResult<u64> {
        let fd = owned(fd)?;
        let encoding = encoding_of(encoding)?;
        Ok(self
            .inner
            .attach(fd, head, tail, encoding, deflate, max_message)
            .map_err(Raised::from)?)
    }

    #[pyo3(signature = (*, encoding = "json", max_message = None))]
    fn attach_virtual(&self, encoding: &str, max_message: Option<u64>) -> PyResult<u64> {
        let encoding = encoding_of(encoding)?;
        Ok(self
            .inner
            .attach_virtual(encoding, max_message)
            .map_err(Raised::from)?)
    }

    #[pyo3(signature = (fd, head, tail, *, deflate = false, max_message = 16_777_216))]
    fn attach_echo(
        &self,
        fd: i32,
        head: &[u8],
        tail: &[u8],
        deflate: bool,
        max_message: u64,
    ) -> PyResult<u64> {
        let fd = owned(fd)?;
        Ok(self
            .inner
            .attach_echo(fd, head, tail, deflate, max_message)
            .map_err(Raised::from)?)
    }

    #[pyo3(signature = (conn, data, *, binary))]
    fn feed(&self, conn: u64, data: &[u8], binary: bool) -> bool {
        self.inner.feed(conn, data, binary)
    }

    #[pyo3(signature = (conn, code = 1005, reason = ""))]
    fn feed_close(&self, conn: u64, code: u16, reason: &str) {
        self.inner.feed_close(conn, code, reason);
    }

    #[pyo3(signature = (conn, max_bytes = 65_536))]
    fn take_output<'py>(
        &self,
        py: Python<'py>,
        conn: u64,
        max_bytes: usize,
    ) -> Vec<(u8, Bound<'py, PyBytes>)> {
        let messages = self.inner.take_output(conn, max_bytes).into_iter();
        messages
            .map(|(opcode, payload)| (opcode, PyBytes::new(py, &payload)))
            .collect()
    }

    fn send(&self, conn: u64, data: &[u8]) {
        self.inner.send(conn, data);
    }

    fn send_many(&self, messages: Vec<(u64, PyBackedBytes)>) {
        let copied = messages
            .into_iter()
            .map(|(conn, data)| (conn, Box::from(&*data)));
        self.inner.send_many(copied.collect());
    }

    fn close(&self, conn: u64, code: u16, reason: &str) {
        self.inner.close(conn, code, reason);
    }

    fn close_all(&self, code: u16, reason: &str) {
        self.inner.close_all(code, reason);
    }

    fn set_max_message(&self, conn: u64, max_message: u64) {
        self.inner.set_max_message(conn, max_message);
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "what Python gave is held by it"
    )]
    fn accept(&self, conn: u64, encodings: Vec<PyBackedStr>) {
        self.inner.accept(conn, accepts_of(&encodings));
    }

    #[pyo3(signature = (conn, log, largest, own, shared = None, *, takes_traces = true))]
    fn grant(
        &self,
        conn: u64,
        log: LogId,
        largest: usize,
        own: &PyBucket,
        shared: Option<&PyBucket>,
        takes_traces: bool,
    ) -> PyResult<()> {
        let terms = (largest, takes_traces);
        grants::grant(&self.inner, (conn, log), terms, own, shared)
    }

    fn handled(&self, counts: Vec<(u64, u64)>) {
        self.inner.handled(counts);
    }

    fn direct_counts(&self) -> (u64, u64) {
        let figures = self.inner.figures();
        (figures.direct_publishes.get(), figures.direct_acks.get())
    }

    fn withdraw(&self, conn: u64) {
        self.inner.withdraw(conn);
    }

    fn flush(&self) {
        self.inner.flush();
    }

    #[pyo3(signature = (channel, *, seconds, max_bytes, max_entries = 1_000_000, last_per_key = false, max_keys = 100_000,
        durable = false))]
    #[allow(
        clippy::too_many_arguments,
        reason = "every one is a named argument in Python"
    )]
    fn open_log(
        &self,
        py: Python<'_>,
        channel: &str,
        seconds: f64,
        max_bytes: usize,
        max_entries: usize,
        last_per_key: bool,
        max_keys: usize,
        durable: bool,
    ) -> PyResult<LogId> {
        let last_per_key = last_per_key.then_some(max_keys);
        let retention = Retention {
            seconds,
            max_bytes,
            max_entries,
            last_per_key,
        };
        if durable {
            // Its files are read.
            let opened = py.detach(|| self.inner.open_durable_log(channel, retention));
            return Ok(opened.map_err(Raised::from)?);
        }
        Ok(self
            .inner
            .open_log(channel, retention)
            .map_err(Raised::from)?)
    }

    fn close_log(&self, py: Python<'_>, log: LogId) -> PyResult<()> {
        // Files may go, and the disk may take its time.
        let closed = py.detach(|| self.inner.close_log(log));
        Ok(closed.map_err(Raised::from)?)
    }

    fn close_log_if_empty(&self, log: LogId) -> PyResult<bool> {
        Ok(self.inner.close_log_if_empty(log).map_err(Raised::from)?)
    }

    fn rotate_log(&self, py: Python<'_>, log: LogId) -> PyResult<String> {
        let rotated = py.detach(|| self.inner.rotate_log(log));
        Ok(rotated.map_err(Raised::from)?)
    }

    fn begin_log(&self, log: LogId, epoch: &str, offset: &Bound<'_, PyAny>) -> PyResult<()> {
        replicas::begin(&self.inner, log, epoch, offset)
    }

    fn apply_entries(
        &self,
        py: Python<'_>,
        log: LogId,
        epoch: &str,
        first: &Bound<'_, PyAny>,
        entries: &[u8],
    ) -> PyResult<u64> {
        replicas::apply(py, &self.inner, log, (epoch, first), entries)
    }

    fn restore_newest(
        &self,
        py: Python<'_>,
        log: LogId,
        newest: Vec<(Bound<'_, PyAny>, PyBackedBytes)>,
    ) -> PyResult<()> {
        replicas::restore(py, &self.inner, log, newest)
    }

    #[pyo3(signature = (log, entries, ts, marks = None))]
    fn append(
        &self,
        py: Python<'_>,
        log: LogId,
        entries: Vec<PyEntry>,
        ts: f64,
        marks: Option<Vec<Option<PyBackedBytes>>>,
    ) -> PyResult<(String, u64)> {
        let many = entries.len() > MANY;
        let marks = marks_of(marks, entries.len())?;
        let entries: Vec<NewEntry> = entries
            .into_iter()
            .map(|one| NewEntry::from(one.members()))
            .collect();
        if many {
            return appended(py.detach(|| self.inner.append(log, entries, ts, marks)));
        }
        appended(self.inner.append(log, entries, ts, marks))
    }

    fn recovered_marks<'py>(
        &self,
        py: Python<'py>,
        log: LogId,
    ) -> PyResult<Vec<(u64, f64, Bound<'py, PyBytes>)>> {
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        let marks = channel.durable.as_ref().map(Durable::take_marks);
        let marks = marks.into_iter().flatten();
        Ok(marks
            .map(|(offset, ts, mark)| (offset, ts, PyBytes::new(py, &mark)))
            .collect())
    }

    fn recovery_notes(&self, log: LogId) -> PyResult<Vec<(&'static str, String)>> {
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        let notes = channel.durable.as_ref().map(Durable::take_notes);
        Ok(notes.into_iter().flatten().map(note).collect())
    }

    fn durable_channels(&self) -> PyResult<Vec<String>> {
        Ok(self.inner.durable_channels().map_err(Raised::from)?)
    }

    fn check_durable_log(&self, py: Python<'_>, channel: &str) -> PyResult<()> {
        Ok(py
            .detach(|| self.inner.check_durable_log(channel))
            .map_err(Raised::from)?)
    }

    fn leave_durable_log(&self, py: Python<'_>, channel: &str) -> PyResult<()> {
        Ok(py
            .detach(|| self.inner.leave_durable_log(channel))
            .map_err(Raised::from)?)
    }

    fn append_signals(
        &self,
        py: Python<'_>,
        log: LogId,
        batch: &SignalBatch,
        ts: f64,
    ) -> PyResult<(String, u64)> {
        let entries = || signal::entries_of(batch);
        appended(py.detach(|| self.inner.append(log, entries(), ts, Vec::new())))
    }

    fn append_publishes(
        &self,
        py: Python<'_>,
        log: LogId,
        batch: &PublishBatch,
        ts: f64,
    ) -> PyResult<(String, u64)> {
        publishes::append(py, &self.inner, log, batch, ts)
    }

    fn acknowledge(
        &self,
        py: Python<'_>,
        batch: &PublishBatch,
        epoch: &str,
        first: u64,
        over: Vec<u64>,
    ) -> PyResult<usize> {
        publishes::acknowledge(py, &self.inner, batch, (epoch, first), over)
    }

    fn subscribe(
        &self,
        conn: u64,
        specs: Vec<PySpec<'_>>,
        reply: Option<Vec<PyBackedBytes>>,
    ) -> PyResult<()> {
        let specs = specs
            .into_iter()
            .map(subscription)
            .collect::<PyResult<Vec<_>>>()?;
        let reply = reply.map(|parts| parts.iter().map(|part| Box::from(&**part)).collect());
        Ok(self
            .inner
            .subscribe(conn, specs, reply)
            .map_err(Raised::from)?)
    }

    #[pyo3(signature = (log, wanted, policy = None, *, must = false))]
    fn sift(
        &self,
        log: LogId,
        wanted: Option<&PyFilter>,
        policy: Option<&PyFilter>,
        must: bool,
    ) -> PyResult<Option<PySieve>> {
        let filter = match (wanted, policy) {
            (Some(filter), Some(policy)) => policy.inner.and(&filter.inner),
            (Some(only), None) | (None, Some(only)) => only.inner.clone(),
            (None, None) => return Ok(None),
        };
        if filter.is_open() {
            return Ok(None);
        }
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        let inner = self.inner.sift(log, filter, must).map_err(Raised::from)?;
        Ok(Some(PySieve { inner, channel }))
    }

    #[pyo3(signature = (conn, logs, reply = None))]
    fn unsubscribe(&self, conn: u64, logs: Vec<LogId>, reply: Option<&[u8]>) {
        self.inner.unsubscribe(conn, logs, reply.map(Box::from));
    }

    fn ack(&self, conn: u64, positions: Vec<(LogId, String, u64)>) {
        self.inner.ack(conn, positions);
    }

    fn positions(&self, conn: u64) {
        self.inner.positions(conn);
    }

    fn watermark(&self, conn: u64, logs: Vec<LogId>) {
        self.inner.watermark(conn, logs);
    }

    fn log_info<'py>(&self, py: Python<'py>, log: LogId) -> PyResult<Bound<'py, PyDict>> {
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        stats::log_info(py, &channel)
    }

    #[pyo3(signature = (log, after, limit = 100, policy = None))]
    fn read_log<'py>(
        &self,
        py: Python<'py>,
        log: LogId,
        after: u64,
        limit: usize,
        policy: Option<&PyFilter>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        let entries: Vec<_> = channel
            .log()
            .after(after)
            .take(limit)
            .map(Arc::clone)
            .collect();
        let mut scratch = Scratch::default();
        let passes = |entry: &&Arc<Entry>| {
            policy.is_none_or(|policy| {
                let subject = Subject::from(&***entry);
                policy.inner.passes(&subject, &mut scratch)
            })
        };
        Ok(entries
            .iter()
            .filter(passes)
            .map(|entry| PyBytes::new(py, &entry.json()))
            .collect())
    }

    #[pyo3(signature = (log, after = 0, limit = 100))]
    fn read_newest<'py>(
        &self,
        py: Python<'py>,
        log: LogId,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let channel = self.inner.logs().find(log).map_err(Raised::from)?;
        let entries: Vec<_> = match channel.log().newest() {
            Some(newest) => newest
                .between(after, u64::MAX - 1, true)
                .take(limit)
                .map(Arc::clone)
                .collect(),
            None => Vec::new(),
        };
        Ok(entries
            .iter()
            .map(|entry| PyBytes::new(py, &entry.json()))
            .collect())
    }

    fn sweep(&self, py: Python<'_>, now: f64) {
        py.detach(|| self.inner.sweep(now));
    }

    fn story(&self, conn: u64) -> Option<PyAccount> {
        self.inner.story(conn).as_ref().map(account)
    }

    fn note(&self, conn: u64, kind: &str, text: &str) -> PyResult<()> {
        self.inner.note(conn, kind_of(kind)?, text);
        Ok(())
    }

    fn remembers(&self) -> (usize, usize) {
        self.inner.remembers()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::plane(py, &self.inner)
    }

    fn connection_stats<'py>(
        &self,
        py: Python<'py>,
        conn: u64,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.inner
            .connection(conn)
            .map(|handle| stats::connection(py, &handle.figures))
            .transpose()
    }
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("PlaneError", module.py().get_type::<PyPlaneError>())?;
    module.add("PlaneOverloaded", module.py().get_type::<PlaneOverloaded>())?;
    for (name, kind) in wake::KINDS {
        module.add(name, kind)?;
    }
    module.add_class::<PyPlane>()
}
