#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, keys, offsets, options};
use crate::start::Start;

const SHORT: Retention = Retention {
    max_entries: 3,
    ..KEPT
};

/// A peer that takes everything, on a channel of which it follows at most `ack` events ahead.
fn rig(retention: Retention, options: Options) -> (Rig, u64) {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("logs", retention);
    rig.connect(1, 1 << 20, Encoding::Json);
    rig.subscribe(1, log, options, Start::New, false);
    rig.take_all(1);
    rig.messages(1);
    (rig, log)
}

fn window(ack: u64) -> Options {
    Options {
        ack: Some(ack),
        ..options(Delivery::All)
    }
}

fn append(rig: &mut Rig, log: u64, names: &str) {
    rig.append(log, keys(names));
    rig.wait(Duration::from_millis(5));
    rig.take_all(1);
}

/// S10: at most N events beyond what was acknowledged, however many there are.
#[test]
fn a_window_lets_out_no_more_than_its_size() {
    let (mut rig, log) = rig(KEPT, window(3));
    let epoch = rig.epoch(log);
    append(&mut rig, log, "ab");
    assert_eq!(vec![1, 2], offsets(&mut rig, 1));
    append(&mut rig, log, "abcdef");
    assert_eq!(vec![3], offsets(&mut rig, 1));
    rig.acknowledge(1, log, &epoch, 2);
    rig.take_all(1);
    assert_eq!(vec![4, 5], offsets(&mut rig, 1));
    rig.acknowledge(1, log, &epoch, 5);
    rig.take_all(1);
    assert_eq!(vec![6, 7, 8], offsets(&mut rig, 1));
    let figures = &rig.shared.figures;
    assert_eq!(
        (2, 0, 2),
        (
            figures.acks.get(),
            figures.acks_ignored.get(),
            figures.window_waits.get()
        )
    );
}

/// M36: what is older, not yet sent, of another epoch, or of a channel without a window opens nothing.
#[test]
fn an_ack_of_nothing_under_way_opens_nothing() {
    let (mut rig, log) = rig(KEPT, window(2));
    let other = rig.open("other", KEPT);
    rig.subscribe(1, other, options(Delivery::All), Start::New, false);
    let epoch = rig.epoch(log);
    append(&mut rig, log, "abcdef");
    rig.acknowledge(1, log, &epoch, 1);
    rig.take_all(1);
    assert_eq!(vec![1, 2, 3], offsets(&mut rig, 1));
    let elsewhere = rig.epoch(other);
    for (channel, epoch, offset) in [
        (log, &epoch, 0),
        (log, &epoch, 4),
        (log, &elsewhere, 3),
        (other, &elsewhere, 0),
        (99, &epoch, 3),
    ] {
        rig.acknowledge(1, channel, epoch, offset);
    }
    rig.take_all(1);
    assert_eq!(Vec::<u64>::new(), offsets(&mut rig, 1));
    assert_eq!(5, rig.shared.figures.acks_ignored.get());
}

/// S10, S8: who waits for an `ack` is not stalled, costs no turns, and others go on.
#[test]
fn waiting_for_an_ack_is_no_stall() {
    let (mut rig, log) = rig(KEPT, window(1));
    rig.connect(2, 1 << 20, Encoding::Json);
    rig.subscribe(2, log, options(Delivery::All), Start::New, false);
    append(&mut rig, log, "abc");
    rig.take_all(2);
    assert_eq!(vec![1, 2, 3], offsets(&mut rig, 2));
    for _ in 0..30 {
        rig.wait(Duration::from_secs(1));
        assert!(rig.shard.wakes_at(rig.now).is_some());
    }
    assert_eq!(None, rig.closed(1));
    rig.take_all(1);
    assert_eq!(vec![1], offsets(&mut rig, 1));
}

/// S9, S10: an overrun is noticed while the window is shut, though nothing else happens on the connection; a gap is no event.
#[test]
fn an_overrun_is_noticed_while_the_window_is_shut() {
    let (mut rig, log) = rig(SHORT, window(1));
    let epoch = rig.epoch(log);
    append(&mut rig, log, "abc");
    assert_eq!(vec!["1"], brief(&mut rig, 1, &[&epoch]));
    // From here on it has no turn but by the scan.
    rig.run();
    rig.append(log, keys("def"));
    rig.wait(Duration::from_secs(1));
    rig.take(1, usize::MAX);
    assert_eq!(vec!["gap A:1 A:3 slow"], brief(&mut rig, 1, &[&epoch]));
    assert_eq!(vec![(log, format!("{epoch}:0"))], rig.positions(1));
    rig.acknowledge(1, log, &epoch, 3);
    rig.take_all(1);
    assert_eq!(vec!["4"], brief(&mut rig, 1, &[&epoch]));
}

/// S9: the same for who asked to be closed.
#[test]
fn an_overrun_closes_behind_a_shut_window_who_asked_for_it() {
    let (mut rig, log) = rig(
        SHORT,
        Options {
            on_slow: OnSlow::Close,
            ..window(1)
        },
    );
    append(&mut rig, log, "abc");
    rig.wait(Duration::from_secs(2));
    assert_eq!(None, rig.closed(1));
    append(&mut rig, log, "def");
    rig.wait(Duration::from_secs(1));
    rig.wait(Duration::from_secs(3));
    assert_eq!(Some(4213), rig.closed(1));
}

/// S10, S3: under `latest` a shut window alone conflates nothing; what its socket did not take is conflated as ever.
#[test]
fn a_window_alone_conflates_nothing() {
    let latest = Options {
        ack: Some(2),
        ..options(Delivery::Latest)
    };
    let (mut rig, log) = rig(KEPT, latest);
    let epoch = rig.epoch(log);
    append(&mut rig, log, "aaaa");
    rig.acknowledge(1, log, &epoch, 2);
    rig.take_all(1);
    assert_eq!(vec![1, 2, 3, 4], offsets(&mut rig, 1));
}

/// S7, S10: pace and window hold together, and whichever is narrower counts.
#[test]
fn a_paced_window_keeps_both_bounds() {
    let paced = Options {
        max_rate: Some(10.0),
        ack: Some(2),
        ..options(Delivery::Latest)
    };
    let (mut rig, log) = rig(KEPT, paced);
    let epoch = rig.epoch(log);
    append(&mut rig, log, "abcd");
    assert_eq!(vec![1], offsets(&mut rig, 1));
    rig.wait(Duration::from_secs(1));
    rig.take_all(1);
    assert_eq!(vec![2], offsets(&mut rig, 1));
    rig.wait(Duration::from_secs(1));
    rig.acknowledge(1, log, &epoch, 2);
    rig.take_all(1);
    assert_eq!(vec![3], offsets(&mut rig, 1));
    rig.wait(Duration::from_secs(1));
    rig.take_all(1);
    assert_eq!(vec![4], offsets(&mut rig, 1));
}

/// M26: another N takes effect at once, what is under way stays counted, and without N all comes.
#[test]
fn subscribing_again_changes_the_window() {
    let (mut rig, log) = rig(KEPT, window(4));
    let epoch = rig.epoch(log);
    append(&mut rig, log, "abcdefgh");
    assert_eq!(vec![1, 2, 3, 4], offsets(&mut rig, 1));
    rig.subscribe(1, log, window(2), Start::New, true);
    rig.take_all(1);
    assert_eq!(vec!["at A:4+4"], brief(&mut rig, 1, &[&epoch]));
    rig.acknowledge(1, log, &epoch, 2);
    rig.take_all(1);
    assert_eq!(Vec::<u64>::new(), offsets(&mut rig, 1));
    rig.acknowledge(1, log, &epoch, 3);
    rig.take_all(1);
    assert_eq!(vec![5], offsets(&mut rig, 1));
    rig.subscribe(1, log, options(Delivery::All), Start::New, true);
    rig.take_all(1);
    assert_eq!(vec![6, 7, 8], offsets(&mut rig, 1));
    assert_eq!(vec![(log, format!("{epoch}:8"))], rig.positions(1));
}

/// Who comes and goes on a channel where nothing comes leaves nothing behind, and those who stay are woken all the same.
#[test]
fn a_quiet_channel_does_not_gather_who_has_left() {
    let (mut rig, log) = rig(KEPT, window(4));
    rig.connect(2, 1 << 20, Encoding::Json);
    for _ in 0..500 {
        rig.subscribe(2, log, window(4), Start::New, false);
        rig.take_all(2);
        rig.subscribe(2, log, window(3), Start::New, false);
        rig.take_all(2);
        rig.unsubscribe(2, log);
        rig.take_all(2);
    }
    let waiting = rig
        .shard
        .views
        .all
        .iter()
        .map(|(_, view)| view.waiting.len());
    let most = waiting.max().unwrap();
    assert!(most < 50, "{most}");
    append(&mut rig, log, "a");
    assert_eq!(vec![1], offsets(&mut rig, 1));
}
