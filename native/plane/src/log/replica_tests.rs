#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::gap::{Gap, GapReason};
use crate::members::Members;
use crate::packed::{self, Packed};

const NOW: f64 = 1_000.0;
const KEYS: [&str; 3] = ["a", "b", "c"];
const ALL: Retention = Retention {
    seconds: 100.0,
    max_bytes: 1 << 20,
    max_entries: 1_000,
    last_per_key: Some(100),
};

fn log(retention: Retention) -> Log {
    Log::new("logs", Epoch::named("epoch0"), retention)
}

fn at(epoch: &str, offset: u64) -> Position {
    Epoch::named(epoch).position(offset)
}

fn packed(key: &str, ts: f64) -> Packed<'_> {
    let members = Members {
        event: "e",
        data: b"1",
        key: Some(key),
        ..Members::default()
    };
    Packed { ts, members }
}

fn give(
    log: &mut Log,
    first: &Position,
    entries: &[Packed<'_>],
    now: f64,
) -> Result<u64, Misplaced> {
    let entries = packed::compose(log.composer(), (first.offset..).zip(entries));
    log.apply(first, entries, now)
}

fn restore(log: &mut Log, newest: &[(u64, Packed<'_>)]) -> Result<bool, Misplaced> {
    let placed = newest.iter().map(|(offset, packed)| (*offset, packed));
    let entries = packed::compose(log.composer(), placed);
    log.restore_newest(&entries)
}

fn apply(log: &mut Log, key: &str, ts: f64, now: f64) {
    let next = log.epoch().position(log.head() + 1);
    give(log, &next, &[packed(key, ts)], now).unwrap();
}

/// What a log of a store is, simply told: the places and keys of the entries it can still have, and of what it was told.
#[derive(Debug, Default)]
struct Model {
    epoch: String,
    origin: u64,
    head: u64,
    ring: BTreeMap<u64, &'static str>,
    newest: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
enum Op {
    Apply(Vec<usize>),
    Begin(u8, u64),
    Restore(Vec<(u64, usize)>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop::collection::vec(0..KEYS.len(), 0..5).prop_map(Op::Apply),
        1 => (0_u8..3, 0_u64..30).prop_map(|(epoch, offset)| Op::Begin(epoch, offset)),
        1 => prop::collection::vec((0_u64..30, 0..KEYS.len()), 0..4).prop_map(Op::Restore),
    ]
}

impl Model {
    /// What the log is expected to answer.
    fn play(&mut self, op: &Op, kept: usize) -> bool {
        match op {
            Op::Apply(keys) => {
                for key in keys {
                    self.head += 1;
                    self.ring.insert(self.head, KEYS[*key]);
                    self.newest.insert(KEYS[*key], self.head);
                }
                while self.ring.len() > kept {
                    self.ring.pop_first();
                }
                true
            }
            Op::Begin(epoch, offset) => {
                let epoch = format!("epoch{epoch}");
                if epoch == self.epoch && *offset <= self.head {
                    return *offset == self.head;
                }
                let (origin, head) = (*offset, *offset);
                *self = Self {
                    epoch,
                    origin,
                    head,
                    ..Self::default()
                };
                true
            }
            Op::Restore(newest) => {
                let rising = newest.is_sorted_by(|(one, _), (next, _)| one < next);
                if !rising
                    || newest
                        .iter()
                        .any(|(offset, _)| *offset == 0 || *offset > self.head)
                {
                    return false;
                }
                let first = self
                    .ring
                    .first_key_value()
                    .map_or(self.head + 1, |(first, _)| *first);
                for (offset, key) in newest.iter().filter(|(offset, _)| *offset < first) {
                    let known = self.newest.entry(KEYS[*key]).or_default();
                    *known = (*known).max(*offset);
                }
                true
            }
        }
    }
}

fn play(log: &mut Log, op: &Op) -> bool {
    match op {
        Op::Apply(keys) => {
            let next = log.epoch().position(log.head() + 1);
            let entries: Vec<Packed<'_>> = keys.iter().map(|key| packed(KEYS[*key], NOW)).collect();
            give(log, &next, &entries, NOW).is_ok()
        }
        Op::Begin(epoch, offset) => log
            .begin(&at(&format!("epoch{epoch}"), *offset), NOW)
            .is_ok(),
        Op::Restore(newest) => {
            let placed = newest
                .iter()
                .map(|(offset, key)| (*offset, packed(KEYS[*key], NOW)));
            restore(log, &placed.collect::<Vec<_>>()).is_ok()
        }
    }
}

proptest! {
    /// N7, N8, N13: a log is what it was told, in any order; what has no place in it changes nothing.
    #[test]
    fn a_log_stands_where_it_was_told_to(ops in prop::collection::vec(op(), 0..40), kept in 1_usize..9) {
        let mut log = log(Retention { max_entries: kept, ..ALL });
        let mut model = Model { epoch: "epoch0".into(), ..Model::default() };
        for op in &ops {
            let turn = log.turn();
            prop_assert_eq!(model.play(op, kept), play(&mut log, op), "{:?}", op);
            prop_assert_eq!((model.epoch.as_str(), model.head), (log.epoch().as_str(), log.head()));
            prop_assert_eq!((model.origin, model.ring.len()), (log.origin(), log.len()));
            let ring: Vec<_> = log.after(0).map(|one| (one.offset(), one.conflation_key())).collect();
            prop_assert_eq!(model.ring.iter().map(|(at, key)| (*at, *key)).collect::<Vec<_>>(), ring);
            let mut newest: Vec<u64> = model.newest.values().copied().collect();
            newest.sort_unstable();
            prop_assert_eq!(newest, log.newest().unwrap().offsets());
            prop_assert!(!matches!(op, Op::Apply(_)) || turn == log.turn());
        }
    }
}

/// N7: only what follows is taken, and no offset beyond what a 64-bit float can hold (P1).
#[test]
fn only_what_follows_is_taken() {
    let mut log = log(ALL);
    let most = (1 << 53) - 1;
    log.begin(&at("epoch1", most - 1), NOW).unwrap();
    for first in [
        at("epoch1", most - 1),
        at("epoch1", most + 1),
        at("epoch0", most),
    ] {
        assert!(give(&mut log, &first, &[packed("a", NOW)], NOW).is_err());
    }
    let two = [packed("a", NOW), packed("a", NOW)];
    assert!(give(&mut log, &at("epoch1", most), &two, NOW).is_err());
    assert_eq!(
        Ok(most),
        give(&mut log, &at("epoch1", most), &two[..1], NOW)
    );
    assert_eq!(Ok(most), give(&mut log, &at("epoch1", most + 1), &[], NOW));
    assert_eq!((most, 1), (log.head(), log.len()));
}

/// N8, P7, S13: what a reader goes without, by where it stood and when it looked.
#[test]
fn a_reader_is_told_what_it_goes_without() {
    let mut log = log(ALL);
    let turns = |log: &Log, turn: u64, offset: u64| {
        [false, true].map(|keyed| {
            let gap = log.gap_after(at("epoch0", offset), turn, keyed);
            gap.map(
                |Gap {
                     to, missed, reason, ..
                 }| (to, missed, reason),
            )
        })
    };
    apply(&mut log, "a", NOW, NOW);
    assert_eq!([None, None], turns(&log, 0, 1));
    log.begin(&at("epoch0", 40), NOW).unwrap();
    let missed = Some((40, Some(39), GapReason::Retention));
    assert_eq!(
        [missed, Some((0, None, GapReason::Retention))],
        turns(&log, 0, 1)
    );
    assert_eq!(
        [Some((40, Some(40), GapReason::Retention)), None],
        turns(&log, 0, 0)
    );
    let turn = log.turn();
    assert!(restore(&mut log, &[(7, packed("b", NOW))]).unwrap());
    assert_eq!(
        [None, Some((0, None, GapReason::Retention))],
        turns(&log, turn, 40)
    );
    assert_eq!([None, None], turns(&log, log.turn(), 40));
    let turn = log.turn();
    log.begin(&at("epoch1", 3), NOW).unwrap();
    let [all, keyed] = [3, 0].map(|to| Some((to, None, GapReason::Epoch)));
    assert_eq!([all, keyed], turns(&log, turn, 40));
}

/// S12, M25: a time that is far ahead counts as a minute after it came: it pins nothing, and `since` is not led astray.
#[test]
fn a_clock_ahead_pins_nothing() {
    let mut log = log(ALL);
    apply(&mut log, "a", 1e15, NOW);
    apply(&mut log, "b", NOW + 1.0, NOW + 1.0);
    assert!(log.get(1).unwrap().ts() > NOW + 60.0);
    assert_eq!(Some(NOW + 60.0), log.seen(1));
    assert_eq!(
        (0, 2),
        (log.before_ts(NOW + 60.0), log.before_ts(NOW + 61.0))
    );
    log.sweep(NOW);
    log.sweep(NOW + 160.0);
    assert_eq!(2, log.len());
    log.sweep(NOW + 160.5);
    assert_eq!(
        (0, true, false),
        (log.len(), log.lost_since(NOW), log.lost_since(NOW + 61.0))
    );
}

/// S12: a clock that is behind takes nothing away before a sweep has passed over it.
#[test]
fn a_clock_behind_takes_nothing_away_at_once() {
    let mut log = log(ALL);
    for _ in 0..3 {
        apply(&mut log, "a", NOW - 5_000.0, NOW);
    }
    assert_eq!(3, log.len());
    log.sweep(NOW);
    assert_eq!(3, log.len());
    apply(&mut log, "b", NOW, NOW);
    assert_eq!(
        1,
        log.len(),
        "what was swept over goes with the next that comes"
    );
    log.sweep(NOW);
    assert_eq!(1, log.len());
}

/// M25: what was never here was before what is; where nothing is, it may have been until now.
#[test]
fn what_was_never_here_is_lost() {
    let mut log = log(ALL);
    log.begin(&at("epoch1", 40), NOW).unwrap();
    assert_eq!(
        [true, false],
        [NOW, NOW + 0.1].map(|since| log.lost_since(since))
    );
    apply(&mut log, "a", NOW - 50.0, NOW);
    assert_eq!(
        [true, false],
        [NOW - 50.0, NOW - 49.0].map(|since| log.lost_since(since))
    );
    apply(&mut log, "a", NOW - 10.0, NOW);
    assert_eq!(
        [true, false],
        [NOW - 50.0, NOW - 49.0].map(|since| log.lost_since(since))
    );
    log.begin(&at("epoch2", 0), NOW).unwrap();
    assert!(!log.lost_since(f64::MIN) && log.before_ts(0.0) == 0);
}
