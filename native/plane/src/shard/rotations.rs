#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, Options};
use crate::entry::{Encoding, NewEntry};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, entry, keys, options};
use crate::start::Start;

fn rig() -> (Rig, u64) {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("logs", KEPT);
    (rig, log)
}

fn large() -> NewEntry {
    entry("e", &format!("\"{}\"", "x".repeat(5_000)))
}

/// Rotate, and let the I/O thread know; the names of both histories.
fn rotate(rig: &mut Rig, log: u64) -> [String; 2] {
    let former = rig.epoch(log);
    rig.rotate(log);
    rig.tell(log);
    [former, rig.epoch(log)]
}

/// P12: a gap from where each stands into the other history, though nothing comes in it yet; then it goes on.
#[test]
fn every_subscriber_crosses_by_a_gap() {
    for delivery in [Delivery::All, Delivery::Latest] {
        let (mut rig, log) = rig();
        rig.connect(1, 1 << 20, Encoding::Json);
        rig.subscribe(1, log, options(delivery), Start::New, false);
        rig.append(log, keys("ab"));
        rig.wait(Duration::from_millis(5));
        let [a, b] = rotate(&mut rig, log);
        rig.take_all(1);
        let expected = vec!["at A:0+0", "1", "2", "gap A:2 B:0 epoch"];
        assert_eq!(expected, brief(&mut rig, 1, &[&a, &b]));
        rig.append(log, keys("aa"));
        rig.wait(Duration::from_millis(5));
        rig.take_all(1);
        assert_eq!(vec!["1", "2"], brief(&mut rig, 1, &[]));
        assert_eq!(vec![(log, format!("{b}:2"))], rig.positions(1));
    }
}

/// P12: bytes of the former history that a slow socket has not begun are covered by the gap; what it has begun is ended.
#[test]
fn what_was_composed_and_not_sent_is_covered() {
    let (mut rig, log) = rig();
    rig.connect(1, 100, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::All), Start::New, false);
    rig.take_all(1);
    rig.append(log, vec![large(), large(), large()]);
    rig.wait(Duration::from_millis(5));
    let [a, b] = rotate(&mut rig, log);
    rig.append(log, keys("x"));
    rig.take_all(1);
    let expected = vec!["at A:0+0", "1", "gap A:1 B:0 epoch", "1"];
    assert_eq!(expected, brief(&mut rig, 1, &[&a, &b]));
    assert_eq!(0, rig.shard.views.bytes);
}

/// P12: a thread that reads the log before it hears of the rotation mixes nothing up.
#[test]
fn a_replay_notices_a_rotation_it_has_not_heard_of() {
    let (mut rig, log) = rig();
    rig.append(log, (0..40).map(|_| large()).collect());
    rig.connect(1, 100, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::All), Start::Last(40), false);
    rig.wait(Duration::from_millis(1));
    let a = rig.epoch(log);
    rig.rotate(log);
    let b = rig.epoch(log);
    let channel = rig.logs.find(log).unwrap();
    rig.logs
        .append(&channel, (0..40).map(|_| large()).collect(), 1.0);
    rig.take_all(1);
    let received = brief(&mut rig, 1, &[&a, &b]);
    let (last, events) = received[1..].split_last().unwrap();
    // A chunk of 64 KiB was staged.
    assert_eq!(
        (1..=13)
            .map(|offset| offset.to_string())
            .collect::<Vec<_>>(),
        events
    );
    assert_eq!("gap A:13 B:0 epoch", last);
    rig.append(log, keys("ab"));
    rig.take_all(1);
    let all: Vec<String> = (1..=42).map(|offset| offset.to_string()).collect();
    assert_eq!(all, brief(&mut rig, 1, &[]));
}

/// P12, S10: a shut window holds up no gap, and in the other history it is open.
#[test]
fn a_shut_window_is_crossed() {
    let (mut rig, log) = rig();
    rig.connect(1, 1 << 20, Encoding::Json);
    let window = Options {
        ack: Some(1),
        ..options(Delivery::All)
    };
    rig.subscribe(1, log, window, Start::New, false);
    rig.append(log, keys("ab"));
    rig.wait(Duration::from_millis(5));
    let [a, b] = rotate(&mut rig, log);
    rig.append(log, keys("cd"));
    rig.wait(Duration::from_millis(5));
    rig.take_all(1);
    let expected = vec!["at A:0+0", "1", "gap A:1 B:0 epoch", "1"];
    assert_eq!(expected, brief(&mut rig, 1, &[&a, &b]));
    // R8: what was not acknowledged of the former history is what a resume has to speak of.
    assert_eq!(vec![(log, format!("{a}:0"))], rig.positions(1));
    rig.acknowledge(1, log, &a, 1);
    rig.acknowledge(1, log, &b, 1);
    rig.take_all(1);
    assert_eq!(vec!["2"], brief(&mut rig, 1, &[]));
    assert_eq!(1, rig.shared.figures.acks_ignored.get());
    assert_eq!(vec![(log, format!("{b}:1"))], rig.positions(1));
}

/// P12: who asked before the rotation and is served after it starts in the other history, and misses nothing of it (C14).
#[test]
fn a_wish_from_before_the_rotation_starts_in_the_other_history() {
    let (mut rig, log) = rig();
    rig.append(log, keys("abc"));
    rig.connect(1, 1 << 20, Encoding::Json);
    let spec = rig.spec(log, options(Delivery::All), Start::New);
    rig.rotate(log);
    rig.append(log, keys("de"));
    rig.subscribe_by(1, spec);
    rig.take_all(1);
    let epoch = rig.epoch(log);
    assert_eq!(vec!["at A:0+0", "1", "2"], brief(&mut rig, 1, &[&epoch]));
}

/// P12, S13: on a channel that keeps keys there is the one gap, and of each key the newest, whatever the ring has lost since.
#[test]
fn latest_gets_no_other_gap_where_keys_are_kept() {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open(
        "status",
        Retention {
            max_entries: 1,
            last_per_key: Some(2),
            ..KEPT
        },
    );
    rig.connect(1, 1, Encoding::Json);
    rig.append(log, keys("ab"));
    rig.subscribe(1, log, options(Delivery::Latest), Start::New, false);
    let [a, b] = rotate(&mut rig, log);
    // More keys than are kept: one is forgotten.
    rig.append(log, keys("abcd"));
    rig.wait(Duration::from_millis(5));
    rig.take_all(1);
    let expected = vec!["at A:2+0", "gap A:2 B:0 epoch", "3", "4"];
    assert_eq!(expected, brief(&mut rig, 1, &[&a, &b]));
}

/// M26: kept across a rotation, the cursor is told where it stood, and then the gap.
#[test]
fn a_cursor_that_is_kept_still_crosses() {
    let (mut rig, log) = rig();
    rig.connect(1, 1 << 20, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::All), Start::New, false);
    rig.append(log, keys("ab"));
    rig.wait(Duration::from_millis(5));
    let a = rig.epoch(log);
    rig.rotate(log);
    rig.append(log, keys("abc"));
    rig.subscribe(1, log, options(Delivery::Latest), Start::New, true);
    rig.take_all(1);
    let b = rig.epoch(log);
    assert_eq!(
        vec![
            "at A:0+0",
            "1",
            "2",
            "at A:2+3",
            "gap A:2 B:0 epoch",
            "1",
            "2",
            "3"
        ],
        brief(&mut rig, 1, &[&a, &b])
    );
}
