//! What a `last_per_key` channel keeps of segments that go: the newest record of each key.

use std::io;
use std::path::PathBuf;

use crate::durable::disk::Disk;
use crate::durable::record::{self, Read, Record};
use crate::durable::segments::Head;

/// The records of `sources` (older first) whose offsets are in `wanted` (ascending), as a file that begins with `head`.
pub fn gather(
    disk: &dyn Disk,
    sources: &[PathBuf],
    head: &Head,
    wanted: &[u64],
) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    head.write(&mut out);
    let mut last = 0;
    for source in sources {
        let bytes = disk.read(source)?;
        let (_, mut at) = Head::read(&bytes).map_err(|_| damaged(source))?;
        loop {
            match record::read(&bytes, at) {
                Read::Record(record, next) => {
                    if record.offset > last && wanted.binary_search(&record.offset).is_ok() {
                        last = record.offset;
                        out.extend_from_slice(bytes.get(at..next).unwrap_or_default());
                    }
                    at = next;
                }
                Read::End => break,
                Read::Torn | Read::Bad => return Err(damaged(source)),
            }
        }
    }
    Ok(out)
}

fn damaged(path: &std::path::Path) -> io::Error {
    let text = format!("{} is damaged", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The records of a file of newest records, and whether those of some keys are lacking; `None` if it is not what was written
/// for `epoch` and `upto`.
pub fn read(bytes: &[u8], epoch: &str, upto: u64) -> Option<(Vec<Record>, bool)> {
    let (head, mut at) = Head::read(bytes).ok()?;
    if &*head.epoch != epoch || head.number != upto {
        return None;
    }
    let mut records: Vec<Record> = Vec::new();
    loop {
        match record::read(bytes, at) {
            Read::Record(record, next) => {
                let last = records.last().map_or(0, |record| record.offset);
                if record.offset <= last || record.offset > upto {
                    return None;
                }
                records.push(*record);
                at = next;
            }
            Read::End => return Some((records, head.lacks_keys)),
            Read::Torn | Read::Bad => return None,
        }
    }
}
