#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, keyed, keys, options};
use crate::start::Start;

const KEYED: Retention = Retention {
    last_per_key: Some(10_000),
    ..KEPT
};

/// Two channels with something to show, and so many removals behind it: nothing of them is in a snapshot.
fn rig(removals: usize) -> (Rig, [u64; 2]) {
    let mut rig = Rig::new(Settings::default());
    let logs = ["metrics", "status"].map(|name| rig.open(name, KEYED));
    for log in logs {
        rig.append(log, keys("a"));
        let gone = (0..removals).map(|number| keyed(&format!("k{number}"), "null"));
        rig.append(log, gone.collect());
    }
    rig.connect(1, 1 << 20, Encoding::Json);
    (rig, logs)
}

fn told(rig: &mut Rig, logs: [u64; 2]) -> Vec<String> {
    rig.take(1, usize::MAX);
    let epochs = logs.map(|log| rig.epoch(log));
    brief(rig, 1, &[&epochs[0], &epochs[1]])
}

fn latest(rig: &mut Rig, connection: u64, log: u64) {
    let options = options(Delivery::Latest);
    rig.subscribe(connection, log, options, Start::Snapshot, false);
}

fn snapshot(rig: &mut Rig, log: u64) {
    latest(rig, 1, log);
    rig.wait(Duration::from_millis(1));
}

/// However long it takes.
fn nothing_told(rig: &mut Rig) {
    for _ in 0..5 {
        rig.wait(Duration::from_secs(1));
    }
    assert_eq!(0, rig.shared.figures.watermarks.get());
}

/// P9: by whatever little, for a second; the subscriptions of a connection are told together, and once.
#[test]
fn a_cursor_that_stands_further_on_is_told_after_a_second() {
    let (mut rig, logs) = rig(2);
    snapshot(&mut rig, logs[0]);
    rig.wait(Duration::from_millis(400));
    snapshot(&mut rig, logs[1]);
    assert_eq!(vec!["at A:0+3", "1", "at B:0+3", "1"], told(&mut rig, logs));
    for _ in 0..3 {
        rig.wait(Duration::from_millis(190));
        assert_eq!(Vec::<String>::new(), told(&mut rig, logs));
    }
    rig.wait(Duration::from_secs(1));
    assert_eq!(vec!["ack metrics=A:3 status=B:3"], told(&mut rig, logs));
    for _ in 0..5 {
        rig.wait(Duration::from_secs(1));
        assert_eq!(Vec::<String>::new(), told(&mut rig, logs));
    }
    assert_eq!(1, rig.shared.figures.watermarks.get());
    rig.append(logs[0], keys("b"));
    rig.wait(Duration::from_millis(5));
    assert_eq!(vec!["4"], told(&mut rig, logs));
}

/// P9: a thousand entries are told at once.
#[test]
fn a_cursor_far_beyond_is_told_at_once() {
    let (mut rig, logs) = rig(1_000);
    snapshot(&mut rig, logs[0]);
    assert_eq!(
        vec!["at A:0+1001", "1", "ack metrics=A:1001"],
        told(&mut rig, logs)
    );
}

/// M8: a watermark waits until its place in the stream is reached: nothing is pushed while anything is unsent.
#[test]
fn a_watermark_overtakes_nothing() {
    let (mut rig, logs) = rig(2_000);
    rig.connect(2, 100, Encoding::Json);
    latest(&mut rig, 2, logs[0]);
    nothing_told(&mut rig);
    rig.take_all(2);
    let epoch = rig.epoch(logs[0]);
    assert_eq!(
        vec!["at A:0+2001", "1", "ack metrics=A:2001"],
        brief(&mut rig, 2, &[&epoch])
    );
}

/// M8: nor is it pushed into a stream that takes nothing, where events of another channel wait.
#[test]
fn a_watermark_waits_for_a_blocked_socket() {
    let (mut rig, logs) = rig(2);
    rig.connect(2, 1_000, Encoding::Json);
    latest(&mut rig, 2, logs[0]);
    rig.subscribe(2, logs[1], options(Delivery::All), Start::New, false);
    rig.take_all(2);
    rig.append(
        logs[1],
        vec![keyed("a", &format!("\"{}\"", "x".repeat(5_000)))],
    );
    nothing_told(&mut rig);
    rig.take_all(2);
    rig.wait(Duration::from_secs(1));
    rig.take_all(2);
    let epochs = logs.map(|log| rig.epoch(log));
    assert_eq!(
        vec!["at A:0+3", "at B:3+0", "1", "4", "ack metrics=A:3"],
        brief(&mut rig, 2, &[&epochs[0], &epochs[1]])
    );
}

/// P9: an event that comes in time tells it as well, and no watermark follows.
#[test]
fn an_event_tells_where_a_cursor_stands() {
    let (mut rig, logs) = rig(2);
    snapshot(&mut rig, logs[0]);
    rig.append(logs[0], keys("b"));
    rig.wait(Duration::from_millis(5));
    for _ in 0..4 {
        rig.wait(Duration::from_secs(1));
    }
    assert_eq!(vec!["at A:0+3", "1", "4"], told(&mut rig, logs));
    assert_eq!(0, rig.shared.figures.watermarks.get());
}

/// S5, S6: a snapshot leaves removed keys out, the changes after it do not, at whatever pace.
#[test]
fn a_removal_after_a_paced_snapshot_is_told() {
    let (mut rig, logs) = rig(0);
    let paced = Options {
        max_rate: Some(10.0),
        ..options(Delivery::Latest)
    };
    rig.subscribe(1, logs[0], paced, Start::Snapshot, false);
    rig.wait(Duration::from_millis(1));
    rig.append(logs[0], vec![keyed("a", "null")]);
    rig.wait(Duration::from_secs(1));
    assert_eq!(vec!["at A:0+1", "1", "2"], told(&mut rig, logs));
}

/// M47: a client may acknowledge what a watermark told it, and stands there when Python asks.
#[test]
fn a_watermark_can_be_acknowledged() {
    let (mut rig, logs) = rig(1_000);
    let windowed = Options {
        ack: Some(1),
        ..options(Delivery::Latest)
    };
    rig.subscribe(1, logs[0], windowed, Start::Snapshot, false);
    rig.wait(Duration::from_millis(1));
    let epoch = rig.epoch(logs[0]);
    assert_eq!(vec!["at A:0+1001", "1"], told(&mut rig, logs));
    rig.acknowledge(1, logs[0], &epoch, 1);
    rig.wait(Duration::from_millis(1));
    assert_eq!(vec!["ack metrics=A:1001"], told(&mut rig, logs));
    rig.acknowledge(1, logs[0], &epoch, 1_001);
    assert_eq!(vec![(logs[0], format!("{epoch}:1001"))], rig.positions(1));
}

/// E4, I1, I4, P12: what is told on demand behind a gap into another history is of that one, by whatever way the entries come,
/// though the client has acknowledged nothing of it, or speaks of the former one.
#[test]
fn a_watermark_behind_a_gap_names_no_former_history() {
    let windowed = |delivery, max_rate| Options {
        ack: Some(3),
        max_rate,
        ..options(delivery)
    };
    for (number, options) in [
        options(Delivery::All),
        options(Delivery::Latest),
        windowed(Delivery::All, None),
        windowed(Delivery::Latest, None),
        windowed(Delivery::Latest, Some(10.0)),
    ]
    .into_iter()
    .enumerate()
    {
        for elsewhere in [false, true] {
            let mut rig = Rig::new(Settings::default());
            let log = rig.open("logs", KEPT);
            rig.connect(1, 1 << 20, Encoding::Json);
            rig.subscribe(1, log, options, Start::New, false);
            rig.append(log, keys("ab"));
            // The paced one gets one event at a time.
            for _ in 0..2 {
                rig.wait(Duration::from_millis(500));
                rig.take_all(1);
            }
            let a = rig.epoch(log);
            rig.acknowledge(1, log, &a, 1);
            if elsewhere {
                rig.begin(log, "elsewhere", 4);
            } else {
                rig.rotate(log);
            }
            // The I/O thread has not heard of it: it tells what stands before the gap.
            rig.affirm(1, &[log]);
            rig.tell(log);
            rig.take_all(1);
            rig.acknowledge(1, log, &a, 2);
            rig.affirm(1, &[log]);
            rig.take_all(1);
            rig.append(log, keys("c"));
            rig.wait(Duration::from_secs(1));
            rig.take_all(1);
            rig.affirm(1, &[log]);
            rig.wait(Duration::from_secs(3));
            rig.take_all(1);
            let b = rig.epoch(log);
            let to = if elsewhere { 4 } else { 0 };
            let expected = [
                "at A:0+0".to_owned(),
                "1".into(),
                "2".into(),
                "ack logs=A:2".into(),
                format!("gap A:2 B:{to} epoch"),
                format!("ack logs=B:{to}"),
                (to + 1).to_string(),
                format!("ack logs=B:{}", to + 1),
            ];
            let told = brief(&mut rig, 1, &[&a, &b]);
            assert_eq!(expected[..], told, "case {number}");
        }
    }
}

/// E4, P12: who is still owed the gap is told by it alone, and a channel that is not followed by nothing.
#[test]
fn a_gap_that_is_owed_needs_no_watermark() {
    let mut rig = Rig::new(Settings::default());
    let logs = ["logs", "status"].map(|name| rig.open(name, KEPT));
    rig.connect(1, 100, Encoding::Json);
    rig.subscribe(1, logs[0], options(Delivery::All), Start::New, false);
    rig.take_all(1);
    rig.append(
        logs[0],
        vec![keyed("a", &format!("\"{}\"", "x".repeat(5_000)))],
    );
    rig.wait(Duration::from_millis(5));
    let a = rig.epoch(logs[0]);
    rig.rotate(logs[0]);
    rig.tell(logs[0]);
    rig.affirm(1, &[logs[1], 99]);
    // The event that was begun ends before it.
    rig.affirm(1, &logs);
    rig.take_all(1);
    let b = rig.epoch(logs[0]);
    assert_eq!(
        vec!["at A:0+0", "1", "ack logs=A:1", "gap A:1 B:0 epoch"],
        brief(&mut rig, 1, &[&a, &b])
    );
    let start = Start::At {
        epoch: a.clone(),
        offset: 1,
    };
    rig.connect(2, 10, Encoding::Json);
    rig.subscribe(2, logs[0], options(Delivery::All), start, false);
    rig.run();
    rig.affirm(2, &logs);
    rig.take_all(2);
    assert_eq!(
        vec!["at A:1+0", "gap A:1 B:0 epoch"],
        brief(&mut rig, 2, &[&a, &b])
    );
}
