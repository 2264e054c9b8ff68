//! How a history goes on in another segment.

use std::io;

use crate::durable::disk::{File, remove_if_there};
use crate::durable::history::History;
use crate::durable::segments::Segment;
use crate::durable::sync::Fsync;

impl History {
    /// Go on in a new segment.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        if self.options.fsync != Fsync::Never {
            self.sync()?;
        }
        self.add_segment()
    }

    pub(super) fn add_segment(&mut self) -> io::Result<()> {
        let base = self.head + 1;
        let mut head = Vec::new();
        self.head_of(base).write(&mut head);
        match self.begin_file(base, &head) {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                // With records of that offset in the segment before it, the next start would call it damage.
                self.must_roll = self.remove_begun(base).is_err();
                return Err(error);
            }
        }
        self.must_roll = false;
        self.segments.push_back(Segment {
            base,
            bytes: head.len() as u64,
            latest_ts: self.latest_ts,
            has_marks: false,
            is_synced: self.options.fsync != Fsync::Never,
        });
        self.tell_end()
    }

    fn begin_file(&self, base: u64, head: &[u8]) -> io::Result<Box<dyn File>> {
        let mut file = self.disk().create(&self.path(base))?;
        file.append(head)?;
        if self.options.fsync != Fsync::Never {
            file.sync()?;
            self.disk().sync_dir(&self.dir)?;
        }
        Ok(file)
    }

    fn remove_begun(&self, base: u64) -> io::Result<()> {
        remove_if_there(self.disk(), &self.path(base))?;
        if self.options.fsync != Fsync::Never {
            self.disk().sync_dir(&self.dir)?;
        }
        Ok(())
    }
}
