//! The thread that writes durable logs: takes what waits, writes it, and only then shows it to anybody.
//!
//! What waits when the thread comes round is taken channel by channel: a write for each portion of it, and under `always` a
//! sync, then its entries enter the log, the I/O threads hear of them, and Python gets one event, before the next channel has
//! its turn.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::{Batch, Event};
use crate::channel::Channel;
use crate::command::{Command, Port};
use crate::durable::history::Failure;
use crate::durable::job::{Job, by_channel, chunks, encode};
use crate::durable::keys::Known;
use crate::durable::retention::Gone;
use crate::durable::sync::Fsync;
use crate::durable::writer::Writer;
use crate::epoch::Epoch;
use crate::inbox::Inbox;
use crate::logs::{LogId, Logs};

/// Bytes that are gathered for one write, unless segments are smaller.
const WRITE: usize = 1 << 20;

/// Seconds of the wall clock between two looks at what channels keep.
const SWEEP: f64 = 5.0;

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

/// Seconds for which the interval syncs in one turn: what it does not get to has the next one, after what waits to be written.
const SYNCS: Duration = Duration::from_millis(20);

/// Run the thread until it is stopped; whether it ended well. A panic is told as FATAL: nothing more is stored, and the process
/// should end.
pub fn run(writer: &Writer, around: Surroundings) -> bool {
    let inbox = Arc::clone(&around.inbox);
    let mut thread = Thread {
        writer,
        around,
        batch: Batch::default(),
        unsynced: HashMap::new(),
        sync_at: None,
        swept_at: f64::NEG_INFINITY,
        failed: HashMap::new(),
        untidy: HashMap::new(),
    };
    let ended = catch_unwind(AssertUnwindSafe(|| thread.run())).is_ok();
    writer.end();
    if !ended {
        let mut batch = Batch::default();
        let text = "the writer of durable logs panicked".to_owned();
        batch.push(0, Event::Fatal(text));
        inbox.hand_over(&mut batch);
    }
    ended
}

/// A channel whose write failed, and the bytes that it was to take.
struct Failed {
    channel: Arc<Channel>,
    bytes: usize,
}

struct Thread<'a> {
    writer: &'a Writer,
    around: Surroundings,
    batch: Batch,
    unsynced: HashMap<LogId, Arc<Channel>>,
    sync_at: Option<Instant>,
    swept_at: f64,
    /// What could not be written the last time.
    failed: HashMap<LogId, Failed>,
    /// Why channels keep more than they should, as it was told last.
    untidy: HashMap<LogId, String>,
}

impl Thread<'_> {
    fn run(&mut self) {
        loop {
            let turn = self.writer.wait(self.sync_at);
            if !turn.jobs.is_empty() {
                self.store(turn.jobs);
            }
            if let Some(until) = turn.last_until {
                return self.finish(until);
            }
            if self.sync_at.is_some_and(|at| Instant::now() >= at) {
                self.sync(Instant::now() + SYNCS);
            }
            if let Some(now) = turn.sweep_at {
                self.look_again(Instant::now() + SYNCS);
                self.sweep(now);
            }
        }
    }

    // --- storing ------------------------------------------------------------------------------------------------------

    fn store(&mut self, jobs: Vec<Job>) {
        for group in by_channel(jobs) {
            let (entries, bytes) = group.iter().fold((0, 0), |(entries, bytes), job| {
                (entries + job.entries.len(), bytes + job.bytes)
            });
            self.store_group(group);
            self.writer.settled(entries, bytes);
            for port in &self.around.ports {
                port.flush();
            }
        }
    }

    fn store_group(&mut self, jobs: Vec<Job>) {
        let Some(channel) = jobs.first().map(|job| Arc::clone(&job.channel)) else {
            return;
        };
        let Some(durable) = &channel.durable else {
            return;
        };
        // Held until it is told what became of them: who rotates or closes it comes before all of this or after.
        let mut history = durable.history();
        let (mut stored, mut failed) = (None, None);
        for chunk in chunks(jobs, self.around.segment_bytes.min(WRITE)) {
            let places = chunk.first().map(|job| (job.epoch.clone(), job.first));
            if places != Some((history.epoch().clone(), history.head() + 1)) {
                if places.is_none_or(|(epoch, _)| epoch != durable.epoch()) {
                    // A rotation took its place away while it was on its way here, and told that.
                    continue;
                }
                let head = history.head();
                self.writer.strike(channel.id, durable, head, None);
                let first = chunk.first().map_or(head + 1, |job| job.first);
                let text = format!("entry {} was expected, {first} came", head + 1);
                failed = Some((first, io::Error::other(text).into()));
                break;
            }
            let encoded = encode(&chunk);
            if let Err(failure) = history.append(&encoded) {
                let bytes = encoded.bytes.len();
                let failing = Arc::clone(&channel);
                self.failed.insert(
                    channel.id,
                    Failed {
                        channel: failing,
                        bytes,
                    },
                );
                let head = history.head();
                self.writer.strike(channel.id, durable, head, None);
                failed = Some((head + 1, failure));
                break;
            }
            self.failed.remove(&channel.id);
            stored = Some(history.head());
            self.show(&channel, chunk);
        }
        durable.note(&history);
        if history.is_unsynced() {
            self.unsynced.insert(channel.id, Arc::clone(&channel));
            self.plan_sync();
        }
        let log = channel.id;
        if let Some(offset) = stored {
            let epoch = history.epoch().clone();
            self.batch.push(0, Event::Stored { log, epoch, offset });
        }
        if let Some((first, failure)) = failed {
            self.fail(log, history.epoch().clone(), first, &failure);
        }
        self.around.inbox.hand_over(&mut self.batch);
    }

    fn fail(&mut self, log: LogId, epoch: Epoch, first: u64, failure: &Failure) {
        self.writer.figures.failures.add(1);
        self.batch.push(
            0,
            Event::StoreFailed {
                log,
                epoch,
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

    /// Tell of each log that could not be written, and now can be, where it stands (E4): nobody may publish there for long.
    /// What is not reached until `until` has its turn at the next look.
    fn look_again(&mut self, until: Instant) {
        let mut left = mem::take(&mut self.failed).into_values();
        for one in left.by_ref() {
            let Some(durable) = &one.channel.durable else {
                continue;
            };
            let (log, history) = (one.channel.id, durable.history());
            if history.can_take(one.bytes).is_err() {
                drop(history);
                self.failed.insert(log, one);
            } else if !history.is_erased() {
                let (epoch, offset) = (history.epoch().clone(), history.head());
                self.batch.push(0, Event::Stored { log, epoch, offset });
                self.around.inbox.hand_over(&mut self.batch);
            }
            if Instant::now() >= until {
                break;
            }
        }
        self.failed.extend(left.map(|one| (one.channel.id, one)));
    }

    // --- what time does -----------------------------------------------------------------------------------------------

    fn plan_sync(&mut self) {
        if let Fsync::Interval(interval) = self.around.fsync {
            self.sync_at
                .get_or_insert_with(|| Instant::now() + interval);
        }
    }

    /// Sync what was written, until `until`: the rest has its turn after what waits to be written by then.
    fn sync(&mut self, until: Instant) {
        self.sync_at = None;
        let mut left = mem::take(&mut self.unsynced).into_values();
        for channel in left.by_ref() {
            let Some(durable) = &channel.durable else {
                continue;
            };
            self.writer.figures.syncs.add(1);
            if durable.history().sync().is_err() {
                self.writer.figures.sync_failures.add(1);
                self.unsynced.insert(channel.id, channel);
                self.plan_sync();
            }
            if Instant::now() >= until {
                break;
            }
        }
        for channel in left {
            self.sync_at = Some(until);
            self.unsynced.insert(channel.id, channel);
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
            let retained = history.retain(now, || {
                let log = channel.log();
                log.newest().map_or_else(Known::default, |newest| Known {
                    offsets: newest.offsets(),
                    forgotten: newest.forgotten(),
                })
            });
            history.rest();
            durable.note(&history);
            drop(history);
            self.retained(channel.id, retained);
        }
        self.around.inbox.hand_over(&mut self.batch);
    }

    /// Count what went; what an operator should know is told once, as long as it stays the same.
    fn retained(&mut self, log: LogId, retained: io::Result<Gone>) {
        let figures = &self.writer.figures;
        let text = match retained {
            Ok(gone) => {
                figures.segments_removed.add(gone.segments as u64);
                figures.marks_cut.add(gone.marked as u64);
                let damaged = gone.damaged.first();
                damaged.map(|path| {
                    let path = path.display();
                    format!("{path} is missing or damaged: newest entries of keys in it are lost")
                })
            }
            Err(error) => {
                figures.failures.add(1);
                Some(error.to_string())
            }
        };
        let Some(text) = text else {
            self.untidy.remove(&log);
            return;
        };
        if self.untidy.get(&log) != Some(&text) {
            self.untidy.insert(log, text.clone());
            self.batch.push(0, Event::RetainFailed { log, text });
        }
    }

    /// Everything is synced and called clean, as far as the time allows: what is left is as after a kill.
    fn finish(&mut self, until: Instant) {
        for channel in self.around.logs.all() {
            let Some(durable) = &channel.durable else {
                continue;
            };
            if Instant::now() >= until {
                self.writer.figures.unfinished.add(1);
            } else if durable.history().finish().is_err() {
                self.writer.figures.sync_failures.add(1);
            }
        }
    }
}
