//! What is said of a channel's history as a whole: one small file that is replaced in one step.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::durable::disk::Disk;
use crate::durable::frame::{self, Fields, Found, put_counted};
use crate::durable::sync::Fsync;

/// Its name.
pub const FILE: &str = "manifest";
const FRESH: &str = "manifest.new";

/// Version of the format of this directory. A whole manifest of another one is no damage: it is left alone.
const VERSION: u8 = 2;

/// The oldest version that is read: its files of newest records say less.
const OLDEST: u8 = 1;

/// The manifest of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The channel, lest directories were exchanged.
    pub channel: Arc<str>,
    /// Name of the history.
    pub epoch: Arc<str>,
    /// The boot of the machine in which it was written on last.
    pub boot: Arc<str>,
    /// Everything was synced, and nothing written after that.
    pub is_clean: bool,
    /// The policy under which it was written on last.
    pub fsync: Fsync,
    /// There is at least one segment.
    pub has_begun: bool,
    /// The head, at the least.
    pub head: u64,
}

impl Manifest {
    /// Replace the manifest of `dir`; with `sync` it is there after a loss of power too.
    pub fn write(&self, disk: &dyn Disk, dir: &Path, sync: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, |out| self.put(out));
        let fresh = dir.join(FRESH);
        let mut file = disk.create(&fresh)?;
        file.append(&bytes)?;
        if sync {
            file.sync()?;
        }
        drop(file);
        disk.rename(&fresh, &dir.join(FILE))?;
        if sync {
            disk.sync_dir(dir)?;
        }
        Ok(())
    }

    /// Directories may have been exchanged by hand: an error if it is not that of `channel`.
    pub fn check_channel(&self, channel: &str) -> io::Result<()> {
        if *self.channel == *channel {
            return Ok(());
        }
        let text = format!(
            "channel {channel} was expected, its files are those of {}: move the directory back to its place, or away; nothing \
             was changed",
            self.channel
        );
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.push(u8::from(self.is_clean));
        out.push(u8::from(self.has_begun));
        out.push(self.fsync.number());
        out.extend_from_slice(&self.head.to_le_bytes());
        for text in [&self.channel, &self.epoch, &self.boot] {
            put_counted(out, text.as_bytes());
        }
    }

    /// The manifest of `dir`: `Ok(None)` if there is none, an error of kind `InvalidData` if it is not as it was written, of
    /// kind `Unsupported` if it is, and of a version that is not ours.
    pub fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match disk.read(&dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match frame::read(&bytes, 0) {
            Found::Body(body, end) if end == bytes.len() => {
                Self::parse(body).map(Some).ok_or_else(|| unsupported(body))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the manifest is not readable",
            )),
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        if !(OLDEST..=VERSION).contains(&fields.byte()?) {
            return None;
        }
        let is_clean = fields.byte()? != 0;
        let has_begun = fields.byte()? != 0;
        let fsync = Fsync::numbered(fields.byte()?)?;
        let head = fields.number()?;
        Some(Self {
            channel: fields.text()?.into(),
            epoch: fields.text()?.into(),
            boot: fields.text()?.into(),
            is_clean,
            fsync,
            has_begun,
            head,
        })
    }
}

/// What is whole and cannot be read was written by other software than this.
fn unsupported(body: &[u8]) -> io::Error {
    let version = body.first().copied().unwrap_or(0);
    let text = format!(
        "its manifest is whole and of format version {version}, this hub reads versions up to {VERSION}: start the hub that \
         wrote it, or move the directory away; nothing was changed"
    );
    io::Error::new(io::ErrorKind::Unsupported, text)
}
