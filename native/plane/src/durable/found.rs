//! What the segment files of a channel hold: consecutive records up to the head, or the reason why they do not.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::durable::disk::Disk;
use crate::durable::manifest::Manifest;
use crate::durable::record::{self, End, Read, Record, Records};
use crate::durable::segments::{Head, Segment};
use crate::durable::tip::Place;
use crate::durable::verdict::{Note, Stop, damage};

/// What the segments hold together.
#[derive(Debug)]
pub struct Found {
    /// In the order of their offsets.
    pub segments: VecDeque<Segment>,
    /// With consecutive offsets, up to the head.
    pub records: Vec<Record>,
    /// Offset of the newest record.
    pub head: u64,
    /// The largest `ts` of records that are gone.
    pub lost_ts: f64,
    /// The largest `ts`.
    pub latest_ts: f64,
    /// What was cut off.
    pub notes: Vec<Note>,
}

/// One segment file that is read.
#[derive(Debug)]
pub struct Source {
    /// Offset of its first record, by its name.
    pub base: u64,
    /// Where it is.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// No other comes after it.
    pub is_last: bool,
    /// A loss of power under `always`: what was never told may be there in any state.
    pub is_lenient: bool,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            segments: VecDeque::new(),
            records: Vec::new(),
            head: 0,
            lost_ts: f64::NEG_INFINITY,
            latest_ts: f64::NEG_INFINITY,
            notes: Vec::new(),
        }
    }
}

impl Found {
    /// Read one more segment of the history `epoch`; what nobody has seen is cut off the disk.
    pub fn take(&mut self, disk: &dyn Disk, source: &Source, epoch: &str) -> Result<(), Stop> {
        let bytes = &source.bytes;
        let (head, at) = match Head::read(bytes) {
            Ok(read) => read,
            Err(is_torn) if source.may_lack_end(is_torn, 0) => {
                return self.drop_unbegun(disk, source);
            }
            Err(_) => {
                return Err(damage(format!(
                    "segment {}: its head is wrong",
                    source.base
                )));
            }
        };
        if &*head.epoch != epoch {
            // What is left of a history that was ended, and may stay: it is nothing.
            let _ = disk.remove(&source.path);
            return Ok(());
        }
        if self.segments.is_empty() {
            self.head = source.base.saturating_sub(1);
            self.lost_ts = head.latest_ts;
            self.latest_ts = head.latest_ts;
        }
        if head.number != source.base || source.base != self.head + 1 {
            let text = format!("segment {}: {} was expected", source.base, self.head + 1);
            return Err(damage(text));
        }
        self.records(disk, source, at)
    }

    /// What the manifest knows of must be there.
    pub fn check_head(&self, manifest: &Manifest) -> Result<(), Stop> {
        let is_gone = manifest.has_begun && self.segments.is_empty();
        if is_gone || self.head < manifest.head {
            let (least, head) = (manifest.head, self.head);
            let text = format!("entries up to {least} at least were expected, {head} is the last");
            return Err(damage(text));
        }
        Ok(())
    }

    /// What somebody has seen of a segment must be in it; `may_be_old`: a tip that the kernel had not written again may name one
    /// that has gone since.
    pub fn check_end(&self, least: Place, may_be_old: bool) -> Result<(), Stop> {
        let is_there = |one: &Segment| one.base == least.base && one.bytes >= least.bytes;
        let first = self.segments.front();
        let has_gone = may_be_old && first.is_some_and(|first| least.base < first.base);
        if self.head >= least.head && (has_gone || self.segments.iter().any(is_there)) {
            return Ok(());
        }
        let Place { base, bytes, head } = least;
        let came = self.segments.back().map_or_else(
            || "no segment".into(),
            |last| format!("{} with {} bytes", last.base, last.bytes),
        );
        Err(damage(format!(
            "segment {base} with {bytes} bytes up to entry {head} at least was expected, the last is {came} up to entry {}",
            self.head
        )))
    }

    /// A segment of which nothing but its name was finished.
    fn drop_unbegun(&mut self, disk: &dyn Disk, source: &Source) -> Result<(), Stop> {
        if self.segments.is_empty() {
            self.head = source.base.saturating_sub(1);
            if self.head > 0 {
                let text = format!("segment {}: its head is missing", source.base);
                return Err(damage(text));
            }
        }
        if source.base != self.head + 1 {
            let text = format!("segment {}: {} was expected", source.base, self.head + 1);
            return Err(damage(text));
        }
        self.notes.push(Note::Torn(source.bytes.len() as u64));
        Ok(disk.remove(&source.path)?)
    }

    fn records(&mut self, disk: &dyn Disk, source: &Source, start: usize) -> Result<(), Stop> {
        let (mut at, mut has_marks) = (start, false);
        let mut records = Records::new(&source.bytes, start);
        let mut is_next = true;
        for (record, next) in records.by_ref() {
            is_next = record.offset == self.head + 1;
            if !is_next {
                break;
            }
            self.head += 1;
            self.latest_ts = self.latest_ts.max(record.ts);
            has_marks |= record.mark.is_some();
            self.records.push(*record);
            at = next;
        }
        let end = if is_next { records.end() } else { End::Bad };
        if end != End::Whole {
            if !source.may_lack_end(end == End::Torn, at) {
                let (base, after) = (source.base, self.head);
                let text = format!("segment {base}: what stands after entry {after} is wrong");
                return Err(damage(text));
            }
            self.cut(disk, source, at)?;
        }
        self.segments.push_back(Segment {
            base: source.base,
            bytes: at as u64,
            latest_ts: self.latest_ts,
            has_marks,
            is_synced: false,
        });
        Ok(())
    }

    fn cut(&mut self, disk: &dyn Disk, source: &Source, at: usize) -> io::Result<()> {
        self.notes
            .push(Note::Torn((source.bytes.len() - at) as u64));
        disk.open(&source.path)?.cut(at as u64)
    }
}

impl Source {
    /// Whether what stands at `at` may be the rest of a write that nobody was told of: one that was cut short, or under
    /// `always` any bytes of the last batch, whose sync was never over.
    fn may_lack_end(&self, is_torn: bool, at: usize) -> bool {
        self.is_last && (is_torn || (self.is_lenient && !self.has_batch_after(at)))
    }

    fn has_batch_after(&self, at: usize) -> bool {
        let begins = |at| matches!(record::read(&self.bytes, at), Read::Record(record, _) if record.starts_batch);
        (at + 1..self.bytes.len()).any(begins)
    }
}
