#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::closing::{Cause, Verdict};
use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::{Encoding, NewEntry};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, Told, entry, keyed, options};
use crate::start::Start;

fn rig() -> Rig {
    Rig::new(Settings::default())
}

fn keys(names: &str) -> Vec<NewEntry> {
    names
        .chars()
        .map(|name| keyed(&name.to_string(), "1"))
        .collect()
}

fn offsets(rig: &mut Rig, conn: u64) -> Vec<u64> {
    let messages = rig.messages(conn);
    let events = messages.iter().filter(|message| message["type"] == "event");
    events
        .map(|message| message["offset"].as_u64().unwrap())
        .collect()
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

/// S1: a subscriber that takes nothing costs a view no more than its bound, and nobody else an event.
#[test]
fn wire_bytes_are_bounded_whoever_is_behind() {
    let mut rig = rig();
    let log = rig.open("logs", KEPT);
    rig.connect(1, 1_000, Encoding::Json);
    rig.connect(2, 1 << 20, Encoding::Json);
    for conn in [1, 2] {
        rig.subscribe(conn, log, options(Delivery::All), Start::New, false);
    }
    rig.take_all(1);
    let mut held = 0;
    for _ in 0..400 {
        rig.append(
            log,
            vec![entry("e", &format!("\"{}\"", "x".repeat(10_000)))],
        );
        rig.wait(Duration::from_millis(5));
        rig.take(2, usize::MAX);
        held = held.max(rig.shard.views.bytes);
    }
    assert!((1 << 19..=1 << 20).contains(&held), "{held}");
    assert_eq!((1..=400).collect::<Vec<_>>(), offsets(&mut rig, 2));
    rig.take_all(1);
    assert_eq!((1..=400).collect::<Vec<_>>(), offsets(&mut rig, 1));
    assert_eq!(0, rig.shard.views.bytes);
}

/// S8: bytes waited and none was taken for ten seconds; a single byte taken starts the time again.
#[test]
fn a_stalled_peer_is_closed_and_a_slow_one_is_not() {
    let mut rig = rig();
    for conn in [1, 2] {
        rig.connect(conn, 4, Encoding::Json);
        rig.send(conn, "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]");
    }
    rig.run();
    for _ in 0..12 {
        rig.wait(Duration::from_secs(1));
        rig.take(2, 1);
        rig.run();
    }
    rig.wait(Duration::from_secs(2));
    let closed = rig
        .events()
        .into_iter()
        .filter(|(_, told)| matches!(told, Told::Closed(_)));
    assert_eq!(
        vec![(1, Told::Closed(Verdict::stalled()))],
        closed.collect::<Vec<_>>()
    );
}

/// S9: who asked for it is closed when it is overrun.
#[test]
fn an_overrun_closes_who_asked_for_it() {
    let mut rig = rig();
    let log = rig.open(
        "actions",
        Retention {
            max_entries: 2,
            ..KEPT
        },
    );
    rig.connect(1, 1, Encoding::Json);
    let strict = Options {
        on_slow: OnSlow::Close,
        ..options(Delivery::All)
    };
    rig.subscribe(1, log, strict, Start::New, false);
    rig.take_all(1);
    for _ in 0..5 {
        rig.append(log, keys("a"));
        rig.append(log, keys("abc"));
        rig.wait(Duration::from_millis(5));
    }
    rig.take_all(1);
    rig.wait(Duration::from_secs(3));
    let closed = rig
        .events()
        .into_iter()
        .filter(|(_, told)| matches!(told, Told::Closed(_)));
    assert_eq!(
        vec![(1, Told::Closed(Verdict::overrun()))],
        closed.collect::<Vec<_>>()
    );
}

/// pr1: a panic in a turn, or among the subscribers of a channel, ends the connection it happened for, and no other.
#[test]
fn a_panic_costs_one_connection() {
    for writes in [0, 1] {
        let mut rig = rig();
        let log = rig.open("logs", KEPT);
        rig.connect(1, 1 << 20, Encoding::Json);
        rig.connect_faulty(2, writes);
        rig.connect(3, 1 << 20, Encoding::Json);
        for conn in [1, 2, 3] {
            rig.subscribe(conn, log, options(Delivery::All), Start::New, false);
        }
        rig.run();
        rig.append(log, keys("ab"));
        rig.wait(Duration::from_millis(5));
        for conn in [1, 3] {
            rig.take_all(conn);
            assert_eq!(vec![1, 2], offsets(&mut rig, conn));
        }
        let closed = rig
            .events()
            .into_iter()
            .filter(|(_, told)| matches!(told, Told::Closed(_)));
        assert_eq!(
            vec![(2, Told::Closed(Verdict::panic()))],
            closed.collect::<Vec<_>>()
        );
        assert_eq!(2, rig.shard.connections.len());
    }
}

/// E4, L18: what a peer sends is told in order, the verdict on it last, and nothing after that.
#[test]
fn messages_come_before_the_verdict_on_their_sender() {
    let mut rig = rig();
    rig.connect(1, 1 << 20, Encoding::Json);
    for text in ["{}", "{", "{\"a\":1}"] {
        assert!(rig.feed(1, text));
    }
    rig.run();
    rig.send(1, "{}");
    rig.run();
    rig.command(crate::command::Command::Close(
        1,
        Verdict::new(4010, "kicked", Cause::Local),
    ));
    rig.feed(1, "{\"b\":2}");
    rig.wait(Duration::from_secs(3));
    let told: Vec<Told> = rig.events().into_iter().map(|(_, told)| told).collect();
    let expected = vec![
        Told::Text("{}".into()),
        Told::Unreadable("bad_json"),
        Told::Text("{\"a\":1}".into()),
        Told::Output,
        Told::Closed(Verdict::new(4010, "kicked", Cause::Local)),
    ];
    assert_eq!(expected, told);
    rig.take(1, usize::MAX);
    assert_eq!(b"\x81\x02{}\x88\x08\x0f\xaakicked".to_vec(), rig.bytes(1));
}

/// What an idle connection costs (workload W4 of the benchmarks).
#[test]
fn a_connection_is_small() {
    let size = size_of::<crate::connection::Connection>();
    assert!(size <= 600, "{size}");
}
