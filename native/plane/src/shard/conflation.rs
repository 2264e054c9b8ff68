#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, keyed, keys, offsets, options};
use crate::start::Start;

fn rig() -> Rig {
    Rig::new(Settings::default())
}

/// S3: a socket that takes what is ready gets every owed entry under `latest` too.
#[test]
fn latest_delivers_everything_to_who_keeps_up() {
    let mut rig = rig();
    let log = rig.open("metrics", KEPT);
    rig.connect(1, 1 << 20, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::New, false);
    for _ in 0..3 {
        rig.append(log, keys("aab"));
        rig.wait(Duration::from_millis(5));
        rig.take_all(1);
    }
    assert_eq!((1..=9).collect::<Vec<_>>(), offsets(&mut rig, 1));
}

/// S4: a round gives of each key the newest entry up to the head at which it began, in offset order.
#[test]
fn a_blocked_latest_cursor_continues_with_a_round() {
    for last_per_key in [None, Some(100)] {
        let mut rig = rig();
        let log = rig.open(
            "metrics",
            Retention {
                last_per_key,
                ..KEPT
            },
        );
        rig.connect(1, 1, Encoding::Json);
        rig.subscribe(1, log, options(Delivery::Latest), Start::New, false);
        rig.take_all(1);
        rig.append(log, keys("a"));
        rig.wait(Duration::from_millis(5));
        // The peer has one byte of entry 1 by now, and takes no more.
        rig.append(log, keys("babcb"));
        rig.wait(Duration::from_millis(5));
        rig.take_all(1);
        assert_eq!(vec![1, 3, 5, 6], offsets(&mut rig, 1), "{last_per_key:?}");
    }
}

/// S4: a key that never rests keeps no other waiting: what a round has picked is delivered whatever comes meanwhile.
#[test]
fn a_busy_key_does_not_keep_others_waiting() {
    let mut rig = rig();
    let log = rig.open(
        "metrics",
        Retention {
            last_per_key: Some(100),
            ..KEPT
        },
    );
    rig.append(log, keys("abc"));
    rig.connect(1, 1, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::Snapshot, false);
    for _ in 0..400 {
        rig.take(1, 1);
        rig.append(log, keys("a"));
        rig.wait(Duration::from_millis(1));
    }
    // 400 bytes: the answer and the first round, in which `b` and `c` have their place however often `a` comes.
    rig.take_all(1);
    assert_eq!(vec![2, 3], offsets(&mut rig, 1)[..2]);
}

/// S4: a long log is looked through in slices, and everybody else has his turn in between.
#[test]
fn a_round_over_a_long_log_takes_more_than_one_turn() {
    let mut rig = rig();
    let log = rig.open("signals", KEPT);
    rig.append(log, keys("ab"));
    rig.append(log, (0..40_000).map(|_| keyed("c", "1")).collect());
    rig.connect(1, 1 << 20, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.shard.run(rig.now);
    rig.take(1, usize::MAX);
    assert!(offsets(&mut rig, 1).is_empty());
    rig.take_all(1);
    assert_eq!(vec![1, 2, 40_002], offsets(&mut rig, 1));
}

/// S6, S13: who was behind learns that a key is gone, though the ring has forgotten it and snapshots do not show it.
#[test]
fn a_removal_reaches_who_was_behind_and_not_who_comes_later() {
    let mut rig = rig();
    let log = rig.open(
        "metrics",
        Retention {
            last_per_key: Some(100),
            max_entries: 1,
            ..KEPT
        },
    );
    rig.connect(1, 1, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::New, false);
    rig.take_all(1);
    rig.append(log, keys("a"));
    rig.wait(Duration::from_millis(5));
    rig.append(
        log,
        vec![keyed("a", "null"), keyed("b", "1"), keyed("c", "1")],
    );
    rig.wait(Duration::from_millis(5));
    rig.take_all(1);
    assert_eq!(vec![1, 2, 3, 4], offsets(&mut rig, 1));
    rig.connect(2, 1 << 20, Encoding::Json);
    rig.subscribe(2, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.take_all(2);
    assert_eq!(vec![3, 4], offsets(&mut rig, 2));
}

/// S7: events of a paced subscription come at its rate, the newest of each key when its turn comes.
#[test]
fn max_rate_is_kept_to_the_clock() {
    let mut rig = rig();
    let log = rig.open("metrics", KEPT);
    rig.connect(1, 1 << 20, Encoding::Json);
    let paced = Options {
        max_rate: Some(10.0),
        ..options(Delivery::Latest)
    };
    rig.subscribe(1, log, paced, Start::New, false);
    rig.append(log, keys("abab"));
    rig.wait(Duration::from_millis(5));
    rig.take(1, usize::MAX);
    assert_eq!(vec![3], offsets(&mut rig, 1));
    rig.wait(Duration::from_millis(50));
    rig.take(1, usize::MAX);
    assert_eq!(Vec::<u64>::new(), offsets(&mut rig, 1));
    rig.wait(Duration::from_millis(60));
    rig.take(1, usize::MAX);
    assert_eq!(vec![4], offsets(&mut rig, 1));
    rig.wait(Duration::from_secs(1));
    rig.append(log, keys("c"));
    rig.wait(Duration::from_millis(5));
    rig.take(1, usize::MAX);
    assert_eq!(vec![5], offsets(&mut rig, 1));
}
