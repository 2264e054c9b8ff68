//! What a history lets go of: whole segments beyond its age or bytes, and what stays of them where the newest of a key counts.

use std::io;
use std::path::PathBuf;

use crate::durable::disk::remove_if_there;
use crate::durable::history::History;
use crate::durable::keys::{self, Known};
use crate::durable::segments::{Segment, keys_names};
use crate::durable::sync::Fsync;

/// Seconds that records with a mark are kept whatever the retention says: as long as a `mid` counts (M31).
const MARKS_KEPT: f64 = 300.0;

/// So many times the bytes that are kept are kept for the marks in them; beyond that the marks go before their time.
const MARKS_BYTES: u64 = 4;

/// What went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Segments.
    pub segments: usize,
    /// Of these, segments with marks that still counted.
    pub marked: usize,
    /// Files that were not whole: what could be read of them was kept of their keys.
    pub damaged: Vec<PathBuf>,
}

impl History {
    /// Let go of segments that are beyond what is kept; `known` is asked only where keys matter.
    pub fn retain(&mut self, now: f64, known: impl Fn() -> Known) -> io::Result<Gone> {
        let is_over = |segment: &Segment| self.is_over(segment, now);
        let mut over = self.segments.iter().take_while(|one| is_over(one)).count();
        if over == self.segments.len()
            && self
                .segments
                .back()
                .is_some_and(|last| last.base <= self.head)
        {
            self.roll_idle()?;
        }
        over = over.min(self.segments.len().saturating_sub(1));
        over = over.max(self.beyond_bytes(now));
        let mut gone = Gone::default();
        if over == 0 {
            return Ok(gone);
        }
        if self.kept.per_key {
            gone.damaged = self.compact(over, known())?;
        }
        // It must not name a segment that goes, after a loss of power either.
        self.tell_end()?;
        if self.options.fsync == Fsync::Always {
            self.sync_tip()?;
        }
        while gone.segments < over
            && let Some(first) = self.segments.front()
        {
            remove_if_there(self.disk(), &self.path(first.base))?;
            gone.segments += 1;
            gone.marked += usize::from(has_counting_marks(first, now));
            self.segments.pop_front();
        }
        Ok(gone)
    }

    fn is_over(&self, segment: &Segment, now: f64) -> bool {
        segment.latest_ts < now - self.kept.seconds && !has_counting_marks(segment, now)
    }

    /// The head must be known after the last record went: an empty segment has it in its name.
    fn roll_idle(&mut self) -> io::Result<()> {
        if self.has_remains {
            return Ok(());
        }
        self.announce()?;
        self.roll()
    }

    /// How many of the oldest segments lie wholly beyond the bytes that are kept; never the last.
    fn beyond_bytes(&self, now: f64) -> usize {
        let mut left = self.bytes();
        let older = self
            .segments
            .iter()
            .take(self.segments.len().saturating_sub(1));
        older
            .take_while(|segment| {
                left -= segment.bytes;
                let for_marks = if has_counting_marks(segment, now) {
                    MARKS_BYTES
                } else {
                    1
                };
                left >= self.kept.bytes.saturating_mul(for_marks)
            })
            .count()
    }

    /// Keep the newest records of keys that stand in the first `count` segments, in one file with those of before. Files that
    /// were not whole: their keys count as forgotten.
    fn compact(&mut self, count: usize, mut known: Known) -> io::Result<Vec<PathBuf>> {
        let Some(after) = self.segments.get(count) else {
            return Ok(Vec::new());
        };
        let upto = after.base - 1;
        let (name, fresh) = keys_names(upto);
        let former = self.keys.map(|upto| self.dir.join(keys_names(upto).0));
        let segments = self
            .segments
            .iter()
            .take(count)
            .map(|one| self.path(one.base));
        let sources: Vec<PathBuf> = former.clone().into_iter().chain(segments).collect();
        known.forgotten = known.forgotten.max(self.forgotten);
        let gathered = keys::gather(self.disk(), &sources, &self.head_of(upto), &known)?;
        let mut file = self.disk().create(&self.dir.join(&fresh))?;
        file.append(&gathered.bytes)?;
        file.sync()?;
        drop(file);
        self.disk()
            .rename(&self.dir.join(fresh), &self.dir.join(name))?;
        self.disk().sync_dir(&self.dir)?;
        let replaced = former.filter(|_| self.keys != Some(upto));
        self.keys = Some(upto);
        self.forgotten = gathered.forgotten;
        if let Some(former) = replaced {
            remove_if_there(self.disk(), &former)?;
        }
        Ok(gathered.damaged)
    }
}

fn has_counting_marks(segment: &Segment, now: f64) -> bool {
    segment.has_marks && segment.latest_ts >= now - MARKS_KEPT
}
