//! What stays on disk and what goes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::durable::disk::Disk as _;
use crate::durable::history::History;
use crate::durable::keys::Known;
use crate::durable::options::Kept;
use crate::durable::record::Records;
use crate::durable::retention::Gone;
use crate::durable::segments::{Head, Kind, kind_of};
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, SEGMENT, batch, dir, files, open};
use crate::epoch::Epoch;

/// What a log that forgot nothing says.
fn known(offsets: &[u64]) -> Known {
    Known {
        offsets: offsets.to_vec(),
        forgotten: 0,
    }
}

/// For ten seconds.
const BRIEF: Kept = Kept {
    seconds: 10.0,
    ..KEPT
};

/// S12: segments that are wholly too old go, and the head is known although nothing is left.
#[test]
fn the_head_outlives_its_entries() {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", BRIEF).history;
    for ts in [1.0, 2.0, 30.0] {
        let (encoded, _) = batch(&history, 5, ts, 0);
        history.append(&encoded).unwrap();
    }
    assert_eq!(2, history.retain(35.0, Known::default).unwrap().segments);
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", BRIEF);
    assert_eq!(
        (15, 11, 2.0),
        (past.history.head(), past.recent[0].offset, past.lost_ts)
    );
    assert_eq!(1, history.retain(1_000.0, Known::default).unwrap().segments);
    assert_eq!(0, history.retain(1_000.0, Known::default).unwrap().segments);
    let disk = disk.after_kill();
    let past = open(&disk, INTERVAL, "boot", "e1", BRIEF);
    assert_eq!(
        ("e0", 15, 0),
        (
            past.history.epoch().as_str(),
            past.history.head(),
            past.recent.len()
        )
    );
    assert_eq!(Some(30.0), Some(past.lost_ts));
    let mut history = past.history;
    let (encoded, _) = batch(&history, 1, 2_000.0, 0);
    history.append(&encoded).unwrap();
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", BRIEF);
    assert_eq!(
        vec![16],
        past.recent.iter().map(|one| one.offset).collect::<Vec<_>>()
    );
}

/// S12: killed between any two calls while everything goes, the history is found again under its epoch, with its head.
#[test]
fn a_kill_while_all_goes_keeps_the_head() {
    for calls in 0..40 {
        let disk = Memory::default();
        let mut history = open(&disk, INTERVAL, "boot", "e0", BRIEF).history;
        for ts in [1.0, 2.0, 3.0] {
            let (encoded, _) = batch(&history, 5, ts, 0);
            history.append(&encoded).unwrap();
        }
        disk.die_after(calls, 7);
        let _ = history.retain(1_000.0, Known::default);
        let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", BRIEF);
        assert_eq!(
            ("e0", 15),
            (past.history.epoch().as_str(), past.history.head()),
            "{calls}: {:?}",
            past.notes
        );
    }
}

/// M31: records with a mark stay as long as a `mid` counts, however little the channel keeps.
#[test]
fn marks_are_kept_for_their_window() {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", BRIEF).history;
    let (mut encoded, _) = batch(&history, 5, 1.0, 0);
    encoded.has_marks = true;
    history.append(&encoded).unwrap();
    assert_eq!(0, history.retain(200.0, Known::default).unwrap().segments);
    assert_eq!(1, history.retain(302.0, Known::default).unwrap().segments);
}

/// C23: a channel that is forgotten leaves nothing, and comes back as another history.
#[test]
fn a_forgotten_channel_leaves_no_file() {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", KEPT).history;
    let (encoded, _) = batch(&history, 5, 1.0, 0);
    history.append(&encoded).unwrap();
    history.erase().unwrap();
    assert!(files(&disk).is_empty());
    let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
    assert_eq!(("e1", 0), (past.history.epoch().as_str(), past.notes.len()));
}

/// After a rotation nothing of the old history is there, and offsets begin anew.
#[test]
fn a_rotation_begins_another_history() {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", KEPT).history;
    let (encoded, _) = batch(&history, 5, 1.0, 0);
    history.append(&encoded).unwrap();
    history.rotate(Epoch::named("e1")).unwrap();
    let (encoded, _) = batch(&history, 1, 1.0, 0);
    history.append(&encoded).unwrap();
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e2", KEPT);
    assert_eq!(
        ("e1", 1),
        (past.history.epoch().as_str(), past.history.head())
    );
    assert!(past.notes.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// S6, S12: bytes are bounded by the retention and one segment, and the newest entry of every key is found again however
    /// many segments went; killed at any call meanwhile, too.
    #[test]
    fn the_newest_of_each_key_outlives_its_segment(counts in prop::collection::vec(1_u64..5, 1..30), calls in 0_usize..400, bytes in 0_u64..1_000) {
        let disk = Memory::default();
        let kept = Kept { bytes, per_key: true, ..KEPT };
        let mut history = open(&disk, INTERVAL, "boot", "e0", kept).history;
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let offsets = |newest: &BTreeMap<String, u64>| {
            let mut offsets: Vec<u64> = newest.values().copied().collect();
            offsets.sort_unstable();
            offsets
        };
        disk.die_after(calls, 3);
        for count in counts {
            let (encoded, entries) = batch(&history, count, 1.0, 0);
            if history.append(&encoded).is_err() {
                break;
            }
            for (offset, entry) in entries {
                newest.insert(entry.key.unwrap().into(), offset);
            }
            if history.retain(1.0, || known(&offsets(&newest))).is_err() {
                break;
            }
            prop_assert!(history.bytes() <= bytes + 2 * SEGMENT, "{}", history.bytes());
        }
        let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", kept);
        prop_assert_eq!("e0", past.history.epoch().as_str());
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for record in past.keyed.iter().chain(&past.recent) {
            found.insert(record.entry.key.clone().unwrap().into(), record.offset);
        }
        for (key, offset) in &newest {
            prop_assert!(found.get(key) >= Some(offset), "{key}: {newest:?} {found:?}");
        }
    }
}

/// A channel that keeps the newest of each key since it had lost entries says after any number of restarts that some may be
/// lacking.
#[test]
fn keys_that_were_gone_before_stay_unknown() {
    let disk = Memory::default();
    let short = Kept {
        seconds: 10.0,
        ..KEPT
    };
    let keyed = Kept {
        per_key: true,
        ..short
    };
    let mut history = open(&disk, INTERVAL, "boot", "e0", short).history;
    for number in 0..12 {
        let (encoded, _) = batch(&history, 2, f64::from(number), 0);
        history.append(&encoded).unwrap();
    }
    assert!(history.retain(16.0, Known::default).unwrap().segments > 0);
    let mut past = open(&disk, INTERVAL, "boot", "e1", keyed);
    for _ in 0..2 {
        assert!(past.forgotten > 0);
        let head = past.history.head();
        past.history
            .retain(19.0, || known(&[head - 2, head - 1, head]))
            .unwrap();
        past = open(&disk, INTERVAL, "boot", "e2", keyed);
    }
    assert_eq!(
        (true, "e0"),
        (past.history.keys.is_some(), past.history.epoch().as_str())
    );
    assert!(past.forgotten > 0);
}

/// What a log has forgotten of its keys is known after a restart too, as far as it is not in the files again.
#[test]
fn what_was_forgotten_stays_known() {
    let disk = Memory::default();
    let keyed = Kept {
        seconds: 10.0,
        per_key: true,
        ..KEPT
    };
    let mut history = open(&disk, INTERVAL, "boot", "e0", keyed).history;
    for number in 0..12 {
        let (encoded, _) = batch(&history, 2, f64::from(number), 0);
        history.append(&encoded).unwrap();
    }
    let kept = || Known {
        offsets: vec![23, 24],
        forgotten: 3,
    };
    assert!(history.retain(17.0, kept).unwrap().segments > 0);
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", keyed);
    assert!(past.recent[0].offset > 4);
    assert_eq!(3, past.forgotten);
}

/// A file of newest records that ends behind a whole one is not taken for all of it.
#[test]
fn a_cut_file_of_newest_records_is_missed() {
    let disk = Memory::default();
    let keyed = Kept {
        bytes: 1,
        per_key: true,
        ..KEPT
    };
    let mut history = open(&disk, INTERVAL, "boot", "e0", keyed).history;
    for _ in 0..8 {
        let (encoded, _) = batch(&history, 2, 1.0, 0);
        history.append(&encoded).unwrap();
    }
    history.retain(1.0, || known(&[1, 2, 3])).unwrap();
    let name = files(&disk)
        .into_iter()
        .find(|name| matches!(kind_of(name), Kind::Keys(_)));
    disk.change(&dir().join(name.unwrap()), |bytes| {
        let (_, start) = Head::read(bytes).unwrap();
        let (_, first) = Records::new(bytes, start).next().unwrap();
        bytes.truncate(first);
    });
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", keyed);
    assert_eq!(("e1", 1), (past.history.epoch().as_str(), past.notes.len()));
}

/// A retention that was broken off, a segment that somebody removed and one that is damaged do not stop it for ever; what is
/// lost of keys by that is known.
#[test]
fn retention_goes_on_without_what_is_gone() {
    for is_removed in [true, false] {
        let disk = Memory::default();
        let keyed = Kept {
            bytes: 1,
            per_key: true,
            ..KEPT
        };
        let mut history = open(&disk, INTERVAL, "boot", "e0", keyed).history;
        for _ in 0..8 {
            let (encoded, _) = batch(&history, 2, 1.0, 0);
            history.append(&encoded).unwrap();
        }
        let path = history.path(1);
        if is_removed {
            disk.remove(&path).unwrap();
        } else {
            disk.change(&path, |bytes| {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            });
        }
        let gone = history.retain(1.0, || known(&[1, 2, 7, 8])).unwrap();
        assert_eq!((vec![path], history.segments()), (gone.damaged, 1));
        let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", keyed);
        let kept: Vec<_> = past.keyed.iter().map(|record| record.offset).collect();
        assert!(kept.ends_with(&[7, 8]), "{kept:?}");
        assert_eq!(
            ("e0", past.recent[0].offset - 1),
            (past.history.epoch().as_str(), past.forgotten)
        );
    }
}

/// M31: bytes alone take no mark that still counts, up to a bound; what goes beyond it is counted.
#[test]
fn bytes_take_marks_only_beyond_their_bound() {
    let disk = Memory::default();
    let small = Kept {
        bytes: 3 * SEGMENT,
        ..KEPT
    };
    let mut history = open(&disk, INTERVAL, "boot", "e0", small).history;
    let add = |history: &mut History, batches: usize| {
        for _ in 0..batches {
            let (mut encoded, _) = batch(history, 5, 1.0, 0);
            encoded.has_marks = true;
            history.append(&encoded).unwrap();
        }
    };
    add(&mut history, 10);
    assert!(history.bytes() > 6 * SEGMENT);
    assert_eq!(
        Gone::default(),
        history.retain(100.0, Known::default).unwrap()
    );
    add(&mut history, 20);
    let gone = history.retain(100.0, Known::default).unwrap();
    assert!(
        gone.segments > 0 && gone.segments == gone.marked,
        "{gone:?}"
    );
    assert!(history.bytes() >= 4 * small.bytes);
    let gone = history.retain(302.0, Known::default).unwrap();
    assert!(gone.segments > 0 && gone.marked == 0, "{gone:?}");
    assert!(history.bytes() < small.bytes + 2 * SEGMENT);
}
