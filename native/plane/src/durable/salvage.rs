//! What is whole of a history that cannot go on: its records up to the first thing that is not as it was written.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::durable::disk::Disk;
use crate::durable::keys;
use crate::durable::manifest::Manifest;
use crate::durable::record::{End, Record, Records};
use crate::durable::segments::{Head, Kind, keys_names, kind_of, segment_name};

/// What is left of a history.
#[derive(Debug)]
pub struct Salvaged {
    /// In the order of their offsets: newest records of keys from before the first segment, then consecutive ones.
    pub records: Vec<Record>,
    /// The largest `ts` of records that had gone before.
    pub lost_ts: f64,
    /// Nothing was left out but the end of the last segment.
    pub is_whole: bool,
}

/// Files of `dir` by what their names say, ascending.
#[derive(Default)]
struct Names {
    segments: BTreeSet<u64>,
    keys: BTreeSet<u64>,
}

/// Read what is whole in `dir`; nothing is changed there.
pub fn salvage(disk: &dyn Disk, dir: &Path, per_key: bool) -> io::Result<Salvaged> {
    let mut names = Names::default();
    for name in disk.list(dir)? {
        match kind_of(&name) {
            Kind::Segment(base) => names.segments.insert(base),
            Kind::Keys(upto) => names.keys.insert(upto),
            Kind::Tip | Kind::Fresh | Kind::Other => false,
        };
    }
    let mut salvaged = Salvaged {
        records: Vec::new(),
        lost_ts: f64::NEG_INFINITY,
        is_whole: true,
    };
    let Some(epoch) = epoch_of(disk, dir, &names)? else {
        salvaged.is_whole = names.segments.is_empty();
        return Ok(salvaged);
    };
    let first = salvaged.take_segments(disk, dir, &epoch, &names)?;
    if let Some(upto) = names.keys.last().filter(|_| per_key) {
        salvaged.take_keys(disk, dir, &epoch, *upto, first)?;
    }
    Ok(salvaged)
}

/// The history that the manifest names; where that is lost, the one that all segments belong to, if it is one.
fn epoch_of(disk: &dyn Disk, dir: &Path, names: &Names) -> io::Result<Option<Box<str>>> {
    match Manifest::read(disk, dir) {
        Ok(Some(manifest)) => return Ok(Some((&*manifest.epoch).into())),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        Ok(None) | Err(_) => {}
    }
    let mut epochs = BTreeSet::new();
    for base in &names.segments {
        if let Ok((head, _)) = Head::read(&disk.read(&dir.join(segment_name(*base)))?) {
            epochs.insert(head.epoch);
        }
    }
    Ok(epochs.pop_first().filter(|_| epochs.is_empty()))
}

impl Salvaged {
    /// The offset of the first record that a segment of the history begins with.
    fn take_segments(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        epoch: &str,
        names: &Names,
    ) -> io::Result<Option<u64>> {
        let (mut first, mut next) = (None, None);
        for base in &names.segments {
            let is_last = names.segments.last() == Some(base);
            let bytes = disk.read(&dir.join(segment_name(*base)))?;
            let start = match Head::read(&bytes) {
                Ok((head, _)) if &*head.epoch != epoch => continue,
                Ok((head, start))
                    if head.number == *base && next.is_none_or(|next| next == *base) =>
                {
                    if first.is_none() {
                        self.lost_ts = head.latest_ts;
                    }
                    start
                }
                _ => {
                    self.is_whole = is_last;
                    break;
                }
            };
            first.get_or_insert(*base);
            let (after, end) = self.take_records(&bytes, start, *base);
            next = Some(after);
            if end != End::Whole {
                self.is_whole = is_last;
                break;
            }
        }
        Ok(first)
    }

    /// The offset after the last record that belongs there, and how they end.
    fn take_records(&mut self, bytes: &[u8], start: usize, base: u64) -> (u64, End) {
        let (mut all, mut next) = (Records::new(bytes, start), base);
        for (record, _) in all.by_ref() {
            if record.offset != next {
                return (next, End::Bad);
            }
            next += 1;
            self.records.push(*record);
        }
        (next, all.end())
    }

    fn take_keys(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        epoch: &str,
        upto: u64,
        first: Option<u64>,
    ) -> io::Result<()> {
        let bytes = disk.read(&dir.join(keys_names(upto).0))?;
        let Some((mut keyed, _)) = keys::read(&bytes, epoch, upto) else {
            self.is_whole = false;
            return Ok(());
        };
        keyed.retain(|record| first.is_none_or(|first| record.offset < first));
        keyed.append(&mut self.records);
        self.records = keyed;
        Ok(())
    }
}
