//! A channel whose history is there, and which the hub does not keep now: what it takes meanwhile is in no file.
//!
//! A file beside the others says so. The next history that is opened there is another one, for nobody can tell whether
//! entries were acknowledged between.

use std::io;
use std::path::Path;

use crate::durable::carry;
use crate::durable::disk::Disk;

/// Its name.
const FILE: &str = "apart";

/// Whether the names in the directory of a channel say so.
pub fn is_apart(names: &[String]) -> bool {
    names.iter().any(|name| name == FILE)
}

/// Let the history in `dir` end before it is written on; it is there after a loss of power too.
pub fn leave(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let mut names = disk.list(dir)?;
    if names.is_empty() && carry::resume(disk, dir)? {
        names = disk.list(dir)?;
    }
    if names.is_empty() || is_apart(&names) {
        return Ok(());
    }
    disk.create(&dir.join(FILE))?.sync()?;
    disk.sync_dir(dir)
}
