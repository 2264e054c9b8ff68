//! An end between any two calls of the operating system, in any of two runs.

use proptest::prelude::*;

use crate::durable::disk::Disk as _;
use crate::durable::history::History;
use crate::durable::keys::Known;
use crate::durable::options::Kept;
use crate::durable::segments::{Kind, kind_of};
use crate::durable::sync::Fsync;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, contents, dir, files, open};
use crate::epoch::Epoch;

/// What a run does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64),
    Sync,
    Finish,
    Retain,
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..4).prop_map(Step::Append),
        1 => Just(Step::Sync),
        1 => Just(Step::Finish),
        1 => Just(Step::Retain),
        1 => Just(Step::Rotate),
    ]
}

fn policy() -> impl Strategy<Value = Fsync> {
    prop_oneof![Just(Fsync::Always), Just(INTERVAL), Just(Fsync::Never)]
}

/// What somebody has seen: the epoch now, and the entries under it.
#[derive(Clone, Debug, Default)]
struct Seen {
    epoch: String,
    entries: Vec<(u64, Vec<u8>)>,
}

impl Seen {
    fn of(history: &History) -> Self {
        Self {
            epoch: history.epoch().as_str().to_owned(),
            entries: Vec::new(),
        }
    }

    /// Whether another history may have begun with these: as far as it goes it is the same, each place counted from 1.
    fn is_beginning(&self, found: &[(u64, Vec<u8>)]) -> bool {
        let mut both = found.iter().zip(&self.entries);
        let counts = found
            .iter()
            .map(|(offset, _)| *offset)
            .eq(1..=found.len() as u64);
        counts && both.all(|((_, found), (_, seen))| found == seen)
    }
}

/// Do `steps` until one fails as it does in a process that dies. What could be seen at the end; a rotation that failed may
/// have happened, so both histories are possible.
fn run(history: &mut History, seen: &mut Seen, steps: &[Step], salt: u8) {
    for (number, step) in steps.iter().enumerate() {
        let outcome = match step {
            Step::Append(count) => {
                let (encoded, entries) = batch(history, *count, 1.0, salt);
                let outcome = history.append(&encoded).map_err(|failure| failure.error);
                if outcome.is_ok() {
                    let entries = entries.into_iter();
                    seen.entries
                        .extend(entries.map(|(offset, entry)| (offset, entry.data.to_vec())));
                }
                outcome
            }
            Step::Sync => history.sync(),
            Step::Finish => history.finish(),
            Step::Retain => history.retain(1.0, Known::default).map(|_| ()),
            Step::Rotate => {
                let epoch = Epoch::named(&format!("r{salt}{number}"));
                let outcome = history.rotate(epoch).map(|_| ());
                if history.epoch().as_str() != seen.epoch {
                    *seen = Seen::of(history);
                }
                outcome
            }
        };
        if outcome.is_err() {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A kill between any two calls: what was seen is there after it, under the same epoch and as it was, and what comes then
    /// is there after the next one.
    #[test]
    fn a_kill_loses_nothing_that_was_seen(
        fsync in policy(), first in prop::collection::vec(step(), 1..30), second in prop::collection::vec(step(), 1..10),
        calls in 0_usize..120, part in 0_usize..200,
    ) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot", "e0", KEPT).history;
        let mut seen = Seen::of(&history);
        disk.die_after(calls, part);
        run(&mut history, &mut seen, &first, 1);
        let disk = disk.after_kill();
        for salt in 2..4 {
            let past = open(&disk, fsync, "boot", &format!("e{salt}"), KEPT);
            let found = contents(&past.recent);
            if past.history.epoch().as_str() == seen.epoch {
                prop_assert!(found.starts_with(&seen.entries), "{seen:?} was seen, {found:?} is there");
            } else {
                // A rotation that was under way.
                prop_assert!(past.history.epoch().as_str().starts_with('r'), "{:?}", past.notes);
                prop_assert!(found.is_empty());
            }
            let mut history = past.history;
            seen = Seen { epoch: history.epoch().as_str().to_owned(), entries: found };
            run(&mut history, &mut seen, &second, salt);
        }
    }

    /// P1: a kill between any two calls, and a newest segment that is cut or removed before the next start: under the epoch
    /// that was seen there is all that was seen, or the epoch is another one.
    #[test]
    fn a_cut_after_a_kill_costs_the_epoch_or_nothing(
        fsync in policy(), steps in prop::collection::vec(step(), 1..30), calls in 0_usize..120, part in 0_usize..200,
        removes: bool, at in any::<prop::sample::Index>(),
    ) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot", "e0", KEPT).history;
        let mut seen = Seen::of(&history);
        disk.die_after(calls, part);
        run(&mut history, &mut seen, &steps, 1);
        let disk = disk.after_kill();
        let is_segment = |name: &String| matches!(kind_of(name), Kind::Segment(_));
        if let Some(name) = files(&disk).into_iter().rfind(is_segment) {
            let path = dir().join(name);
            if removes {
                disk.remove(&path).unwrap();
            } else {
                disk.change(&path, |bytes| bytes.truncate(at.index(bytes.len() + 1)));
            }
        }
        let past = open(&disk, fsync, "boot", "e1", KEPT);
        let found = contents(&past.recent);
        if past.history.epoch().as_str() == seen.epoch {
            prop_assert!(found.starts_with(&seen.entries), "{seen:?} was seen, {found:?} is there");
        } else {
            prop_assert!(seen.is_beginning(&found), "{seen:?} was seen, {found:?} is there");
        }
    }

    /// A loss of power at any time: what is then under the epoch that was seen is what was seen, all of it; under `always`
    /// the epoch stays.
    #[test]
    fn a_loss_of_power_costs_the_epoch_or_nothing(
        fsync in policy(), first in prop::collection::vec(step(), 1..30), calls in 0_usize..120, part in 0_usize..200,
        keeps_names: bool, survives in 0_usize..5, zeros: bool,
    ) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot 1", "e0", KEPT).history;
        let mut seen = Seen::of(&history);
        disk.die_after(calls, part);
        run(&mut history, &mut seen, &first, 1);
        let disk = disk.after_power_loss(keeps_names, survives, zeros);
        let past = open(&disk, fsync, "boot 2", "e1", KEPT);
        let found = contents(&past.recent);
        let epoch = past.history.epoch().as_str();
        if epoch == seen.epoch {
            prop_assert!(found.starts_with(&seen.entries), "{seen:?} was seen, {found:?} is there");
        } else {
            prop_assert!(seen.is_beginning(&found), "{seen:?} was seen, {found:?} is there");
            let is_begun = !seen.entries.is_empty();
            prop_assert!(!is_begun || fsync != Fsync::Always || epoch.starts_with('r'), "{:?}", past.notes);
        }
    }

    /// A full disk: what is refused is not there, and once there is room it goes on where it was.
    #[test]
    fn a_full_disk_refuses_and_goes_on(rooms in prop::collection::vec(0_usize..400, 1..12), fsync in policy()) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot", "e0", KEPT).history;
        let mut seen = Seen::of(&history);
        for room in rooms {
            disk.fill(Some(room));
            run(&mut history, &mut seen, &[Step::Append(2), Step::Append(1)], 1);
            disk.fill(None);
            run(&mut history, &mut seen, &[Step::Append(1)], 2);
            let found = open(&disk.after_kill(), fsync, "boot", "e1", KEPT);
            prop_assert_eq!(&seen.entries, &contents(&found.recent));
            prop_assert_eq!("e0", found.history.epoch().as_str());
        }
    }
}

/// A clean end calls nothing clean that another run, or another policy, left to the kernel: a loss of power after it costs
/// nothing.
#[test]
fn a_clean_end_syncs_what_others_wrote() {
    for fsync in [INTERVAL, Fsync::Never, Fsync::Always] {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot 1", "e0", KEPT).history;
        for _ in 0..8 {
            let (encoded, _) = batch(&history, 2, 1.0, 0);
            history.append(&encoded).unwrap();
        }
        assert!(history.segments() > 2);
        let disk = disk.after_kill();
        open(&disk, fsync, "boot 1", "e1", KEPT)
            .history
            .finish()
            .unwrap();
        let disk = disk.after_power_loss(true, 0, false);
        let past = open(&disk, fsync, "boot 2", "e2", KEPT);
        assert_eq!(
            ("e0", 16, 0),
            (
                past.history.epoch().as_str(),
                past.history.head(),
                past.notes.len()
            )
        );
    }
}

/// What a start under another policy finds and shows is judged at a loss of power by the policy of before: it is synced first.
#[test]
fn what_always_left_unsynced_is_synced_before_it_is_shown() {
    let disk = Memory::default();
    let mut history = open(&disk, Fsync::Always, "boot 1", "e0", KEPT).history;
    let (encoded, _) = batch(&history, 1, 1.0, 0);
    history.append(&encoded).unwrap();
    // Written, not synced.
    disk.die_after(1, 0);
    let (encoded, _) = batch(&history, 1, 1.0, 0);
    history.append(&encoded).unwrap_err();
    let disk = disk.after_kill();
    let past = open(&disk, INTERVAL, "boot 1", "e1", KEPT);
    assert_eq!(2, past.history.head());
    let disk = disk.after_power_loss(true, 0, false);
    let past = open(&disk, INTERVAL, "boot 2", "e2", KEPT);
    assert_eq!(
        ("e0", 2),
        (past.history.epoch().as_str(), past.history.head())
    );
}

/// After a sync that failed no end of this run is called clean, though a later sync says that all is well.
#[test]
fn a_failed_sync_is_never_called_clean() {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot 1", "e0", KEPT).history;
    let (encoded, _) = batch(&history, 2, 1.0, 0);
    history.append(&encoded).unwrap();
    disk.fail_syncs(true);
    history.sync().unwrap_err();
    disk.fail_syncs(false);
    history.sync().unwrap();
    history.finish().unwrap();
    let past = open(&disk, INTERVAL, "boot 2", "e1", KEPT);
    assert_eq!("e1", past.history.epoch().as_str());
}

/// P10: once the manifest names another history, the rotation has happened: files of the former one that cannot be removed
/// are nothing, to this run and to the next, whatever they are and whatever the last write left.
#[test]
fn a_rotation_that_cannot_clean_up_has_happened() {
    let kept = Kept {
        seconds: 10.0,
        per_key: true,
        ..KEPT
    };
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", kept).history;
    for number in 0..8 {
        let (encoded, _) = batch(&history, 2, f64::from(number), 0);
        history.append(&encoded).unwrap();
    }
    history
        .retain(14.0, || Known {
            offsets: vec![14, 15, 16],
            forgotten: 0,
        })
        .unwrap();
    disk.hold(true);
    assert!(!history.rotate(Epoch::named("e1")).unwrap());
    let (encoded, entries) = batch(&history, 2, 1.0, 1);
    // The manifest is written anew, for which nothing has to go.
    history.append(&encoded).unwrap();
    disk.hold(false);
    let (torn, _) = batch(&history, 1, 1.0, 1);
    disk.die_after(0, 5);
    history.append(&torn).unwrap_err();
    let past = open(&disk.after_kill(), INTERVAL, "boot", "e2", kept);
    assert_eq!("e1", past.history.epoch().as_str());
    let seen: Vec<_> = entries
        .into_iter()
        .map(|(offset, entry)| (offset, entry.data.to_vec()))
        .collect();
    assert_eq!(seen, contents(&past.recent));
}
