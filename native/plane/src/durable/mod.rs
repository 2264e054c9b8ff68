//! Durable logs: the recent past of a channel in segment files, so that it is there again after a restart.
//!
//! What belongs here: the format, the thread that writes, and the recovery. What must not: sockets, views, and anything that
//! happens before an entry has its place. The promise: what anybody has seen under an epoch is what a later start finds under
//! it, or the epoch is another one.

mod apart;
mod carry;
mod disk;
mod ending;
mod found;
mod frame;
mod history;
mod job;
mod keys;
mod manifest;
mod names;
mod options;
mod record;
mod recovery;
mod retention;
mod rolling;
mod root;
mod salvage;
mod segments;
mod sync;
mod syncing;
#[cfg(test)]
mod tests;
mod tip;
mod verdict;
mod writer;
mod writing;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::epoch::Epoch;
use crate::figures::Count;
use crate::log::{Past, Retention};

pub use history::History;
pub use options::Kept;
pub use root::Root;
pub use sync::Fsync;
pub use verdict::{Note, Reason};
pub use writer::Writer;
pub use writing::{Surroundings, run};

/// A mark of a record that was recovered: offset, `ts`, and what Python had given.
pub type Mark = (u64, f64, Box<[u8]>);

/// What is counted of durable logs.
#[derive(Debug, Default)]
pub struct DurableFigures {
    /// Records written.
    pub records: Count,
    /// Writes.
    pub batches: Count,
    /// Syncs by the interval.
    pub syncs: Count,
    /// Syncs that failed.
    pub sync_failures: Count,
    /// Writes that failed.
    pub failures: Count,
    /// Rotations that left files of the former history, which count for nothing, to the next start.
    pub leftovers: Count,
    /// Entries refused because too much waited.
    pub refused: Count,
    /// Segments that went because of the retention.
    pub segments_removed: Count,
    /// Of these, segments with marks that still counted, for there were too many bytes of them.
    pub marks_cut: Count,
    /// Histories that an end left unsynced, for its time was over.
    pub unfinished: Count,
    /// Tails that were cut off at a recovery.
    pub torn: Count,
    /// New epochs after a loss of power.
    pub lost_power: Count,
    /// New epochs after damage.
    pub damaged: Count,
    /// New epochs of channels that the hub did not keep for a time.
    pub apart: Count,
    /// Entries that a new epoch has begun with, for they were whole.
    pub carried: Count,
    /// Histories of which files were set aside, for not all of them were.
    pub set_aside: Count,
}

impl DurableFigures {
    fn count(&self, note: &Note) {
        match note {
            Note::Torn(_) => &self.torn,
            Note::NewEpoch(Reason::Power, _) => &self.lost_power,
            Note::NewEpoch(Reason::Damage, _) => &self.damaged,
            Note::NewEpoch(Reason::Apart, _) => &self.apart,
        }
        .add(1);
    }
}

/// What a channel has beside its log in memory.
#[derive(Debug)]
pub struct Durable {
    history: Mutex<History>,
    epoch: Mutex<Epoch>,
    /// Offset of the last entry that was given a place; changed with the writer's queue locked.
    placed: AtomicU64,
    /// Bytes on disk.
    bytes: AtomicU64,
    segments: AtomicUsize,
    marks: Mutex<Vec<Mark>>,
    notes: Mutex<Vec<Note>>,
}

impl Durable {
    /// A recovered history, what its log is to be filled with, and the count of what was found.
    pub fn open(
        root: &Root,
        channel: &str,
        retention: Retention,
        figures: &DurableFigures,
    ) -> Result<(Self, Past), crate::error::PlaneError> {
        let kept = Kept {
            seconds: retention.seconds,
            bytes: retention.max_bytes as u64,
            per_key: retention.last_per_key.is_some(),
        };
        let found = root.history(channel, kept)?;
        for note in &found.notes {
            figures.count(note);
        }
        figures.carried.add(found.carried);
        figures.set_aside.add(u64::from(found.is_set_aside));
        let marks = found.recent.iter().filter_map(|record| {
            let mark = record.mark.clone()?;
            Some((record.offset, record.ts, mark))
        });
        let durable = Self {
            epoch: Mutex::new(found.history.epoch().clone()),
            placed: AtomicU64::new(found.history.head()),
            bytes: AtomicU64::new(found.history.bytes()),
            segments: AtomicUsize::new(found.history.segments()),
            marks: Mutex::new(marks.collect()),
            notes: Mutex::new(found.notes),
            history: Mutex::new(found.history),
        };
        let entries = |records: Vec<record::Record>| {
            let parts = records
                .into_iter()
                .map(|one| (one.offset, one.ts, one.entry));
            parts.collect()
        };
        let past = Past {
            epoch: durable.epoch(),
            head: durable.placed(),
            keyed: entries(found.keyed),
            recent: entries(found.recent),
            lost_ts: found.lost_ts,
            forgotten: found.forgotten,
        };
        Ok((durable, past))
    }

    /// The files. A panic while they were held was the writer's, and nothing is written after it, or of who rotated or closed the
    /// channel, which does not leave the rest of a write.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of the history.
    pub fn epoch(&self) -> Epoch {
        self.epoch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_epoch(&self, epoch: Epoch) {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    /// Offset of the last entry that was given a place, stored or not.
    pub fn placed(&self) -> u64 {
        self.placed.load(SeqCst)
    }

    /// Bytes and segments on disk, as of the last write.
    pub fn on_disk(&self) -> (u64, usize) {
        (self.bytes.load(SeqCst), self.segments.load(SeqCst))
    }

    fn note(&self, history: &History) {
        self.bytes.store(history.bytes(), SeqCst);
        self.segments.store(history.segments(), SeqCst);
    }

    /// Marks that were recovered; the first call gets them.
    pub fn take_marks(&self) -> Vec<Mark> {
        std::mem::take(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an operator should know of the recovery; the first call gets it.
    pub fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
