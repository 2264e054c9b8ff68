//! Runs that also let go of segments, meet full disks and failing syncs and go on, and that the kernel writes back as it likes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::durable::history::History;
use crate::durable::keys::Known;
use crate::durable::options::Kept;
use crate::durable::record::Record;
use crate::durable::recovery::Past;
use crate::durable::sync::Fsync;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, batch, open};
use crate::epoch::Epoch;

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64),
    Sync,
    Finish,
    Retain,
    Rotate,
    /// Room for so many bytes, until there is more.
    Fill(usize),
    FailSyncs,
    Heal,
    WriteBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1_u64..4).prop_map(Step::Append),
        2 => Just(Step::Sync),
        1 => Just(Step::Finish),
        4 => Just(Step::Retain),
        1 => Just(Step::Rotate),
        1 => (0_usize..300).prop_map(Step::Fill),
        1 => Just(Step::FailSyncs),
        3 => Just(Step::Heal),
        3 => (0_usize..100).prop_map(Step::WriteBack),
    ]
}

/// A run, half of them on a disk that refuses nothing.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parts = (prop::collection::vec(step(), 1..60), any::<bool>());
    parts.prop_map(|(mut steps, is_calm)| {
        steps.retain(|step| !is_calm || !matches!(step, Step::Fill(_) | Step::FailSyncs));
        steps
    })
}

fn kept() -> impl Strategy<Value = Kept> {
    let parts = (1_u32..20, 0_u64..2_000, any::<bool>());
    parts.prop_map(|(seconds, bytes, per_key)| Kept {
        seconds: f64::from(seconds),
        bytes,
        per_key,
    })
}

fn policy() -> impl Strategy<Value = Fsync> {
    prop_oneof![Just(Fsync::Always), Just(INTERVAL), Just(Fsync::Never)]
}

/// What was shown under an epoch, and what a loss of power may take of it.
#[derive(Debug)]
struct Seen {
    epoch: String,
    entries: BTreeMap<u64, Vec<u8>>,
    /// Before this one they have gone.
    first: u64,
    /// Up to this one they are synced.
    synced: u64,
    newest: BTreeMap<String, u64>,
    had_trouble: bool,
}

impl Seen {
    fn of(history: &History) -> Self {
        Self {
            epoch: history.epoch().as_str().to_owned(),
            entries: BTreeMap::new(),
            first: 1,
            synced: 0,
            newest: BTreeMap::new(),
            had_trouble: false,
        }
    }

    fn known(&self) -> Known {
        let mut offsets: Vec<u64> = self.newest.values().copied().collect();
        offsets.sort_unstable();
        Known {
            offsets,
            forgotten: 0,
        }
    }

    fn run(&mut self, disk: &Memory, history: &mut History, steps: &[Step]) {
        for (number, step) in (0_u8..).zip(steps) {
            let now = f64::from(number);
            match step {
                Step::Append(count) => {
                    let (encoded, entries) = batch(history, *count, now, number);
                    if history.append(&encoded).is_ok() {
                        for (offset, entry) in entries {
                            self.newest.insert(entry.key.unwrap().into(), offset);
                            self.entries.insert(offset, entry.data.to_vec());
                        }
                    }
                }
                Step::Sync => self.note_synced(history.sync().is_ok(), history),
                Step::Finish => self.note_synced(history.finish().is_ok(), history),
                Step::Retain => drop(history.retain(now, || self.known())),
                Step::Rotate => {
                    let _ = history.rotate(Epoch::named(&format!("r{number}")));
                    if history.epoch().as_str() != self.epoch {
                        let had_trouble = self.had_trouble;
                        *self = Self {
                            had_trouble,
                            ..Self::of(history)
                        };
                    }
                }
                Step::Fill(room) => disk.fill(Some(*room)),
                Step::FailSyncs => disk.fail_syncs(true),
                Step::Heal => {
                    disk.fill(None);
                    disk.fail_syncs(false);
                }
                Step::WriteBack(file) => disk.write_back(*file),
            }
            self.had_trouble |= matches!(step, Step::Fill(_) | Step::FailSyncs);
            self.first = history.segments.front().map_or(1, |first| first.base);
        }
    }

    fn note_synced(&mut self, is_synced: bool, history: &History) {
        if is_synced && !history.has_remains {
            self.synced = history.head();
        }
    }

    /// The history went on: everything that had not gone is there, as it was, and the newest entry of every key.
    fn check_same(&self, past: &Past, kept: Kept) -> Result<(), TestCaseError> {
        let found: BTreeMap<u64, &[u8]> = past
            .recent
            .iter()
            .map(|one| (one.offset, &one.entry.data[..]))
            .collect();
        for (offset, data) in self.entries.range(self.first..) {
            prop_assert_eq!(Some(&data[..]), found.get(offset).copied(), "{}", offset);
        }
        let offsets: Vec<u64> = found.keys().copied().collect();
        let head = past.history.head();
        prop_assert!(
            offsets
                .iter()
                .copied()
                .eq(head + 1 - offsets.len() as u64..=head)
        );
        prop_assert!(
            head >= self
                .entries
                .last_key_value()
                .map_or(0, |(offset, _)| *offset)
        );
        if kept.per_key {
            prop_assert_eq!(0, past.forgotten);
            for (key, offset) in &self.newest {
                let all = past.keyed.iter().chain(&past.recent);
                let is_of_key = |one: &&Record| one.entry.key.as_deref() == Some(key);
                let newest = all.rev().find(is_of_key);
                prop_assert!(newest.is_some_and(|one| one.offset >= *offset), "{}", key);
            }
        }
        Ok(())
    }

    /// Another history began: with nothing that was not there before, in order; with all that was synced.
    fn check_other(&self, past: &Past, fsync: Fsync) -> Result<(), TestCaseError> {
        let mut former = Vec::new();
        for (offset, record) in (1..).zip(&past.recent) {
            prop_assert_eq!(offset, record.offset);
            let text = String::from_utf8(record.entry.data.to_vec()).unwrap();
            let parts: Vec<&str> = text.trim_matches('"').split(':').collect();
            prop_assert_eq!(&self.epoch, parts[0]);
            let was = parts[1].parse::<u64>().unwrap();
            if let Some(seen) = self.entries.get(&was) {
                prop_assert_eq!(seen, &record.entry.data.to_vec());
            }
            former.push(was);
        }
        prop_assert!(
            former.is_sorted_by(|one, other| one < other),
            "{:?}",
            former
        );
        if fsync == INTERVAL {
            for (offset, _) in self.entries.range(self.first..=self.synced.max(self.first)) {
                let is_there = *offset > self.synced || former.contains(offset);
                prop_assert!(is_there, "{} of {:?}", offset, former);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A kill at any call: what was seen and had not gone is there, or a rotation was under way.
    #[test]
    fn a_kill_costs_nothing_whatever_went_before(
        fsync in policy(), kept in kept(), steps in steps(), calls in 0_usize..400, part in 0_usize..200,
    ) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot", "e0", kept).history;
        let mut seen = Seen::of(&history);
        disk.die_after(calls, part);
        seen.run(&disk, &mut history, &steps);
        let disk = disk.after_kill();
        let past = open(&disk, fsync, "boot", "e1", kept);
        if past.history.epoch().as_str() == seen.epoch {
            seen.check_same(&past, kept)?;
        } else {
            prop_assert!(past.history.epoch().as_str().starts_with('r') && past.recent.is_empty(), "{:?}", past.notes);
        }
    }

    /// A loss of power at any call: all of it under the same epoch, or another epoch that begins with what was synced; under
    /// `always`, unless the disk had refused something, the epoch stays.
    #[test]
    fn a_loss_of_power_costs_at_most_what_was_not_synced(
        fsync in policy(), kept in kept(), steps in steps(), calls in 0_usize..400, part in 0_usize..200,
        keeps_names: bool, survives in 0_usize..5, zeros: bool,
    ) {
        let disk = Memory::default();
        let mut history = open(&disk, fsync, "boot 1", "e0", kept).history;
        let mut seen = Seen::of(&history);
        disk.die_after(calls, part);
        seen.run(&disk, &mut history, &steps);
        let disk = disk.after_power_loss(keeps_names, survives, zeros);
        let past = open(&disk, fsync, "boot 2", "e1", kept);
        let epoch = past.history.epoch().as_str();
        if epoch == seen.epoch {
            seen.check_same(&past, kept)?;
        } else if epoch.starts_with('r') {
            prop_assert!(past.recent.is_empty(), "{:?}", past.notes);
        } else {
            seen.check_other(&past, fsync)?;
            let is_begun = !seen.entries.is_empty();
            prop_assert!(!is_begun || fsync != Fsync::Always || seen.had_trouble, "{:?}", past.notes);
        }
        let again = open(&disk.after_kill(), fsync, "boot 2", "e2", kept);
        prop_assert_eq!(past.history.epoch(), again.history.epoch());
        prop_assert_eq!(past.recent.len(), again.recent.len());
    }
}
