//! An end between any two calls of the operating system, in any of two runs.

use proptest::prelude::*;

use crate::durable::history::History;
use crate::durable::sync::Fsync;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, contents, open};
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
            Step::Retain => history.retain(1.0, Vec::new).map(|_| ()),
            Step::Rotate => {
                let outcome = history.rotate(Epoch::named(&format!("r{salt}{number}")));
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
            prop_assert!(found.is_empty());
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
