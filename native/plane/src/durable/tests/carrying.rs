//! What is whole of a history that cannot go on begins the next one.

use std::path::Path;

use crate::durable::disk::Disk as _;
use crate::durable::keys::Known;
use crate::durable::options::Kept;
use crate::durable::record::{self, Encoded};
use crate::durable::recovery;
use crate::durable::segments::{Kind, kind_of};
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, dir, entry, open, options};
use crate::epoch::Epoch;

/// Entries with marks, as a power loss leaves them; what was synced is there.
fn written(batches: u32) -> Memory {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot 1", "e0", KEPT).history;
    for number in 0..batches {
        let mut encoded = Encoded {
            latest_ts: f64::from(number),
            count: 1,
            has_marks: true,
            ..Encoded::default()
        };
        let offset = history.head() + 1;
        let new = entry("e0", offset, 0);
        let mark = [u8::try_from(offset).unwrap()];
        record::write(
            &mut encoded.bytes,
            offset,
            f64::from(number),
            &new,
            Some(&mark),
            true,
        );
        history.append(&encoded).unwrap();
    }
    history.sync().unwrap();
    disk.after_power_loss(true, 0, false)
}

fn is_all_there(disk: &Memory, fresh: &str, batches: u32) {
    let past = open(disk, INTERVAL, "boot 2", fresh, KEPT);
    let found: Vec<_> = past
        .recent
        .iter()
        .map(|one| {
            (
                one.offset,
                one.ts,
                one.entry.data.to_vec(),
                one.mark.clone(),
            )
        })
        .collect();
    let expected: Vec<_> = (1..=batches)
        .map(|offset| {
            let mark: Box<[u8]> = [u8::try_from(offset).unwrap()].into();
            let data = entry("e0", u64::from(offset), 0).data.to_vec();
            (u64::from(offset), f64::from(offset - 1), data, Some(mark))
        })
        .collect();
    assert_eq!(expected, found);
    assert_ne!("e0", past.history.epoch().as_str());
}

/// P10, M31: after a loss of power the entries go on under a fresh epoch, from 1, with their times and marks, and are found
/// again after the next one.
#[test]
fn a_loss_of_power_takes_no_entry_that_was_synced() {
    let disk = written(20);
    is_all_there(&disk, "e1", 20);
    is_all_there(&disk, "e2", 20);
    assert_eq!(
        "e1",
        open(&disk, INTERVAL, "boot 2", "e3", KEPT)
            .history
            .epoch()
            .as_str()
    );
    assert!(
        disk.list(Path::new("/data/logs/room.old"))
            .unwrap()
            .is_empty()
    );
}

/// A start that is killed, or loses power, at any call while it carries them over: the next one has them all.
#[test]
fn a_kill_while_they_are_carried_over_loses_none() {
    let mut over = Vec::new();
    for calls in 0..150 {
        for loses_power in [None, Some(false), Some(true)] {
            let disk = written(12);
            disk.die_after(calls, 5);
            let options = options(&disk, INTERVAL, "boot 2");
            let is_over = recovery::open(options, &dir(), "room", KEPT, Epoch::named("e1")).is_ok();
            let disk = match loses_power {
                None => disk.after_kill(),
                Some(keeps_names) => disk.after_power_loss(keeps_names, 2, false),
            };
            is_all_there(&disk, "e2", 12);
            over.push(is_over);
        }
    }
    assert!(over.contains(&true) && over.contains(&false));
}

/// What is damaged is kept beside the channel, one copy of it, until the channel goes.
#[test]
fn damaged_files_are_set_aside() {
    let disk = written(12);
    let aside = Path::new("/data/logs/room.damaged");
    // A loss of power may leave the end of the last segment in any state; a kill may not.
    let boot = "boot 1";
    for (fresh, left) in [("e1", 11), ("e2", 10)] {
        let name = super::files(&disk)
            .into_iter()
            .rfind(|name| matches!(kind_of(name), Kind::Segment(_)));
        let path = dir().join(name.unwrap());
        let mut damaged = Vec::new();
        disk.change(&path, |bytes| {
            *bytes.last_mut().unwrap() ^= 1;
            damaged = bytes.clone();
        });
        let past = open(&disk, INTERVAL, boot, fresh, KEPT);
        assert_eq!(
            (fresh, left, left, true),
            (
                past.history.epoch().as_str(),
                past.history.head(),
                past.carried,
                past.is_set_aside
            )
        );
        assert_eq!(
            damaged,
            disk.read(&aside.join(path.file_name().unwrap())).unwrap()
        );
    }
    open(&disk, INTERVAL, boot, "e3", KEPT)
        .history
        .erase()
        .unwrap();
    assert!(disk.list(aside).unwrap().is_empty());
}

/// S6: the newest entries of keys whose segments went are carried over before all others.
#[test]
fn newest_entries_of_keys_are_carried_over() {
    let kept = Kept {
        bytes: 1,
        per_key: true,
        ..KEPT
    };
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot 1", "e0", kept).history;
    for _ in 0..8 {
        let (encoded, _) = batch(&history, 2, 1.0, 0);
        history.append(&encoded).unwrap();
    }
    let known = || Known {
        offsets: vec![2, 15, 16],
        forgotten: 0,
    };
    history.retain(1.0, known).unwrap();
    history.sync().unwrap();
    let past = open(&disk, INTERVAL, "boot 2", "e1", kept);
    let first = &past.recent[0];
    assert_eq!(
        (1, entry("e0", 2, 0).data),
        (first.offset, first.entry.data.clone())
    );
    assert_eq!(
        Some(16),
        past.recent.last().map(|last| {
            let text = String::from_utf8(last.entry.data.to_vec()).unwrap();
            text.split(':').nth(1).unwrap().parse::<u64>().unwrap()
        })
    );
    assert_eq!((0, true), (past.forgotten, past.keyed.is_empty()));
}
