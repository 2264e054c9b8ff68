//! A history that cannot go on becomes the beginning of another one: what is whole of it goes on under a fresh epoch.
//!
//! The next history is written in a directory beside the one of the channel, synced, and takes its place by two renames. Killed
//! before the first one, a start finds everything as it was; killed between them, it finishes what was begun.
//!
//! ```text
//! room            the channel's
//! room.new        the next history, until it is in its place
//! room.old        the former one, until it is removed
//! room.damaged    the former one, where not all of it could be carried over: one copy, until the next or until the channel goes
//! ```

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::disk::Disk;
use crate::durable::history::History;
use crate::durable::manifest::Manifest;
use crate::durable::options::{Kept, Options};
use crate::durable::record::{self, Encoded, Record};
use crate::durable::salvage::Salvaged;
use crate::epoch::Epoch;

/// What follows the name of the channel's directory.
pub const NEXT: &str = ".new";
const FORMER: &str = ".old";
const DAMAGED: &str = ".damaged";

/// Bytes of one write, unless segments are smaller.
const WRITE: u64 = 1 << 20;

fn sibling(dir: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(dir);
    path.push(suffix);
    path.into()
}

fn sync_above(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    dir.parent().map_or(Ok(()), |above| disk.sync_dir(above))
}

/// Finish what an earlier start was killed at; `dir` holds nothing.
pub fn resume(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    let next = sibling(dir, NEXT);
    let is_ready = matches!(Manifest::read(disk, &next), Ok(Some(manifest)) if manifest.is_clean);
    if is_ready {
        disk.rename(&next, dir)?;
        sync_above(disk, dir)?;
    }
    Ok(is_ready)
}

/// Begin the history `epoch` with what was salvaged, in place of what stands in `dir`; where `is_kept` that is kept beside it.
pub fn carry(
    options: &Options,
    dir: &Path,
    channel: &str,
    kept: Kept,
    epoch: Epoch,
    salvaged: &Salvaged,
    is_kept: bool,
) -> io::Result<()> {
    let disk = &*options.disk;
    let next = sibling(dir, NEXT);
    disk.remove_tree(&next)?;
    let mut history = History::begin(options.clone(), next.clone(), channel, epoch, kept)?;
    history.latest_ts = salvaged.lost_ts;
    write(
        &mut history,
        &salvaged.records,
        options.segment_bytes.min(WRITE),
    )?;
    history.finish()?;
    let former = sibling(dir, if is_kept { DAMAGED } else { FORMER });
    disk.remove_tree(&former)?;
    disk.rename(dir, &former)?;
    disk.rename(&next, dir)?;
    sync_above(disk, dir)?;
    if !is_kept {
        // What cannot be removed now is nothing, and goes before the next one or with the channel.
        let _ = disk.remove_tree(&former);
    }
    Ok(())
}

/// Give the records places from 1 on.
fn write(history: &mut History, records: &[Record], portion: u64) -> io::Result<()> {
    let mut encoded = Encoded::default();
    for record in records {
        let offset = history.head() + encoded.count + 1;
        let (entry, mark) = (&record.entry, record.mark.as_deref());
        let starts_batch = encoded.count == 0;
        record::write(
            &mut encoded.bytes,
            offset,
            record.ts,
            entry,
            mark,
            starts_batch,
        );
        encoded.latest_ts = if starts_batch {
            record.ts
        } else {
            encoded.latest_ts.max(record.ts)
        };
        encoded.count += 1;
        encoded.has_marks |= mark.is_some();
        if encoded.bytes.len() as u64 >= portion {
            append(history, &mut encoded)?;
        }
    }
    if encoded.count > 0 {
        append(history, &mut encoded)?;
    }
    Ok(())
}

fn append(history: &mut History, encoded: &mut Encoded) -> io::Result<()> {
    let encoded = std::mem::take(encoded);
    history.append(&encoded).map_err(|failure| failure.error)
}

/// The channel goes, and what was kept beside it.
pub fn remove_siblings(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for suffix in [NEXT, FORMER, DAMAGED] {
        disk.remove_tree(&sibling(dir, suffix))?;
    }
    Ok(())
}
