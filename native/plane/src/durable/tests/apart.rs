//! A channel that the hub did not keep for a time: what it took then is in no file, so its epoch is over.

use crate::durable::apart::leave;
use crate::durable::carry;
use crate::durable::disk::Disk as _;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, contents, dir, files, open};
use crate::durable::verdict::{Note, Reason};

fn written() -> Memory {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", KEPT).history;
    let (encoded, _) = batch(&history, 3, 1.0, 0);
    history.append(&encoded).unwrap();
    history.finish().unwrap();
    disk
}

/// P1, P10: the entries that were there begin another epoch, once; that holds after a loss of power too.
#[test]
fn what_was_left_goes_on_in_another_epoch() {
    for loses_power in [false, true] {
        let disk = written();
        let before = contents(&open(&disk, INTERVAL, "boot", "e1", KEPT).recent);
        leave(&disk, &dir()).unwrap();
        leave(&disk, &dir()).unwrap();
        let disk = if loses_power {
            disk.after_power_loss(false, 0, false)
        } else {
            disk.after_kill()
        };
        let past = open(&disk, INTERVAL, "boot", "e2", KEPT);
        assert!(matches!(past.notes[..], [Note::NewEpoch(Reason::Apart, _)]));
        assert_eq!("e2", past.history.epoch().as_str());
        assert_eq!(before, contents(&past.recent));
        assert!(!past.is_set_aside);
        let again = open(&disk, INTERVAL, "boot", "e3", KEPT);
        assert_eq!("e2", again.history.epoch().as_str());
    }
}

/// A channel of which there is nothing has nothing to end.
#[test]
fn nothing_is_left_of_nothing() {
    let disk = Memory::default();
    leave(&disk, &dir()).unwrap();
    assert!(files(&disk).is_empty());
}

/// Killed between the two renames of a new epoch, the channel is there all the same.
#[test]
fn a_history_that_is_not_in_its_place_yet_is_left_too() {
    let disk = written();
    let next = dir().with_file_name(format!("room{}", carry::NEXT));
    disk.rename(&dir(), &next).unwrap();
    leave(&disk, &dir()).unwrap();
    let past = open(&disk, INTERVAL, "boot", "e1", KEPT);
    assert_eq!("e1", past.history.epoch().as_str());
    assert_eq!(3, past.recent.len());
}
