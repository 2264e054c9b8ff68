#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::closing::{Cause, Verdict};
use crate::command::Command;
use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, Told, entry, keys, offsets, options};
use crate::start::Start;

fn rig() -> Rig {
    Rig::new(Settings::default())
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

/// R11, R16: where its subscriptions stand is not told while anything that was answered before the question waits for its
/// socket; each question is answered once, however much was answered after it, and none of a connection that goes.
#[test]
fn positions_wait_for_what_was_answered_before_them() {
    let mut rig = rig();
    let log = rig.open("logs", KEPT);
    rig.connect(1, 10, Encoding::Json);
    rig.connect(2, 10, Encoding::Json);
    rig.subscribe(1, log, options(Delivery::All), Start::New, false);
    rig.take_all(1);
    rig.messages(1);
    for conn in [1, 2] {
        rig.send(conn, &format!("\"{}\"", "w".repeat(40)));
    }
    assert!(rig.positions(1).is_empty() && rig.positions(2).is_empty());
    rig.command(Command::Positions(1));
    rig.send(1, "\"behind\"");
    rig.wait(Duration::from_secs(1));
    assert_eq!(Vec::<(u64, Told)>::new(), rig.events());
    for _ in 0..4 {
        assert_eq!(10, rig.take(1, 10));
        rig.run();
    }
    let told = (
        1,
        Told::Positions(vec![(log, format!("{}:0", rig.epoch(log)))]),
    );
    assert_eq!(vec![told.clone(), told], rig.events());
    // The other takes nothing until it is closed for that.
    rig.wait(Duration::from_secs(5));
    rig.take(1, usize::MAX);
    rig.wait(Duration::from_secs(6));
    rig.wait(Duration::from_secs(3));
    let ends = rig.events();
    assert!(matches!(&ends[..], [(2, Told::Closed(_))]), "{ends:?}");
}
