//! What of a history would survive a loss of power, and when its files are let go of.

use std::io;

use crate::durable::history::History;
use crate::durable::sync::Fsync;

impl History {
    /// Something was written that was not synced since.
    pub fn is_unsynced(&self) -> bool {
        self.is_unsynced
    }

    /// Make everything in the last segment survive a loss of power.
    pub fn sync(&mut self) -> io::Result<()> {
        let last = self.segments.len().saturating_sub(1);
        self.sync_segment(last)?;
        self.is_unsynced = false;
        Ok(())
    }

    pub(super) fn sync_segment(&mut self, number: usize) -> io::Result<()> {
        let is_last = number + 1 == self.segments.len();
        let Some(segment) = self.segments.get(number).filter(|one| !one.is_synced) else {
            return Ok(());
        };
        let synced = match self.file.as_mut().filter(|_| is_last) {
            Some(file) => file.sync(),
            // Written by a former run, or under `never`.
            None => self.disk().open(&self.path(segment.base))?.sync(),
        };
        self.has_failed_sync |= synced.is_err();
        synced?;
        if let Some(segment) = self.segments.get_mut(number) {
            segment.is_synced = true;
        }
        Ok(())
    }

    /// What the tip says survives a loss of power.
    pub(super) fn sync_tip(&mut self) -> io::Result<()> {
        match &mut self.tip {
            Some(tip) => tip.sync(&*self.options.disk),
            None => Ok(()),
        }
    }

    /// Nobody has written since this was called last: no descriptor is kept for that. The next write opens the files again.
    pub fn rest(&mut self) {
        let is_busy = std::mem::take(&mut self.is_busy);
        let is_due = self.is_unsynced && self.options.fsync != Fsync::Never;
        if !is_busy && !is_due {
            self.file = None;
            if let Some(tip) = &mut self.tip {
                tip.rest();
            }
        }
    }
}
