//! How far a history goes at the least: one small file beside its segments, written after each batch and before its entries
//! are shown.
//!
//! It tells a write that was cut short, of which nobody has seen anything, from a file that was cut or removed later. A kill
//! leaves it as it was written last; after a loss of power it may be older, or not there.
//!
//! It also says when it came into being, which a copy of it cannot: files that were put back may be older than what somebody
//! has seen. Where the file system does not tell that, or keeps it in a snapshot, they are taken for what they say.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable::disk::{Disk, File};
use crate::durable::frame::{self, Fields, Found, put_counted};

/// Its name.
pub const FILE: &str = "tip";

/// In place of a time at which a file came into being: nothing tells it.
pub const UNKNOWN: u64 = 0;

/// The end of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of the first record of the newest segment, by its name.
    pub base: u64,
    /// Bytes in that segment.
    pub bytes: u64,
    /// Offset of the newest record.
    pub head: u64,
}

/// The file, which is there.
#[derive(Debug)]
pub struct Tip {
    path: PathBuf,
    born: u64,
    /// Once it was written on.
    file: Option<Box<dyn File>>,
    /// What it says; unknown after a write that failed.
    said: Option<Place>,
}

impl Tip {
    /// A new one, in place of that of any former history.
    pub fn create(disk: &dyn Disk, dir: &Path, epoch: &str, place: Place) -> io::Result<Self> {
        let path = dir.join(FILE);
        let mut file = disk.create(&path)?;
        let born = disk.born(&path)?;
        file.append(&place.encode(epoch, born))?;
        Ok(Self {
            path,
            born,
            file: None,
            said: Some(place),
        })
    }

    /// The tip of the history `epoch` in `dir`, and whether it is the file that was written; `None` if there is none that can
    /// be read.
    pub fn read(
        disk: &dyn Disk,
        dir: &Path,
        epoch: &str,
    ) -> io::Result<Option<(Self, Place, bool)>> {
        let path = dir.join(FILE);
        let bytes = match disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let Some((place, told)) = Place::decode(&bytes, epoch) else {
            return Ok(None);
        };
        let born = disk.born(&path)?;
        let is_original = told == UNKNOWN || told == born;
        let tip = Self {
            path,
            born,
            file: None,
            said: Some(place),
        };
        Ok(Some((tip, place, is_original)))
    }

    /// Say `place`, if it does not yet.
    pub fn say(&mut self, disk: &dyn Disk, epoch: &str, place: Place) -> io::Result<()> {
        if self.said == Some(place) {
            return Ok(());
        }
        self.said = None;
        let bytes = place.encode(epoch, self.born);
        self.open(disk)?.overwrite(&bytes)?;
        self.said = Some(place);
        Ok(())
    }

    /// Return when what it says would survive a loss of power.
    pub fn sync(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.open(disk)?.sync()
    }

    /// Keep no descriptor until it is written again.
    pub fn rest(&mut self) {
        self.file = None;
    }

    fn open(&mut self, disk: &dyn Disk) -> io::Result<&mut Box<dyn File>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => disk.open_fixed(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

impl Place {
    /// Of the same length for every place of one history, so that it is overwritten in one call.
    fn encode(self, epoch: &str, born: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, |out| {
            for number in [self.base, self.bytes, self.head] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            put_counted(out, epoch.as_bytes());
            out.extend_from_slice(&born.to_le_bytes());
        });
        bytes
    }

    /// With when the file came into being.
    fn decode(bytes: &[u8], epoch: &str) -> Option<(Self, u64)> {
        let Found::Body(body, end) = frame::read(bytes, 0) else {
            return None;
        };
        let mut fields = Fields(body);
        let place = Self {
            base: fields.number()?,
            bytes: fields.number()?,
            head: fields.number()?,
        };
        let is_ours = end == bytes.len() && fields.text()? == epoch;
        // Those of earlier versions do not say it.
        is_ours.then(|| (place, fields.number().unwrap_or(UNKNOWN)))
    }
}
