//! The thread between appends and the disk, on a real directory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::batch::Event;
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::log::Retention;
use crate::logs::LogId;
use crate::plane::Plane;
use crate::settings::Settings;

pub const KEPT: Retention = Retention {
    seconds: 1e9,
    max_bytes: 1 << 20,
    max_entries: 1_000,
    last_per_key: None,
};

pub const PATIENCE: Duration = Duration::from_secs(10);

/// A directory that is gone at the end of the test.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ng-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn plane(directory: &Path) -> Plane {
    let settings = Settings {
        data_dir: Some(directory.to_owned()),
        ..Settings::default()
    };
    let plane = Plane::new(settings).unwrap();
    plane.start().unwrap();
    plane
}

pub fn append(plane: &Plane, log: LogId, count: usize) -> u64 {
    let entry = NewEntry {
        event: "e".into(),
        data: b"1"[..].into(),
        ..NewEntry::default()
    };
    let appended = plane.append(log, vec![entry; count], 1.0, Vec::new());
    appended.unwrap().first_offset
}

/// Epoch and head of a log.
fn place(plane: &Plane, log: LogId) -> (Epoch, u64) {
    let channel = plane.logs().find(log).unwrap();
    let log = channel.log();
    (log.epoch().clone(), log.head())
}

/// Epoch and head of the log as the next plane finds it.
fn found(directory: &Directory) -> (Epoch, u64) {
    let after = plane(&directory.0);
    let log = after.open_durable_log("room", KEPT).unwrap();
    let found = place(&after, log);
    assert!(after.stop(PATIENCE));
    found
}

/// What the plane tells until `wanted` of it has come.
pub fn told(plane: &Plane, wanted: usize) -> Vec<String> {
    let mut all = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while all.len() < wanted {
        assert!(Instant::now() < deadline, "{all:?}");
        let taken = plane.inbox().take(10);
        for (batch, range) in &taken {
            let events = batch.events(range.clone()).iter();
            all.extend(events.map(|(_, event)| match event {
                Event::Stored { epoch, offset, .. } => epoch.position(*offset).to_string(),
                Event::StoreFailed { first, .. } => format!("failed {first}"),
                other => panic!("{other:?}"),
            }));
        }
        plane.inbox().give_back(taken);
        std::thread::yield_now();
    }
    all
}

/// P1: places follow the order of the calls, one event tells of all that was written together, and a clean end keeps it.
#[test]
fn what_waits_is_written_together_and_told_once() {
    let directory = Directory::new("together");
    let before = plane(&directory.0);
    let log = before.open_durable_log("room", KEPT).unwrap();
    assert_eq!(
        [1, 3, 4],
        [2, 1, 2].map(|count| append(&before, log, count))
    );
    let (epoch, _) = place(&before, log);
    before.flush();
    assert_eq!(vec![epoch.position(5).to_string()], told(&before, 1));
    // Not flushed: the end writes it all the same.
    append(&before, log, 1);
    assert!(before.stop(PATIENCE));
    assert_eq!((epoch, 6), found(&directory));
}

/// P10: another history begins on disk and in memory together; what waited for the old one is told gone, and places begin
/// anew.
#[test]
fn a_rotation_refuses_what_waits_and_begins_anew() {
    let directory = Directory::new("rotation");
    let before = plane(&directory.0);
    let log = before.open_durable_log("room", KEPT).unwrap();
    append(&before, log, 2);
    before.flush();
    told(&before, 1);
    append(&before, log, 3);
    let channel = before.logs().find(log).unwrap();
    let epoch = Epoch::named("next");
    let renew = |epoch| *channel.log() = crate::log::Log::new("room", epoch, KEPT);
    before.rotate_store(&channel, epoch.clone(), renew).unwrap();
    assert_eq!(vec!["failed 3"], told(&before, 1));
    assert_eq!(1, append(&before, log, 1));
    before.flush();
    assert_eq!(vec!["next:1"], told(&before, 1));
    assert!(before.stop(PATIENCE));
    assert_eq!((epoch, 1), found(&directory));
}

/// A log that is closed while something waits for it tells that it is gone, and leaves no file.
#[test]
fn a_closed_log_writes_nothing_more() {
    let directory = Directory::new("closed");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    append(&plane, log, 1);
    plane.close_log(log).unwrap();
    plane.flush();
    assert_eq!(vec!["failed 1"], told(&plane, 1));
    assert!(plane.durable_channels().unwrap().is_empty());
    assert!(plane.stop(PATIENCE));
}

/// P10: a rotation that cannot remove a former file has happened all the same: what comes then is stored and told, and the
/// rest is counted.
#[test]
fn a_rotation_that_cannot_clean_up_goes_on() {
    let directory = Directory::new("leftover");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    append(&plane, log, 1);
    plane.flush();
    told(&plane, 1);
    // A directory cannot be removed as a file is.
    let stuck = directory.0.join("logs/room/00000000000000000900.log");
    std::fs::create_dir(&stuck).unwrap();
    plane.rotate_log(log).unwrap();
    assert_eq!(1, append(&plane, log, 1));
    plane.flush();
    let (epoch, _) = place(&plane, log);
    assert_eq!(vec![epoch.position(1).to_string()], told(&plane, 1));
    assert_eq!((epoch.clone(), 1), place(&plane, log));
    assert_eq!(1, plane.durable_figures().unwrap().0.leftovers.get());
    assert!(plane.stop(PATIENCE));
    // The next start cannot remove it either, and goes on all the same.
    assert_eq!((epoch, 1), found(&directory));
    assert!(stuck.exists());
}

/// An end that has no time left writes what waits, and leaves it as a kill would: the next start finds all of it.
#[test]
fn an_end_without_time_syncs_nothing_and_loses_nothing() {
    let directory = Directory::new("hasty");
    let before = plane(&directory.0);
    let log = before.open_durable_log("room", KEPT).unwrap();
    append(&before, log, 2);
    let (epoch, _) = place(&before, log);
    before.stop(Duration::ZERO);
    let settings = Settings {
        data_dir: Some(directory.0.clone()),
        ..Settings::default()
    };
    let deadline = Instant::now() + PATIENCE;
    while Plane::new(settings.clone()).is_err() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(1, before.durable_figures().unwrap().0.unfinished.get());
    assert_eq!((epoch, 2), found(&directory));
}

/// Entries whose place is not the next one of their history are told as failed, and what comes then gets the right place.
#[test]
fn a_wrong_place_is_told() {
    let directory = Directory::new("place");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    let channel = plane.logs().find(log).unwrap();
    let durable = channel.durable.as_ref().unwrap();
    durable.placed.store(7, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(8, append(&plane, log, 2));
    plane.flush();
    assert_eq!(vec!["failed 8"], told(&plane, 1));
    assert_eq!(1, append(&plane, log, 1));
    plane.flush();
    let (epoch, _) = place(&plane, log);
    assert_eq!(vec![epoch.position(1).to_string()], told(&plane, 1));
    assert!(plane.stop(PATIENCE));
}
