//! What a history lets go of: whole segments beyond its age or bytes, and what stays of them where the newest of a key counts.

use std::io;
use std::path::PathBuf;

use crate::durable::history::History;
use crate::durable::keys;
use crate::durable::segments::{Head, Segment, keys_names};
use crate::durable::sync::Fsync;

/// Seconds that records with a mark are kept whatever the retention says: as long as a `mid` counts (M31).
const MARKS_KEPT: f64 = 300.0;

impl History {
    /// Let go of segments that are beyond what is kept. `newest` are the offsets of the newest entries of keys, ascending;
    /// asked for only where they matter. How many segments went.
    pub fn retain(&mut self, now: f64, newest: impl Fn() -> Vec<u64>) -> io::Result<usize> {
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
        over = over.max(self.beyond_bytes());
        if over == 0 {
            return Ok(0);
        }
        if self.kept.per_key {
            self.compact(over, &newest())?;
        }
        // It must not name a segment that goes, after a loss of power either.
        self.tell_end()?;
        if self.options.fsync == Fsync::Always {
            self.sync_tip()?;
        }
        for _ in 0..over {
            let Some(first) = self.segments.front() else {
                break;
            };
            self.disk().remove(&self.path(first.base))?;
            self.segments.pop_front();
        }
        Ok(over)
    }

    fn is_over(&self, segment: &Segment, now: f64) -> bool {
        let marks = if segment.has_marks { MARKS_KEPT } else { 0.0 };
        segment.latest_ts < now - self.kept.seconds.max(marks)
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
    fn beyond_bytes(&self) -> usize {
        let mut left = self.bytes();
        let older = self
            .segments
            .iter()
            .take(self.segments.len().saturating_sub(1));
        older
            .take_while(|segment| {
                left -= segment.bytes;
                left >= self.kept.bytes
            })
            .count()
    }

    /// Keep the newest records of keys that stand in the first `count` segments, in one file with those of before.
    fn compact(&mut self, count: usize, newest: &[u64]) -> io::Result<()> {
        let Some(after) = self.segments.get(count) else {
            return Ok(());
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
        let head = Head {
            lacks_keys: self.lacks_keys,
            ..self.head_of(upto)
        };
        let bytes = keys::gather(self.disk(), &sources, &head, newest)?;
        let mut file = self.disk().create(&self.dir.join(&fresh))?;
        file.append(&bytes)?;
        file.sync()?;
        drop(file);
        self.disk()
            .rename(&self.dir.join(fresh), &self.dir.join(name))?;
        self.disk().sync_dir(&self.dir)?;
        if let Some(former) = former.filter(|_| self.keys != Some(upto)) {
            self.disk().remove(&former)?;
        }
        self.keys = Some(upto);
        Ok(())
    }
}
