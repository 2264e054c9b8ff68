//! The thread that writes durable logs: takes what waits, writes it, and only then shows it to anybody.
//!
//! An append gets its place at once and waits here. What waits when the thread comes round is one write per channel, then one
//! sync per channel where the policy wants it, then the entries enter their logs, the I/O threads hear of them, and Python
//! gets one event per channel.

use std::collections::HashMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::{Batch, Event};
use crate::channel::Channel;
use crate::command::{Command, Port};
use crate::durable::history::{Encoded, Failure};
use crate::durable::record;
use crate::durable::sync::Fsync;
use crate::durable::{Durable, DurableFigures};
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::error::PlaneError;
use crate::inbox::Inbox;
use crate::logs::{LogId, Logs};
use crate::newest::Newest;

/// Bytes that are gathered for one write, unless segments are smaller.
const WRITE: usize = 1 << 20;

/// Seconds of the wall clock between two looks at what channels keep.
const SWEEP: f64 = 5.0;

/// Bytes that an entry is counted with beside its texts.
const OVERHEAD: usize = 128;

/// Entries of one append, in their places.
#[derive(Debug)]
struct Job {
    channel: Arc<Channel>,
    epoch: Epoch,
    first: u64,
    ts: f64,
    entries: Vec<NewEntry>,
    marks: Vec<Option<Box<[u8]>>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Of `jobs` and of what is being written.
    entries: usize,
    bytes: usize,
    /// The thread has something to do, and waits to be told.
    is_due: bool,
    is_parked: bool,
    is_stopping: bool,
    sweep_at: Option<f64>,
}

/// The queue before the thread; callable from any thread.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Queue>,
    ready: Condvar,
    max_entries: usize,
    max_bytes: usize,
    /// What happened.
    pub figures: Arc<DurableFigures>,
}

impl Writer {
    /// Nothing waits; at most so much may.
    pub fn new(max_entries: usize, max_bytes: usize, figures: Arc<DurableFigures>) -> Self {
        Self {
            queue: Mutex::default(),
            ready: Condvar::new(),
            max_entries,
            max_bytes,
            figures,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries and bytes that wait or are being written.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.entries, queue.bytes)
    }

    /// Give entries the places after all that wait; they are written when the thread is next told to (see
    /// [`Self::flush`]). The offset of the first.
    pub fn append(
        &self,
        channel: &Arc<Channel>,
        durable: &Durable,
        entries: Vec<NewEntry>,
        marks: Vec<Option<Box<[u8]>>>,
        ts: f64,
    ) -> Result<(Epoch, u64), PlaneError> {
        let bytes = entries.iter().map(size).sum::<usize>();
        let mut queue = self.queue();
        if queue.is_stopping {
            return Err(PlaneError::Stopped);
        }
        let is_too_much = queue.entries + entries.len() > self.max_entries
            || queue.bytes + bytes > self.max_bytes;
        // One that is too large by itself is written alone: the bound is on what waits.
        if queue.entries > 0 && is_too_much {
            self.figures.refused.add(entries.len() as u64);
            return Err(PlaneError::Overloaded(queue.entries, queue.bytes));
        }
        let count = entries.len() as u64;
        let first = durable.placed.fetch_add(count, SeqCst) + 1;
        let epoch = durable.epoch();
        queue.entries += entries.len();
        queue.bytes += bytes;
        queue.jobs.push(Job {
            channel: Arc::clone(channel),
            epoch: epoch.clone(),
            first,
            ts,
            entries,
            marks,
            bytes,
        });
        Ok((epoch, first))
    }

    /// Wake the thread if something waits.
    pub fn flush(&self) {
        let mut queue = self.queue();
        if queue.jobs.is_empty() {
            return;
        }
        queue.is_due = true;
        self.wake(queue);
    }

    /// Look, soon, at what channels keep; `now` is the wall clock.
    pub fn sweep(&self, now: f64) {
        let mut queue = self.queue();
        queue.sweep_at = Some(now);
        self.wake(queue);
    }

    /// Write what waits, then end.
    pub fn stop(&self) {
        let mut queue = self.queue();
        queue.is_stopping = true;
        self.wake(queue);
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        if mem::take(&mut queue.is_parked) {
            drop(queue);
            self.ready.notify_one();
        }
    }

    /// Strike what waits for a channel, whose next entry gets the place after `head` again: of its history, or of `other`.
    fn strike(&self, channel: LogId, durable: &Durable, head: u64, other: Option<Epoch>) {
        let mut queue = self.queue();
        let Queue {
            jobs,
            entries,
            bytes,
            ..
        } = &mut *queue;
        jobs.retain(|job| {
            let stays = job.channel.id != channel;
            if !stays {
                *entries -= job.entries.len();
                *bytes -= job.bytes;
            }
            stays
        });
        durable.placed.store(head, SeqCst);
        if let Some(epoch) = other {
            durable.set_epoch(epoch);
        }
    }

    /// Begin another history of a channel on disk: what waits for it is refused, and nothing of it is written while this
    /// runs. Its log in memory is the caller's to begin anew, in `renew`, before anybody appends again.
    pub fn rotate(
        &self,
        channel: &Channel,
        epoch: Epoch,
        inbox: &Inbox,
        renew: impl FnOnce(Epoch),
    ) -> Result<(), PlaneError> {
        let Some(durable) = &channel.durable else {
            renew(epoch);
            return Ok(());
        };
        let mut history = durable.history();
        let next = history.head() + 1;
        history.rotate(epoch.clone())?;
        let has_waiting = durable.placed.load(SeqCst) >= next;
        self.strike(channel.id, durable, 0, Some(epoch.clone()));
        durable.note(&history);
        renew(epoch);
        drop(history);
        if has_waiting {
            let mut batch = Batch::default();
            batch.push(
                0,
                Event::StoreFailed {
                    log: channel.id,
                    first: next,
                    text: "another history of the channel began".into(),
                    is_uncertain: false,
                },
            );
            inbox.hand_over(&mut batch);
        }
        Ok(())
    }
}

fn size(entry: &NewEntry) -> usize {
    let texts = [&entry.key, &entry.traceparent, &entry.tracestate];
    let optional = texts.map(|text| text.as_ref().map_or(0, |text| text.len()));
    let tags = entry.tags.as_ref().map_or(0, |tags| tags.len());
    entry.event.len() + entry.data.len() + tags + optional.iter().sum::<usize>() + OVERHEAD
}

/// What the thread works with.
#[derive(Debug)]
pub struct Surroundings {
    /// The logs that entries enter once they are written.
    pub logs: Arc<Logs>,
    /// Who is told of them.
    pub ports: Vec<Arc<Port>>,
    /// The way to Python.
    pub inbox: Arc<Inbox>,
    /// The policy.
    pub fsync: Fsync,
    /// Bytes after which a segment is followed by another.
    pub segment_bytes: usize,
}

/// Run the thread until it is stopped. A panic is told as FATAL: nothing more is stored, and the process should end.
pub fn run(writer: &Writer, around: Surroundings) {
    let inbox = Arc::clone(&around.inbox);
    let mut thread = Thread {
        writer,
        around,
        batch: Batch::default(),
        unsynced: HashMap::new(),
        sync_at: None,
        swept_at: f64::NEG_INFINITY,
    };
    if catch_unwind(AssertUnwindSafe(|| thread.run())).is_err() {
        let mut batch = Batch::default();
        let text = "the writer of durable logs panicked".to_owned();
        batch.push(0, Event::Fatal(text));
        inbox.hand_over(&mut batch);
    }
}

struct Thread<'a> {
    writer: &'a Writer,
    around: Surroundings,
    batch: Batch,
    unsynced: HashMap<LogId, Arc<Channel>>,
    sync_at: Option<Instant>,
    swept_at: f64,
}

/// What there is to do.
struct Turn {
    jobs: Vec<Job>,
    sweep_at: Option<f64>,
    is_last: bool,
}

impl Thread<'_> {
    fn run(&mut self) {
        loop {
            let turn = self.wait();
            if !turn.jobs.is_empty() {
                self.store(turn.jobs);
            }
            if self.sync_at.is_some_and(|at| Instant::now() >= at) || turn.is_last {
                self.sync();
            }
            if let Some(now) = turn.sweep_at {
                self.sweep(now);
            }
            if turn.is_last {
                return self.finish();
            }
        }
    }

    fn wait(&self) -> Turn {
        let mut queue = self.writer.queue();
        loop {
            let sync_in = self
                .sync_at
                .map(|at| at.saturating_duration_since(Instant::now()));
            let has_work = queue.is_due || queue.is_stopping || queue.sweep_at.is_some();
            if has_work || sync_in.is_some_and(|left| left.is_zero()) {
                queue.is_parked = false;
                queue.is_due = false;
                return Turn {
                    jobs: mem::take(&mut queue.jobs),
                    sweep_at: queue.sweep_at.take(),
                    is_last: queue.is_stopping,
                };
            }
            queue.is_parked = true;
            let patience = sync_in.unwrap_or(Duration::from_secs(3_600));
            let waited = self.writer.ready.wait_timeout(queue, patience);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // --- storing ------------------------------------------------------------------------------------------------------

    fn store(&mut self, jobs: Vec<Job>) {
        let (entries, bytes) = jobs.iter().fold((0, 0), |(entries, bytes), job| {
            (entries + job.entries.len(), bytes + job.bytes)
        });
        for group in by_channel(jobs) {
            self.store_group(group);
        }
        let mut queue = self.writer.queue();
        queue.entries -= entries;
        queue.bytes -= bytes;
        drop(queue);
        for port in &self.around.ports {
            port.flush();
        }
        self.around.inbox.hand_over(&mut self.batch);
    }

    fn store_group(&mut self, jobs: Vec<Job>) {
        let Some(channel) = jobs.first().map(|job| Arc::clone(&job.channel)) else {
            return;
        };
        let Some(durable) = &channel.durable else {
            return;
        };
        // Held until the entries are in the log: who rotates or closes it comes before all of this or after.
        let mut history = durable.history();
        let (mut stored, mut failed) = (None, None);
        for chunk in chunks(jobs, self.around.segment_bytes.min(WRITE)) {
            let places = chunk.first().map(|job| (job.epoch.clone(), job.first));
            if places != Some((history.epoch().clone(), history.head() + 1)) {
                // Its place was taken away while it was on its way here; that was told.
                continue;
            }
            if let Err(failure) = history.append(&encode(&chunk)) {
                let head = history.head();
                self.writer.strike(channel.id, durable, head, None);
                failed = Some((head + 1, failure));
                break;
            }
            stored = Some(history.head());
            self.show(&channel, chunk);
        }
        durable.note(&history);
        if history.is_unsynced() {
            self.unsynced.insert(channel.id, Arc::clone(&channel));
            self.plan_sync();
        }
        let epoch = history.epoch().clone();
        drop(history);
        let log = channel.id;
        if let Some(offset) = stored {
            self.batch.push(0, Event::Stored { log, epoch, offset });
        }
        if let Some((first, failure)) = failed {
            self.fail(log, first, &failure);
        }
    }

    fn fail(&mut self, log: LogId, first: u64, failure: &Failure) {
        self.writer.figures.failures.add(1);
        self.batch.push(
            0,
            Event::StoreFailed {
                log,
                first,
                text: failure.error.to_string(),
                is_uncertain: failure.is_uncertain,
            },
        );
    }

    /// Entries that are written enter their log, and everybody hears of them.
    fn show(&mut self, channel: &Arc<Channel>, jobs: Vec<Job>) {
        let figures = &self.writer.figures;
        figures.batches.add(1);
        for job in jobs {
            let count = job.entries.len() as u64;
            self.around.logs.append(channel, job.entries, job.ts);
            channel.figures().appended.add(count);
            figures.records.add(count);
        }
        let ports = channel
            .to_tell()
            .filter_map(|number| self.around.ports.get(number));
        for port in ports {
            port.push(Command::Appended(Arc::clone(channel), Instant::now()));
        }
    }

    // --- what time does -----------------------------------------------------------------------------------------------

    fn plan_sync(&mut self) {
        if let Fsync::Interval(interval) = self.around.fsync {
            self.sync_at
                .get_or_insert_with(|| Instant::now() + interval);
        }
    }

    fn sync(&mut self) {
        self.sync_at = None;
        for channel in mem::take(&mut self.unsynced).into_values() {
            let Some(durable) = &channel.durable else {
                continue;
            };
            self.writer.figures.syncs.add(1);
            if durable.history().sync().is_err() {
                self.writer.figures.sync_failures.add(1);
                self.unsynced.insert(channel.id, channel);
                self.plan_sync();
            }
        }
    }

    fn sweep(&mut self, now: f64) {
        // A clock that was set back must not end it.
        if now < self.swept_at + SWEEP && now >= self.swept_at {
            return;
        }
        self.swept_at = now;
        for channel in self.around.logs.all() {
            let Some(durable) = &channel.durable else {
                continue;
            };
            let mut history = durable.history();
            match history.retain(now, || {
                channel
                    .log()
                    .newest()
                    .map_or_else(Vec::new, Newest::offsets)
            }) {
                Ok(gone) => self.writer.figures.segments_removed.add(gone as u64),
                Err(_) => self.writer.figures.failures.add(1),
            }
            durable.note(&history);
        }
    }

    fn finish(&mut self) {
        for channel in self.around.logs.all() {
            if let Some(durable) = &channel.durable
                && durable.history().finish().is_err()
            {
                self.writer.figures.sync_failures.add(1);
            }
        }
    }
}

/// Jobs of one channel together, in the order of their places.
fn by_channel(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    let mut numbers: HashMap<LogId, usize> = HashMap::new();
    for job in jobs {
        let number = *numbers.entry(job.channel.id).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(job),
            None => groups.push(vec![job]),
        }
    }
    groups
}

/// Jobs in order, in portions for one write each.
fn chunks(jobs: Vec<Job>, size: usize) -> Vec<Vec<Job>> {
    let mut all = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for job in jobs {
        bytes += job.bytes;
        chunk.push(job);
        if bytes >= size {
            all.push(mem::take(&mut chunk));
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        all.push(chunk);
    }
    all
}

fn encode(jobs: &[Job]) -> Encoded {
    let mut encoded = Encoded {
        bytes: Vec::with_capacity(jobs.iter().map(|job| job.bytes).sum()),
        latest_ts: f64::NEG_INFINITY,
        ..Encoded::default()
    };
    for job in jobs {
        let mut marks = job.marks.iter();
        for (offset, entry) in (job.first..).zip(&job.entries) {
            let mark = marks.next().and_then(Option::as_deref);
            let starts_batch = encoded.count == 0;
            record::write(
                &mut encoded.bytes,
                offset,
                job.ts,
                entry,
                mark,
                starts_batch,
            );
            encoded.count += 1;
            encoded.has_marks |= mark.is_some();
        }
        encoded.latest_ts = encoded.latest_ts.max(job.ts);
    }
    encoded
}
