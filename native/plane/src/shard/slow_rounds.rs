#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::cursor::Delivery;
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, keyed, keys, offset_of, offsets, options};
use crate::start::Start;

fn rig() -> Rig {
    Rig::new(Settings::default())
}

/// A reader that takes its time keeps nothing alive: what has a successor by now is left to the next round.
#[test]
fn a_slow_round_holds_no_entries() {
    let mut rig = rig();
    let log = rig.open(
        "metrics",
        Retention {
            last_per_key: Some(100),
            max_entries: 1,
            ..KEPT
        },
    );
    let large = |key: &str| keyed(key, &format!("\"{}\"", "x".repeat(70_000)));
    rig.append(log, vec![large("a"), large("b"), large("c")]);
    rig.connect(1, 1_000, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.wait(Duration::from_millis(5));
    let channel = rig.logs.find(log).unwrap();
    let held = Arc::downgrade(
        channel
            .log()
            .newest()
            .unwrap()
            .between(1, 2, true)
            .next()
            .unwrap(),
    );
    rig.append(log, vec![large("b")]);
    assert!(held.upgrade().is_none());
    rig.take_all(1);
    assert_eq!(vec![1, 3, 4], offsets(&mut rig, 1));
}

/// The same where only the ring is kept: what left it in the meantime is told as a gap (S9, S13).
#[test]
fn a_slow_round_over_a_ring_holds_no_entries() {
    let mut rig = rig();
    let log = rig.open(
        "signals",
        Retention {
            max_entries: 3,
            ..KEPT
        },
    );
    let large = |key: &str| keyed(key, &format!("\"{}\"", "x".repeat(70_000)));
    rig.append(log, vec![large("a"), large("b"), large("c")]);
    rig.connect(1, 1_000, Encoding::Json);
    let start = Start::At {
        epoch: rig
            .logs
            .find(log)
            .unwrap()
            .log()
            .epoch()
            .as_str()
            .to_owned(),
        offset: 0,
    };
    rig.subscribe(1, log, options(Delivery::Latest), start, false);
    rig.wait(Duration::from_millis(5));
    let held = Arc::downgrade(rig.logs.find(log).unwrap().log().get(2).unwrap());
    rig.append(log, vec![large("b"), large("d")]);
    assert!(held.upgrade().is_none());
    rig.take_all(1);
    let told: Vec<(Value, u64)> = rig
        .messages(1)
        .into_iter()
        .skip(1)
        .map(|message| {
            let at = message["offset"]
                .as_u64()
                .unwrap_or_else(|| offset_of(&message["to"]));
            (message["missed"].clone(), at)
        })
        .collect();
    let event = |at: u64| (Value::Null, at);
    assert_eq!(
        vec![event(1), (Value::from(1), 2), event(3), event(4), event(5)],
        told
    );
}

/// S6: who is so far behind that a removal is forgotten gets everything that is kept once more, behind a gap that says so;
/// who comes later gets no gap.
#[test]
fn a_forgotten_removal_is_no_secret() {
    let mut rig = rig();
    let log = rig.open(
        "connections",
        Retention {
            last_per_key: Some(2),
            max_entries: 1,
            ..KEPT
        },
    );
    rig.append(log, keys("ab"));
    rig.connect(1, 1, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.take_all(1);
    assert_eq!(vec![1, 2], offsets(&mut rig, 1));
    rig.append(log, keys("b"));
    rig.wait(Duration::from_millis(5));
    let gone = |key: &str| keyed(key, "null");
    rig.append(log, vec![gone("a"), gone("x"), gone("y")]);
    rig.append(log, keys("c"));
    rig.take_all(1);
    let told: Vec<Value> = rig.messages(1);
    assert_eq!(
        vec!["event", "gap", "event", "event"],
        told.iter()
            .map(|message| message["type"].as_str().unwrap())
            .collect::<Vec<_>>()
    );
    assert_eq!(
        (3, 0, "slow"),
        (
            offset_of(&told[1]["from"]),
            offset_of(&told[1]["to"]),
            told[1]["reason"].as_str().unwrap()
        )
    );
    assert_eq!(
        (Value::Null, Value::from(3), Value::from(7)),
        (
            told[1]["missed"].clone(),
            told[2]["offset"].clone(),
            told[3]["offset"].clone()
        )
    );
    rig.connect(2, 1 << 20, Encoding::Json);
    rig.subscribe(2, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.take_all(2);
    assert_eq!(vec![3, 7], offsets(&mut rig, 2));
}

/// The ring may still hold what is forgotten elsewhere: then nothing is missed, and there is no gap.
#[test]
fn a_ring_that_holds_everything_needs_no_gap() {
    let mut rig = rig();
    let log = rig.open(
        "connections",
        Retention {
            last_per_key: Some(2),
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
        ["a", "x", "y", "z"].map(|key| keyed(key, "null")).into(),
    );
    rig.take_all(1);
    assert_eq!(vec![1, 2, 3, 4, 5], offsets(&mut rig, 1));
}

/// S4: more keys than one round holds take several, and none is missed.
#[test]
fn more_keys_than_a_round_holds_take_another() {
    let mut rig = rig();
    let log = rig.open("signals", KEPT);
    rig.append(
        log,
        (0..40_000)
            .map(|number| keyed(&format!("k{number}"), "1"))
            .collect(),
    );
    rig.append(
        log,
        (0..20_000)
            .map(|number| keyed(&format!("k{number}"), "2"))
            .collect(),
    );
    rig.connect(1, 1 << 20, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::Latest), Start::Snapshot, false);
    rig.take_all(1);
    assert_eq!((20_001..=60_000).collect::<Vec<_>>(), offsets(&mut rig, 1));
}
