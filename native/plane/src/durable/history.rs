//! The files of one channel while they are written: segments that grow, roll and go, under one epoch.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::durable::disk::{Disk, File};
use crate::durable::manifest::Manifest;
use crate::durable::options::{Kept, Options};
use crate::durable::record::Encoded;
use crate::durable::segments::{Head, Segment, segment_name};
use crate::durable::sync::Fsync;
use crate::durable::tip::{Place, Tip};
use crate::epoch::Epoch;

/// A file that is written and removed, to see whether that can be done; named as what was not finished, so that a start removes
/// what a kill left of it.
const PROBE: &str = "probe.new";

/// What could not be written, and whether it may be there all the same.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: io::Error,
    /// It may be found after a restart.
    pub is_uncertain: bool,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            is_uncertain: false,
        }
    }
}

/// What the manifest on disk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Everything was synced.
    Clean,
    /// Something was written, perhaps by another run.
    Left,
    /// This run writes.
    Writing,
}

/// The files of one channel.
#[allow(
    clippy::struct_excessive_bools,
    reason = "what is known of them is independent"
)]
#[derive(Debug)]
pub struct History {
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) channel: Arc<str>,
    pub(super) epoch: Epoch,
    pub(super) kept: Kept,
    pub(super) segments: VecDeque<Segment>,
    pub(super) keys: Option<u64>,
    pub(super) head: u64,
    pub(super) latest_ts: f64,
    /// Of the last segment, once something was written to it.
    pub(super) file: Option<Box<dyn File>>,
    pub(super) tip: Option<Tip>,
    pub(super) said: Said,
    /// A write failed and what it left could not be cut off yet.
    pub(super) has_remains: bool,
    /// A segment that was begun in vain may still be there: nothing is written before another one is in its place.
    pub(super) must_roll: bool,
    pub(super) is_unsynced: bool,
    /// Something was written since it was asked to rest.
    pub(super) is_busy: bool,
    /// A sync failed: what the disk has since then is anybody's guess, and is not called clean any more.
    pub(super) has_failed_sync: bool,
    /// The channel was forgotten: its directory may be that of another history already.
    pub(super) is_erased: bool,
    /// Of keys up to this offset, which is before the first segment, the newest record of some may not be there.
    pub(super) forgotten: u64,
}

impl History {
    /// A history without an entry, of which nothing is written yet.
    pub(super) fn new(
        options: Options,
        dir: PathBuf,
        channel: Arc<str>,
        epoch: Epoch,
        kept: Kept,
    ) -> Self {
        Self {
            options,
            dir,
            channel,
            epoch,
            kept,
            segments: VecDeque::new(),
            keys: None,
            head: 0,
            latest_ts: f64::NEG_INFINITY,
            file: None,
            tip: None,
            said: Said::Left,
            has_remains: false,
            must_roll: false,
            is_unsynced: false,
            is_busy: false,
            has_failed_sync: false,
            is_erased: false,
            forgotten: 0,
        }
    }

    /// A new history without an entry; its manifest is written, so that its epoch survives a kill.
    pub fn begin(
        options: Options,
        dir: PathBuf,
        channel: &str,
        epoch: Epoch,
        kept: Kept,
    ) -> io::Result<Self> {
        options.disk.make_dir(&dir)?;
        let history = Self::new(options, dir, channel.into(), epoch, kept);
        history.write_manifest(false, false)?;
        Ok(history)
    }

    /// Whether so many bytes could be written now: they are, beside the log, and go at once.
    pub fn can_take(&self, bytes: usize) -> io::Result<()> {
        if self.is_erased {
            return Ok(());
        }
        let (disk, path) = (&self.options.disk, self.dir.join(PROBE));
        let mut file = disk.create(&path)?;
        let written = file.append(&vec![0; bytes]).and_then(|()| file.sync());
        drop(file);
        disk.remove(&path)?;
        written
    }

    /// The channel was forgotten.
    pub fn is_erased(&self) -> bool {
        self.is_erased
    }

    /// Name of the history.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Offset of the newest record.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.options.disk
    }

    pub(super) fn path(&self, base: u64) -> PathBuf {
        self.dir.join(segment_name(base))
    }

    pub(super) fn write_manifest(&self, is_clean: bool, sync: bool) -> io::Result<()> {
        Manifest {
            channel: Arc::clone(&self.channel),
            epoch: self.epoch.as_str().into(),
            boot: Arc::clone(&self.options.boot),
            is_clean,
            fsync: self.options.fsync,
            has_begun: !self.segments.is_empty(),
            head: self.head,
        }
        .write(self.disk(), &self.dir, sync)
    }

    /// Write records, whose first has the offset after the head. Afterwards all of them are there, or none is, unless the
    /// failure says that this is uncertain.
    pub fn append(&mut self, encoded: &Encoded) -> Result<(), Failure> {
        self.prepare()?;
        let size = encoded.bytes.len() as u64;
        let good = self.segments.back().map_or(0, |last| last.bytes);
        let Some(file) = &mut self.file else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        let written = file.append(&encoded.bytes).map_err(|error| (error, false));
        // What a failed sync has left on the disk itself is anybody's guess.
        let always = self.options.fsync == Fsync::Always;
        let synced = written.and_then(|()| {
            if always {
                file.sync().map_err(|error| (error, true))
            } else {
                Ok(())
            }
        });
        // Not before the sync: after a loss of power it must not tell of more than there is.
        let told = synced.and_then(|()| {
            self.tell(self.end_after(encoded))
                .map_err(|error| (error, always))
        });
        if let Err((error, is_uncertain)) = told {
            self.has_failed_sync |= is_uncertain;
            let cut = self.file.as_mut().map(|file| file.cut(good));
            self.has_remains = !matches!(cut, Some(Ok(())));
            return Err(Failure {
                error,
                is_uncertain: is_uncertain || self.has_remains,
            });
        }
        self.is_unsynced = !always;
        self.is_busy = true;
        self.head += encoded.count;
        self.latest_ts = self.latest_ts.max(encoded.latest_ts);
        if let Some(last) = self.segments.back_mut() {
            last.bytes += size;
            last.is_synced = always;
            last.latest_ts = self.latest_ts;
            last.has_marks |= encoded.has_marks;
        }
        Ok(())
    }

    /// Everything that has to be so before a record is written.
    fn prepare(&mut self) -> io::Result<()> {
        self.check_is_ours()?;
        if self.segments.is_empty() {
            self.add_segment()?;
        } else if self.file.is_none() {
            let last = self.segments.back().map_or(1, |last| last.base);
            self.file = Some(self.disk().open(&self.path(last))?);
        }
        if self.has_remains {
            let good = self.segments.back().map_or(0, |last| last.bytes);
            if let Some(file) = &mut self.file {
                file.cut(good)?;
            }
            self.has_remains = false;
        }
        self.tell_end()?;
        self.announce()?;
        let is_full = |last: &Segment| last.bytes >= self.options.segment_bytes;
        if self.must_roll || self.segments.back().is_some_and(is_full) {
            self.roll()?;
        }
        Ok(())
    }

    pub(super) fn check_is_ours(&self) -> io::Result<()> {
        let erased = || io::Error::other("the channel was forgotten");
        if self.is_erased {
            Err(erased())
        } else {
            Ok(())
        }
    }

    /// Where the history ends, unless nothing was begun.
    fn end(&self) -> Option<Place> {
        self.segments.back().map(|last| Place {
            base: last.base,
            bytes: last.bytes,
            head: self.head,
        })
    }

    fn end_after(&self, encoded: &Encoded) -> Option<Place> {
        self.end().map(|end| Place {
            bytes: end.bytes + encoded.bytes.len() as u64,
            head: end.head + encoded.count,
            ..end
        })
    }

    /// Before a manifest that knows of a segment, before the last of the tip goes, before anybody sees more than it says.
    pub(super) fn tell_end(&mut self) -> io::Result<()> {
        self.tell(self.end())
    }

    fn tell(&mut self, end: Option<Place>) -> io::Result<()> {
        let Some(end) = end else {
            return Ok(());
        };
        let disk = &*self.options.disk;
        if let Some(tip) = &mut self.tip {
            return tip.say(disk, self.epoch.as_str(), end);
        }
        self.tip = Some(Tip::create(disk, &self.dir, self.epoch.as_str(), end)?);
        Ok(())
    }

    /// Synced under every policy: that this boot has written here must be known to the next one.
    pub(super) fn announce(&mut self) -> io::Result<()> {
        if self.said != Said::Writing {
            self.write_manifest(false, true)?;
            // Else the directory itself may be gone, and all of this with it.
            if let Some(parent) = self.dir.parent() {
                self.disk().sync_dir(parent)?;
            }
            self.said = Said::Writing;
        }
        Ok(())
    }

    /// The first frame of a file.
    pub(super) fn head_of(&self, number: u64) -> Head {
        Head {
            epoch: self.epoch.as_str().into(),
            number,
            latest_ts: self.latest_ts,
            newest: None,
        }
    }
}
