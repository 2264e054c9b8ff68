//! How the history of a channel ends: with the run, by another one, or with the channel.

use std::io;
use std::path::Path;

use crate::durable::carry;
use crate::durable::disk::{Disk, remove_if_there};
use crate::durable::history::{History, Said};
use crate::durable::manifest;
use crate::durable::segments::{Kind, kind_of};
use crate::epoch::Epoch;

impl History {
    /// The run ends well: everything is synced, and the manifest says so.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.said == Said::Clean || self.has_remains || self.is_erased {
            return Ok(());
        }
        for number in 0..self.segments.len() {
            self.sync_segment(number)?;
        }
        self.is_unsynced = false;
        self.tell_end()?;
        self.sync_tip()?;
        if self.has_failed_sync {
            return Ok(());
        }
        self.write_manifest(true, true)?;
        self.said = Said::Clean;
        Ok(())
    }

    /// Begin another history in place of this one; an error means that this one goes on. Whether all files of this one went:
    /// what is left of them is nothing, and the next start removes it.
    pub fn rotate(&mut self, epoch: Epoch) -> io::Result<bool> {
        self.check_is_ours()?;
        let former = std::mem::replace(&mut self.epoch, epoch);
        let segments = std::mem::take(&mut self.segments);
        let head = std::mem::take(&mut self.head);
        // In one step the old history is over: files of another epoch than the manifest's are nothing.
        if let Err(error) = self.write_manifest(false, true) {
            (self.epoch, self.segments, self.head) = (former, segments, head);
            // It may have been replaced all the same: the next write says again which history this is.
            self.said = Said::Left;
            return Err(error);
        }
        (self.file, self.tip) = (None, None);
        self.keys = None;
        self.latest_ts = f64::NEG_INFINITY;
        self.said = Said::Left;
        (self.has_remains, self.must_roll) = (false, false);
        (self.is_unsynced, self.forgotten) = (false, 0);
        Ok(remove_files(self.disk(), &self.dir).is_ok())
    }

    /// The channel is forgotten, and its files with it; whatever becomes of them, nothing is written by this history any more.
    pub fn erase(&mut self) -> io::Result<()> {
        self.check_is_ours()?;
        self.is_erased = true;
        (self.file, self.tip) = (None, None);
        self.segments.clear();
        carry::remove_siblings(self.disk(), &self.dir)?;
        // Without its manifest the rest is nothing.
        remove_if_there(self.disk(), &self.dir.join(manifest::FILE))?;
        remove_files(self.disk(), &self.dir)?;
        self.disk().remove_dir(&self.dir)
    }
}

/// Remove the files of a directory that are ours, save the manifest, up to the first one that cannot be.
fn remove_files(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for name in disk.list(dir)? {
        if kind_of(&name) != Kind::Other {
            disk.remove(&dir.join(name))?;
        }
    }
    Ok(())
}
