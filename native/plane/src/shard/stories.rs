//! What is told of connections (G13): from their stories alone it can be read why a client got what it got.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::Encoding;
use crate::figures::ConnectionFigures;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, entry, options};
use crate::start::Start;

const SHORT: Retention = Retention {
    max_entries: 3,
    ..KEPT
};

/// A peer whose side holds `capacity` bytes, and its figures.
fn connect(rig: &mut Rig, conn: u64, capacity: usize) -> Arc<ConnectionFigures> {
    rig.connect(conn, capacity, Encoding::Json);
    let slot = rig.shard.slots[&conn];
    let figures = Arc::clone(&rig.shard.connections[slot].figures);
    figures.story.attached(4_096, true);
    figures
}

/// Kinds and texts, epochs as `E`.
fn told(figures: &ConnectionFigures, epoch: &str) -> Vec<(&'static str, String)> {
    let account = figures.story.read();
    account
        .records
        .iter()
        .map(|one| (one.kind.name(), one.text.replace(epoch, "E")))
        .collect()
}

fn large() -> Vec<crate::entry::NewEntry> {
    vec![entry("e", &format!("\"{}\"", "x".repeat(10_000)))]
}

/// S8, S9, M48: a subscriber that does not read is slow, then misses what was not kept, then is closed, and all of it is told.
#[test]
fn a_slow_subscriber_can_read_why_it_missed_what_it_missed() {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("logs", SHORT);
    let story = connect(&mut rig, 1, 1_000);
    rig.subscribe(1, log, options(Delivery::All), Start::New, false);
    for _ in 0..80 {
        rig.append(log, large());
        rig.wait(Duration::from_millis(100));
    }
    rig.take_all(1);
    for _ in 0..3 {
        rig.wait(Duration::from_secs(1));
    }
    let epoch = rig.epoch(log);
    let lines = told(&story, &epoch);
    let kinds: Vec<_> = lines.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        vec!["attached", "subscribed", "slow", "gap", "keeps_up"],
        kinds
    );
    assert_eq!(
        "logs from E:0, 0 behind, all, on_slow gap", lines[1].1,
        "{lines:?}"
    );
    assert!(lines[2].1.starts_with("logs ") && lines[2].1.ends_with(" behind"));
    assert!(lines[3].1.contains("entries missed (slow)"), "{lines:?}");
    assert_eq!("logs 0 behind", lines[4].1);
    let records = story.story.read().records;
    assert!(records[2].count > 3, "one record for all of it");
}

/// S9: who asked to be closed rather than miss something reads which channel it was.
#[test]
fn an_overrun_that_closes_names_its_channel() {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("signals", SHORT);
    let story = connect(&mut rig, 1, 1_000);
    let closes = Options {
        on_slow: OnSlow::Close,
        ..options(Delivery::All)
    };
    rig.subscribe(1, log, closes, Start::New, false);
    for _ in 0..80 {
        rig.append(log, large());
        rig.wait(Duration::from_millis(10));
    }
    rig.take_all(1);
    rig.wait(Duration::from_secs(1));
    let lines = told(&story, &rig.epoch(log));
    let expected = "signals: what comes next left the log before it could be sent";
    assert!(lines.contains(&("slow", expected.to_owned())), "{lines:?}");
    assert!(
        lines.contains(&("closing", "4213 slow; overrun (by slow)".to_owned())),
        "{lines:?}"
    );
}

/// S10: events that wait for the client's `ack` are told as that.
#[test]
fn who_waits_for_an_ack_is_told() {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("actions", KEPT);
    let story = connect(&mut rig, 1, 1 << 20);
    let windowed = Options {
        ack: Some(2),
        ..options(Delivery::All)
    };
    rig.subscribe(1, log, windowed, Start::New, false);
    for _ in 0..5 {
        rig.append(log, vec![entry("e", "1")]);
    }
    rig.take_all(1);
    rig.wait(Duration::from_secs(2));
    let lines = told(&story, &rig.epoch(log));
    assert_eq!(
        Some(&("awaits_ack", "actions, 3 behind".to_owned())),
        lines.last()
    );
    assert_eq!(
        "actions from E:0, 0 behind, all, on_slow gap, ack 2",
        lines[1].1
    );
}
