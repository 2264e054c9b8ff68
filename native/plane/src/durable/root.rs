//! The data directory: one hub at a time, and a directory for each channel in it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::durable::apart;
use crate::durable::carry::NEXT;
use crate::durable::disk::{Disk as _, System};
use crate::durable::manifest::Manifest;
use crate::durable::names;
use crate::durable::options::{Kept, Options};
use crate::durable::recovery::{self, Past};
use crate::durable::sync::Fsync;
use crate::epoch::Epoch;
use crate::error::PlaneError;

const LOCK: &str = "lock";
const LOGS: &str = "logs";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A data directory that is ours until it is released.
#[derive(Debug)]
pub struct Root {
    logs: PathBuf,
    options: Options,
    lock: Mutex<Option<fs::File>>,
}

impl Root {
    /// Take the directory, which is made if it is not there.
    pub fn open(dir: &Path, fsync: Fsync, segment_bytes: u64) -> Result<Self, PlaneError> {
        let refused = |error: io::Error| PlaneError::Data(dir.to_owned(), error.to_string());
        let logs = dir.join(LOGS);
        make_dirs(&logs).map_err(refused)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(dir.join(LOCK)).map_err(refused)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| PlaneError::Data(dir.to_owned(), refusal(error)))?;
        Ok(Self {
            logs,
            options: Options {
                disk: Arc::new(System),
                boot: boot_id()?.into(),
                fsync,
                segment_bytes,
            },
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Everything is written: let another hub have it.
    pub fn release(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Channels that have a directory.
    pub fn channels(&self) -> io::Result<Vec<String>> {
        let names = System.list(&self.logs)?;
        // One that a start was killed at putting into its place counts as well.
        let directories = names
            .iter()
            .map(|name| name.strip_suffix(NEXT).unwrap_or(name));
        let channels: BTreeSet<String> = directories.filter_map(names::decode).collect();
        Ok(channels.into_iter().collect())
    }

    /// Whether the files of a channel are ours to read: an error if they are of another version or channel. Reads no entry and
    /// changes nothing; what is damaged is the recovery's to judge.
    pub fn check(&self, channel: &str) -> Result<(), PlaneError> {
        let dir = self.logs.join(names::encode(channel));
        let checked = match Manifest::read(&System, &dir) {
            Ok(Some(manifest)) => manifest.check_channel(channel),
            Ok(None) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(()),
            Err(error) => Err(error),
        };
        checked.map_err(|error| PlaneError::Data(dir, error.to_string()))
    }

    /// The channel is not kept now, whatever is there of it: that history is over.
    pub fn leave(&self, channel: &str) -> Result<(), PlaneError> {
        let dir = self.logs.join(names::encode(channel));
        apart::leave(&System, &dir).map_err(|error| PlaneError::Data(dir, error.to_string()))
    }

    /// Open the history of a channel.
    pub fn history(&self, channel: &str, kept: Kept) -> Result<Past, PlaneError> {
        let dir = self.logs.join(names::encode(channel));
        let fresh = Epoch::random()?;
        recovery::open(self.options.clone(), &dir, channel, kept, fresh)
            .map_err(|error| PlaneError::Data(dir, error.to_string()))
    }
}

/// A directory and those above it; what is made survives a loss of power.
fn make_dirs(dir: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(dir)?;
    for made in missing {
        let parent = made
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        System.sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Why the lock was not given.
fn refusal(error: Errno) -> String {
    match error {
        Errno::WOULDBLOCK => "another hub works with it".into(),
        other => format!("it cannot be locked: {other}"),
    }
}

/// The name of this boot of the machine; where it has none, one that is never met again, so that nothing is trusted wrongly.
fn boot_id() -> io::Result<String> {
    match fs::read_to_string(BOOT_ID) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Ok(Epoch::random()?.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only who holds the lock is another hub; a file system without locks says so itself.
    #[test]
    fn a_lock_that_fails_says_why() {
        assert_eq!("another hub works with it", refusal(Errno::WOULDBLOCK));
        assert!(refusal(Errno::NOLCK).starts_with("it cannot be locked: "));
    }
}
