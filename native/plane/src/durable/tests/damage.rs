//! Files that are not as they were written.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::durable::disk::Disk as _;
use crate::durable::frame::{self, Found};
use crate::durable::record::Record;
use crate::durable::recovery::Past;
use crate::durable::segments::{Kind, kind_of};
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, contents, dir, files, open};
use crate::durable::verdict::{Note, Reason};

/// A history of a few segments, and its entries.
fn written(batches: &[u64], is_clean: bool) -> (Memory, Vec<(u64, Vec<u8>)>) {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", KEPT).history;
    let mut all = Vec::new();
    for count in batches {
        let (encoded, entries) = batch(&history, *count, 1.0, 0);
        history.append(&encoded).unwrap();
        all.extend(
            entries
                .into_iter()
                .map(|(offset, entry)| (offset, entry.data.to_vec())),
        );
    }
    if is_clean {
        history.finish().unwrap();
    }
    (disk.after_kill(), all)
}

fn newest(disk: &Memory) -> PathBuf {
    let is_segment = |name: &String| matches!(kind_of(name), Kind::Segment(_));
    dir().join(files(disk).into_iter().rfind(is_segment).unwrap())
}

/// Whether these are the first of `all`, each with its place in the history that begins with them.
fn is_beginning(found: &[Record], all: &[(u64, Vec<u8>)]) -> bool {
    let is_next = |(number, record): (usize, &Record)| {
        let was = all.get(number).map(|(_, data)| &data[..]);
        record.offset == number as u64 + 1 && Some(&record.entry.data[..]) == was
    };
    found.len() <= all.len() && found.iter().enumerate().all(is_next)
}

/// As the next start finds it, on a disk of its own.
fn recovered(disk: &Memory) -> Past {
    open(&disk.after_kill(), INTERVAL, "boot", "e1", KEPT)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// One changed bit anywhere: the entries are there as they were, or another epoch begins and it is told; never another
    /// entry, never a place of the old epoch for a new one.
    #[test]
    fn a_changed_bit_is_told(batches in prop::collection::vec(1_u64..4, 1..8), is_clean: bool, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (disk, all) = written(&batches, is_clean);
        let names = files(&disk);
        let sizes: Vec<usize> = names.iter().map(|name| {
            let mut size = 0;
            disk.change(&dir().join(name), |bytes| size = bytes.len());
            size
        }).collect();
        let mut place = at.index(sizes.iter().sum());
        let mut number = 0;
        while place >= sizes[number] {
            place -= sizes[number];
            number += 1;
        }
        disk.change(&dir().join(&names[number]), |bytes| bytes[place] ^= 1 << bit);
        let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
        prop_assert_eq!("e1", past.history.epoch().as_str());
        prop_assert!(is_beginning(&past.recent, &all), "{:?}", past.recent);
        prop_assert_eq!(past.history.head(), past.recent.len() as u64);
        prop_assert!(past.is_set_aside && !disk.list(Path::new("/data/logs/room.damaged")).unwrap().is_empty());
        prop_assert!(matches!(past.notes[..], [Note::NewEpoch(Reason::Damage, _)]), "{:?}", past.notes);
    }

    /// A last segment that ends anywhere: the rest of a write that nobody has seen is cut off and told; without a byte that
    /// was there when its entries were shown the epoch ends.
    #[test]
    fn a_torn_tail_is_cut_off(batches in prop::collection::vec(1_u64..4, 1..8), is_clean: bool, at in any::<prop::sample::Index>()) {
        let (disk, all) = written(&batches, is_clean);
        let path = newest(&disk);
        let (encoded, unseen) = batch(&recovered(&disk).history, 3, 2.0, 0);
        let (mut seen, mut cut) = (0, 0);
        disk.change(&path, |bytes| {
            seen = bytes.len();
            bytes.extend_from_slice(&encoded.bytes);
            cut = at.index(bytes.len());
            bytes.truncate(cut);
        });
        let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
        let found = contents(&past.recent);
        if cut >= seen {
            let possible: Vec<_> = all.clone().into_iter().chain(unseen.into_iter().map(|(offset, entry)| (offset, entry.data.to_vec()))).collect();
            prop_assert_eq!("e0", past.history.epoch().as_str());
            prop_assert!(possible.starts_with(&found));
            prop_assert_eq!(past.history.head(), found.len() as u64);
        } else {
            prop_assert_eq!("e1", past.history.epoch().as_str());
            prop_assert!(is_beginning(&past.recent, &all), "{found:?}");
            prop_assert!(matches!(past.notes[..], [Note::NewEpoch(Reason::Damage, _)]), "{:?}", past.notes);
        }
        // Whatever was found, it goes on from there and is found again.
        let (mut history, mut expected) = (past.history, found);
        let (encoded, entries) = batch(&history, 2, 2.0, 9);
        history.append(&encoded).unwrap();
        expected.extend(entries.into_iter().map(|(offset, entry)| (offset, entry.data.to_vec())));
        let again = open(&disk.after_kill(), INTERVAL, "boot", "e2", KEPT);
        prop_assert_eq!(expected, contents(&again.recent));
        prop_assert!(again.notes.is_empty());
    }
}

/// P1: after a kill, a newest segment that was shown and then cut at any byte, or removed, ends the epoch, and the note says
/// what was expected and what came.
#[test]
fn what_was_shown_is_missed() {
    let (disk, all) = written(&[3; 6], false);
    let mut len = 0;
    disk.change(&newest(&disk), |bytes| len = bytes.len());
    for cut in 0..=len {
        let disk = disk.after_kill();
        let path = newest(&disk);
        match cut {
            0 => disk.remove(&path).unwrap(),
            _ => disk.change(&path, |bytes| bytes.truncate(cut - 1)),
        }
        let past = recovered(&disk);
        assert_eq!("e1", past.history.epoch().as_str(), "{cut}");
        assert!(past.recent.len() >= 12 && is_beginning(&past.recent, &all));
        let [Note::NewEpoch(Reason::Damage, text)] = &past.notes[..] else {
            panic!("{:?}", past.notes);
        };
        assert!(
            text.contains("up to entry 18 at least was expected"),
            "{text}"
        );
    }
    assert_eq!(18, recovered(&disk).history.head());
}

/// P1: a whole record that was found beyond the tip is seen from then on: cut off after the next kill it is missed too.
#[test]
fn what_a_start_has_found_is_missed() {
    let (disk, _) = written(&[1], false);
    let (encoded, _) = batch(&recovered(&disk).history, 1, 2.0, 0);
    disk.change(&newest(&disk), |bytes| {
        bytes.extend_from_slice(&encoded.bytes);
    });
    let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
    assert_eq!(
        ("e0", 2),
        (past.history.epoch().as_str(), past.history.head())
    );
    disk.change(&newest(&disk), |bytes| {
        bytes.truncate(bytes.len() - encoded.bytes.len());
    });
    assert_eq!("e1", recovered(&disk).history.epoch().as_str());
}

/// A segment that is missing in the middle, at the end or altogether ends the epoch; so does a missing manifest or tip.
#[test]
fn a_missing_file_is_told() {
    for (number, name) in files(&written(&[3; 6], true).0).into_iter().enumerate() {
        let (disk, _) = written(&[3; 6], true);
        let path = dir().join(&name);
        disk.remove(&path).unwrap();
        let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
        // The first one may have gone because of the retention: that is told by a gap of its own.
        if number == 0 {
            assert_eq!(
                ("e0", 7),
                (past.history.epoch().as_str(), past.recent[0].offset),
                "{name}"
            );
        } else {
            assert_eq!("e1", past.history.epoch().as_str(), "{name}");
            assert!(matches!(
                past.notes[..],
                [Note::NewEpoch(Reason::Damage, _)]
            ));
        }
    }
}

/// P1: files that were copied and put back may be older than what somebody has seen, however they ended: another epoch begins
/// with what they hold.
#[test]
fn a_copy_begins_another_epoch() {
    for is_clean in [true, false] {
        let (disk, all) = written(&[3; 6], is_clean);
        disk.copy(&dir().join("tip"));
        let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
        assert_eq!("e1", past.history.epoch().as_str());
        assert_eq!(all, contents(&past.recent));
        let told = past.notes.first();
        let is_told =
            matches!(told, Some(Note::NewEpoch(Reason::Damage, text)) if text.contains("a copy"));
        assert!(is_told, "{told:?}");
        drop(past);
        let again = open(&disk, INTERVAL, "boot", "e2", KEPT);
        assert_eq!("e1", again.history.epoch().as_str());
    }
}

/// A tip of an earlier version does not say when it came into being, and is taken for what it says.
#[test]
fn a_tip_of_an_earlier_version_is_read() {
    let (disk, all) = written(&[3; 6], true);
    disk.change(&dir().join("tip"), |bytes| {
        let Found::Body(body, _) = frame::read(bytes, 0) else {
            panic!("the tip is not readable");
        };
        let body = body[..body.len() - 8].to_vec();
        bytes.clear();
        frame::write(bytes, |out| out.extend_from_slice(&body));
    });
    let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
    assert_eq!("e0", past.history.epoch().as_str());
    assert_eq!(all, contents(&past.recent));
}

/// The machine went down: without `always` the epoch ends although everything looks well, and what is whole begins the next
/// one; after a clean end it stays.
#[test]
fn another_boot_needs_a_clean_end() {
    for (is_clean, epoch) in [(true, "e0"), (false, "e1")] {
        let (disk, all) = written(&[3; 6], is_clean);
        let past = open(&disk, INTERVAL, "another boot", "e1", KEPT);
        assert_eq!(epoch, past.history.epoch().as_str());
        let reason = past
            .notes
            .first()
            .map(|note| matches!(note, Note::NewEpoch(Reason::Power, _)));
        assert_eq!((!is_clean).then_some(true), reason);
        assert_eq!(all, contents(&past.recent));
        assert!(!past.is_set_aside);
    }
}
