//! What a `last_per_key` channel keeps of segments that go: the newest record of each key.

use std::io;
use std::path::PathBuf;

use crate::durable::disk::Disk;
use crate::durable::record::{End, Record, Records};
use crate::durable::segments::{Head, Newest};

/// What a channel knows of its keys.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Offsets of the newest entries, ascending.
    pub offsets: Vec<u64>,
    /// The last entry that went without a successor: the newest ones of keys up to it may be lacking.
    pub forgotten: u64,
}

/// A file of newest records.
#[derive(Debug)]
pub struct Gathered {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The newest records of keys up to this offset may be lacking in it.
    pub forgotten: u64,
    /// Sources that were not whole: what could be read of them is in it.
    pub damaged: Vec<PathBuf>,
}

/// The records of `sources` (older first) that are known as newest ones, as a file that begins with `head`. A source that is
/// missing counts as damaged: it will not come back.
pub fn gather(
    disk: &dyn Disk,
    sources: &[PathBuf],
    head: &Head,
    known: &Known,
) -> io::Result<Gathered> {
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    let (mut last, mut count) = (0, 0);
    for source in sources {
        let mut is_whole = false;
        let bytes = match disk.read(source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if let Ok((_, start)) = Head::read(&bytes) {
            let (mut all, mut at) = (Records::new(&bytes, start), start);
            for (record, next) in all.by_ref() {
                if record.offset > last && known.offsets.binary_search(&record.offset).is_ok() {
                    (last, count) = (record.offset, count + 1);
                    records.extend_from_slice(bytes.get(at..next).unwrap_or_default());
                }
                at = next;
            }
            is_whole = all.end() == End::Whole;
        }
        if !is_whole {
            damaged.push(source.clone());
        }
    }
    let is_whole = damaged.is_empty();
    let forgotten = known.forgotten.max(if is_whole { 0 } else { head.number });
    let newest = Newest {
        forgotten,
        count: Some(count),
    };
    let mut bytes = Vec::new();
    let head = Head {
        newest: Some(newest),
        ..head.clone()
    };
    head.write(&mut bytes);
    bytes.append(&mut records);
    Ok(Gathered {
        bytes,
        forgotten,
        damaged,
    })
}

/// The records of a file of newest records, and up to where those of some keys may be lacking; `None` if it is not what was
/// written for `epoch` and `upto`.
pub fn read(bytes: &[u8], epoch: &str, upto: u64) -> Option<(Vec<Record>, u64)> {
    let (head, at) = Head::read(bytes).ok()?;
    if &*head.epoch != epoch || head.number != upto {
        return None;
    }
    let mut records: Vec<Record> = Vec::new();
    let mut all = Records::new(bytes, at);
    for (record, _) in all.by_ref() {
        let last = records.last().map_or(0, |record| record.offset);
        if record.offset <= last || record.offset > upto {
            return None;
        }
        records.push(*record);
    }
    let newest = head.newest.unwrap_or_default();
    let is_all = newest
        .count
        .is_none_or(|count| count == records.len() as u64);
    (is_all && all.end() == End::Whole).then_some((records, newest.forgotten))
}
