#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn log(retention: Retention) -> Log {
    Log::new("logs", Epoch::named("k3Fq"), retention)
}

const ALL: Retention = Retention {
    seconds: 100.0,
    max_bytes: 1 << 20,
    max_entries: 1_000,
    last_per_key: None,
};

fn entries(count: usize) -> Vec<NewEntry> {
    vec![
        NewEntry {
            event: "e".into(),
            data: b"1"[..].into(),
            ..NewEntry::default()
        };
        count
    ]
}

fn offsets(log: &Log, after: u64) -> Vec<u64> {
    log.after(after).map(|entry| entry.offset()).collect()
}

/// P1: offsets are consecutive from 1, and what is appended together stands together.
#[test]
fn offsets_are_consecutive_from_one() {
    let mut log = log(ALL);
    assert_eq!((0, 1), (log.head(), log.first()));
    assert_eq!(1, log.append(entries(2), 1.0));
    assert_eq!(3, log.append(entries(1), 1.0));
    assert_eq!(
        (3, 1, vec![2, 3]),
        (log.head(), log.first(), offsets(&log, 1))
    );
    assert_eq!(Some(2), log.get(2).map(|entry| entry.offset()));
    assert!(log.get(0).is_none() && log.get(4).is_none());
}

/// S12: whichever bound is reached first lets the oldest go; an entry that is too large by itself stays while it is the
/// newest.
#[test]
fn the_oldest_entries_go_by_count_bytes_and_age() {
    let mut few = log(Retention {
        max_entries: 2,
        ..ALL
    });
    few.append(entries(5), 1.0);
    assert_eq!(vec![4, 5], offsets(&few, 0));
    let mut small = log(Retention {
        max_bytes: 1,
        ..ALL
    });
    small.append(entries(3), 1.0);
    assert_eq!(vec![3], offsets(&small, 0));
    let mut young = log(ALL);
    young.append(entries(1), 1.0);
    young.append(entries(1), 50.0);
    young.trim_age(101.5);
    assert_eq!(vec![2], offsets(&young, 0));
    young.trim_age(1e9);
    assert_eq!(
        (2, 3, 0, 0),
        (young.head(), young.first(), young.len(), young.bytes())
    );
}

proptest! {
    /// M24, M25, M45: `since` finds the first kept entry of that time although the wall clock jumps, and knows whether an
    /// earlier one is gone.
    #[test]
    fn since_is_the_first_entry_of_that_time(times in prop::collection::vec(0_u8..20, 0..40), kept in 1_usize..40, since in 0_u8..22) {
        let mut log = log(Retention { max_entries: kept, seconds: 1e9, ..ALL });
        for ts in &times {
            log.append(entries(1), f64::from(*ts));
        }
        let lost = times.len().saturating_sub(kept);
        let before = times.iter().skip(lost).take_while(|ts| **ts < since).count();
        let found = log.lost_since(f64::from(since));
        prop_assert_eq!(times.iter().take(lost).any(|ts| *ts >= since), found);
        if !found {
            prop_assert_eq!((lost + before) as u64, log.before_ts(f64::from(since)));
        }
    }
}
