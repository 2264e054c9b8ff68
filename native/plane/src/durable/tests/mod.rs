//! The promise under every kind of end: kill, loss of power, torn tails, changed bits, full disks.

#![allow(clippy::unwrap_used, clippy::panic)]

mod apart;
mod carrying;
mod crashes;
mod damage;
mod disk;
mod foreign;
mod model;
mod order;
mod retention;
mod rolls;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::durable::disk::Disk;
use crate::durable::history::History;
use crate::durable::options::{Kept, Options};
use crate::durable::record::{self, Encoded, Record};
use crate::durable::recovery::{self, Past};
use crate::durable::sync::Fsync;
use crate::durable::tests::disk::Memory;
use crate::entry::NewEntry;
use crate::epoch::Epoch;

/// Small, so that every few records begin another segment.
const SEGMENT: u64 = 300;

const KEPT: Kept = Kept {
    seconds: 1e9,
    bytes: 1 << 40,
    per_key: false,
};

const INTERVAL: Fsync = Fsync::Interval(Duration::from_secs(1));

fn options(disk: &Memory, fsync: Fsync, boot: &str) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        boot: boot.into(),
        fsync,
        segment_bytes: SEGMENT,
    }
}

fn dir() -> PathBuf {
    PathBuf::from("/data/logs/room")
}

fn open(disk: &Memory, fsync: Fsync, boot: &str, fresh: &str, kept: Kept) -> Past {
    let options = options(disk, fsync, boot);
    recovery::open(options, &dir(), "room", kept, Epoch::named(fresh)).unwrap()
}

/// What an entry under an epoch and offset is, so that another one under the same place is seen.
fn entry(epoch: &str, offset: u64, salt: u8) -> NewEntry {
    NewEntry {
        event: "e".into(),
        key: Some(format!("k{}", offset % 3).into()),
        data: format!("\"{epoch}:{offset}:{salt}\"").as_bytes().into(),
        ..NewEntry::default()
    }
}

/// A batch of `count` entries after the head.
fn batch(history: &History, count: u64, ts: f64, salt: u8) -> (Encoded, Vec<(u64, NewEntry)>) {
    let mut encoded = Encoded {
        latest_ts: ts,
        count,
        ..Encoded::default()
    };
    let mut entries = Vec::new();
    for number in 0..count {
        let offset = history.head() + 1 + number;
        let entry = entry(history.epoch().as_str(), offset, salt);
        record::write(&mut encoded.bytes, offset, ts, &entry, None, number == 0);
        entries.push((offset, entry));
    }
    (encoded, entries)
}

fn contents(records: &[Record]) -> Vec<(u64, Vec<u8>)> {
    let parts = records.iter();
    parts
        .map(|one| (one.offset, one.entry.data.to_vec()))
        .collect()
}

/// Everything that stands in the directory, as one text.
fn files(disk: &Memory) -> Vec<String> {
    let mut names = disk.list(&dir()).unwrap();
    names.sort();
    names
}
