#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, keyed, keys, options};
use crate::start::Start;

/// A ring of two, beside the newest entry of each key where `keys` says so.
fn rig(last_per_key: Option<usize>) -> (Rig, u64) {
    let mut rig = Rig::new(Settings {
        resume_events: 3,
        ..Settings::default()
    });
    let retention = Retention {
        max_entries: 2,
        last_per_key,
        ..KEPT
    };
    let log = rig.open("status", retention);
    rig.connect(1, 1 << 20, Encoding::Json);
    (rig, log)
}

fn at(epoch: &str, offset: u64) -> Start {
    Start::At {
        epoch: epoch.into(),
        offset,
    }
}

/// Subscribe, and everything that comes of it.
fn start(rig: &mut Rig, log: u64, delivery: Delivery, start: Start) -> Vec<String> {
    rig.subscribe(1, log, options(delivery), start, false);
    rig.take_all(1);
    let epoch = rig.epoch(log);
    brief(rig, 1, &[&epoch])
}

/// `a` at 1, `b` until its removal at 4, `c` at last at 6.
fn append_with_removal(rig: &mut Rig, log: u64) {
    rig.append(log, keys("abc"));
    rig.append(log, vec![keyed("b", "null")]);
    rig.append(log, keys("cc"));
}

/// P12, S13: `latest` goes on from what is kept per key where the ring no longer reaches, removals included.
#[test]
fn latest_goes_on_where_the_ring_has_lost_its_place() {
    let (mut rig, log) = rig(Some(10));
    append_with_removal(&mut rig, log);
    let epoch = rig.epoch(log);
    assert_eq!(
        vec!["at A:1+5", "4", "6"],
        start(&mut rig, log, Delivery::Latest, at(&epoch, 1))
    );
    assert_eq!(
        vec!["at A:1+5", "gap A:1 A:4 retention", "5", "6"],
        start(&mut rig, log, Delivery::All, at(&epoch, 1))
    );
}

/// S6: unless a removal was forgotten that it should have learnt of: then all that is kept comes again.
#[test]
fn latest_begins_again_where_a_removal_was_forgotten() {
    let (mut rig, log) = rig(Some(2));
    rig.append(log, keys("ab"));
    rig.append(log, ["b", "x", "y"].map(|key| keyed(key, "null")).into());
    rig.append(log, keys("aa"));
    let epoch = rig.epoch(log);
    assert_eq!(
        vec!["at A:2+5", "gap A:2 A:0 slow", "7"],
        start(&mut rig, log, Delivery::Latest, at(&epoch, 2))
    );
    // From the beginning there is nothing to unlearn.
    assert_eq!(
        vec!["at A:0+7", "7"],
        start(&mut rig, log, Delivery::Latest, at(&epoch, 0))
    );
}

/// P12: a position of another history: one gap to the beginning of this one, and a snapshot.
#[test]
fn latest_from_another_history_gets_a_snapshot() {
    let (mut rig, log) = rig(Some(10));
    append_with_removal(&mut rig, log);
    assert_eq!(
        vec!["at k3Fq:612+6", "gap k3Fq:612 A:0 epoch", "1", "6"],
        start(&mut rig, log, Delivery::Latest, at("k3Fq", 612))
    );
}

/// P10, R9, M49: `all` gets what is still kept, and the one gap names the strongest reason.
#[test]
fn all_from_another_history_gets_what_is_kept() {
    let (mut rig, log) = rig(Some(10));
    rig.append(log, keys("abcde"));
    assert_eq!(
        vec!["at k3Fq:612+2", "gap k3Fq:612 A:3 epoch", "4", "5"],
        start(&mut rig, log, Delivery::All, at("k3Fq", 612))
    );
    let long = rig.open("long", KEPT);
    rig.append(long, keys("abcde"));
    assert_eq!(
        vec!["at k3Fq:612+3", "gap k3Fq:612 A:2 epoch", "3", "4", "5"],
        start(&mut rig, long, Delivery::All, at("k3Fq", 612))
    );
    let empty = rig.open("empty", KEPT);
    assert_eq!(
        vec!["at k3Fq:612+0", "gap k3Fq:612 A:0 epoch"],
        start(&mut rig, empty, Delivery::All, at("k3Fq", 612))
    );
}

/// P11: beyond the head, whatever the delivery: a gap back to it.
#[test]
fn a_position_beyond_the_head_leads_back_to_it() {
    for last_per_key in [None, Some(10)] {
        for delivery in [Delivery::All, Delivery::Latest] {
            let (mut rig, log) = rig(last_per_key);
            rig.append(log, keys("abc"));
            let epoch = rig.epoch(log);
            assert_eq!(
                vec!["at A:9+0", "gap A:9 A:3 epoch"],
                start(&mut rig, log, delivery, at(&epoch, 9))
            );
            rig.append(log, keys("d"));
            rig.wait(Duration::from_millis(5));
            rig.take_all(1);
            assert_eq!(vec!["4"], brief(&mut rig, 1, &[]));
        }
    }
}

/// M25: `since` reaches back by what is kept per key, without a gap under `latest`.
#[test]
fn since_goes_on_from_what_is_kept_per_key() {
    let (mut rig, log) = rig(Some(10));
    for (ts, name) in (1_u8..).zip(["a", "b", "c", "b", "d", "d"]) {
        rig.append_at(log, keys(name), f64::from(ts));
    }
    assert_eq!(
        vec!["at A:2+4", "3", "4", "6"],
        start(&mut rig, log, Delivery::Latest, Start::Since(2.0))
    );
    assert_eq!(
        vec!["at A:0+6", "gap A:0 A:4 retention", "5", "6"],
        start(&mut rig, log, Delivery::All, Start::Since(2.0))
    );
    assert_eq!(
        vec!["at A:5+1", "6"],
        start(&mut rig, log, Delivery::Latest, Start::Since(6.0))
    );
}

/// R9: `latest` neither counts in the cap nor is cut by it; `all` gets the newest by `ts`.
#[test]
fn latest_is_not_cut_and_does_not_count() {
    let (mut rig, _) = rig(None);
    let (all, latest) = (rig.open("all", KEPT), rig.open("latest", KEPT));
    for log in [all, latest] {
        rig.append(log, keys("abcde"));
    }
    let specs = [(all, Delivery::All), (latest, Delivery::Latest)].map(|(log, delivery)| {
        let start = at(&rig.epoch(log), 0);
        let options = Options {
            ack: Some(5),
            ..options(delivery)
        };
        rig.spec(log, options, start)
    });
    for spec in specs {
        rig.subscribe_by(1, spec);
    }
    rig.take_all(1);
    let (a, b) = (rig.epoch(all), rig.epoch(latest));
    let mut received = brief(&mut rig, 1, &[&a, &b]);
    received.sort();
    let mut expected = vec![
        "at A:0+5",
        "gap A:0 A:2 limit",
        "3",
        "4",
        "5",
        "at B:0+5",
        "1",
        "2",
        "3",
        "4",
        "5",
    ];
    expected.sort_unstable();
    assert_eq!(expected, received);
}

/// P11, R16, N4: a client's bare word is told to nobody as a position; before its gap is sent it stands at the head it was
/// given, with a window too, and nothing beyond that can be acknowledged.
#[test]
fn a_place_beyond_the_head_is_never_told_as_a_position() {
    for ack in [None, Some(3)] {
        let (mut rig, log) = rig(None);
        rig.connect(2, 1, Encoding::Json);
        rig.append(log, keys("abcd"));
        let epoch = rig.epoch(log);
        let asked = Options {
            ack,
            ..options(Delivery::All)
        };
        rig.subscribe(2, log, asked, at(&epoch, 999_999), false);
        rig.append(log, keys("ef"));
        // Byte by byte, until the answer is on its way and the gap is not.
        let mut told = rig.positions(2);
        while told.is_empty() {
            rig.take(2, 1);
            told = rig.positions(2);
        }
        assert!(told.iter().all(|one| *one == (log, format!("{epoch}:4"))));
        for offset in [6, 999_998, 999_999] {
            rig.acknowledge(2, log, &epoch, offset);
        }
        assert_eq!(vec![(log, format!("{epoch}:4"))], rig.positions(2));
        rig.take_all(2);
        assert_eq!(
            vec!["at A:999999+0", "gap A:999999 A:4 epoch", "5", "6"],
            brief(&mut rig, 2, &[&epoch])
        );
    }
}
