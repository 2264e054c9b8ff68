//! The few calls of the operating system that a durable log makes; tests put a disk in their place that fails and forgets.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A file that grows at its end, or is overwritten as a whole (the tip).
pub trait File: Send + Debug {
    /// Write all of it behind what is there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Write all of it in place of what the file begins with, in one call: a kill leaves the one or the other.
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Let go of what is behind `len`.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Return when what was written would survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// Directories and files.
pub trait Disk: Send + Sync + Debug {
    /// A directory, if it is not there yet.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names in a directory; none if it is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// When a file came into being, in nanoseconds of the clock of the file system; 0 where it does not tell.
    fn born(&self, path: &Path) -> io::Result<u64>;
    /// An empty file, in place of any other of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// A file that is there, to be written on at its end.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// A file that is there, to be overwritten.
    fn open_fixed(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Another name for a file or a directory, in place of any other file of that name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// A file goes.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// A directory goes with all that is in it, if it is there.
    fn remove_tree(&self, dir: &Path) -> io::Result<()>;
    /// An empty directory goes.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Return when the names of a directory would survive a loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug)]
pub struct System;

#[derive(Debug)]
struct SystemFile(fs::File);

impl File for SystemFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, 0)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for System {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn born(&self, path: &Path) -> io::Result<u64> {
        let created = fs::metadata(path)?.created();
        let since = created
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        // Not truncated by the call, which appending excludes: a former file of the name goes first.
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(SystemFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(SystemFile(
            OpenOptions::new().append(true).open(path)?,
        )))
    }

    fn open_fixed(&self, path: &Path) -> io::Result<Box<dyn File>> {
        // Where appending is asked for, Linux writes behind the end whatever place is given.
        Ok(Box::new(SystemFile(
            OpenOptions::new().write(true).open(path)?,
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_tree(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }
}

/// A file goes, unless it is gone already.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
