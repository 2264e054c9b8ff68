//! Another segment that could not be begun, and segments that go.

use crate::durable::keys::Known;
use crate::durable::options::Kept;
use crate::durable::sync::Fsync;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, open};

const BRIEF: Kept = Kept {
    seconds: 10.0,
    ..KEPT
};

/// S12: an idle history that could not begin another segment goes on in the one it has, and is found again; also where the
/// file that was begun could not be removed.
#[test]
fn a_failed_roll_leaves_nothing_behind() {
    for holds in [false, true] {
        let disk = Memory::default();
        let mut history = open(&disk, INTERVAL, "boot", "e0", BRIEF).history;
        let (encoded, _) = batch(&history, 2, 1.0, 0);
        history.append(&encoded).unwrap();
        history.sync().unwrap();
        disk.fail_syncs(true);
        disk.hold(holds);
        history.retain(1_000.0, Known::default).unwrap_err();
        disk.fail_syncs(false);
        disk.hold(false);
        let (encoded, _) = batch(&history, 2, 1_000.0, 0);
        history.append(&encoded).unwrap();
        let past = open(&disk.after_kill(), INTERVAL, "boot", "e1", BRIEF);
        assert_eq!(
            ("e0", 4),
            (past.history.epoch().as_str(), past.history.head()),
            "{holds}: {:?}",
            past.notes
        );
    }
}

/// Under `always` segments go only once a tip that names a later one would survive a loss of power: an older one that names
/// them is no damage.
#[test]
fn what_went_is_not_missed_after_a_loss_of_power() {
    let kept = Kept { bytes: 1, ..KEPT };
    let disk = Memory::default();
    let mut history = open(&disk, Fsync::Always, "boot 1", "e0", kept).history;
    let (encoded, _) = batch(&history, 2, 1.0, 0);
    history.append(&encoded).unwrap();
    // The tip is synced, and names the first segment.
    history.finish().unwrap();
    for _ in 0..6 {
        let (encoded, _) = batch(&history, 2, 1.0, 0);
        history.append(&encoded).unwrap();
    }
    assert!(history.retain(1.0, Known::default).unwrap().segments > 0);
    let disk = disk.after_power_loss(true, 0, false);
    let past = open(&disk, Fsync::Always, "boot 2", "e1", kept);
    assert_eq!(
        ("e0", 14),
        (past.history.epoch().as_str(), past.history.head()),
        "{:?}",
        past.notes
    );
}

/// A channel that was closed and opened anew: what the former history is still asked to do touches no file of the new one.
#[test]
fn an_erased_history_writes_nothing() {
    let disk = Memory::default();
    let mut former = open(&disk, INTERVAL, "boot", "e0", BRIEF).history;
    let (encoded, _) = batch(&former, 2, 1.0, 0);
    former.append(&encoded).unwrap();
    former.erase().unwrap();
    let mut next = open(&disk, INTERVAL, "boot", "e1", BRIEF).history;
    let (encoded, _) = batch(&next, 2, 1.0, 0);
    next.append(&encoded).unwrap();
    let (encoded, _) = batch(&former, 1, 1.0, 0);
    former.append(&encoded).unwrap_err();
    former.sync().unwrap();
    former.finish().unwrap();
    assert_eq!(0, former.retain(1_000.0, Known::default).unwrap().segments);
    former.rotate(crate::epoch::Epoch::named("e2")).unwrap_err();
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e3", BRIEF);
    assert_eq!(
        ("e1", 2, 0),
        (
            past.history.epoch().as_str(),
            past.history.head(),
            past.notes.len()
        )
    );
}
