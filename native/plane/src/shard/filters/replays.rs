//! What a filter makes of replays, snapshots and overruns, and what gaps count.

use std::time::Duration;

use serde_json::Value;

use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::Encoding;
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::filters::{A, KEYS, NONE, all, bench, kept};
use crate::shard::rig::{KEPT, keyed, options};
use crate::start::Start;

/// R9, M48: a replay is capped by what is owed, and the gap counts what is owed.
#[test]
fn a_replay_is_capped_by_what_passes() {
    let mut bench = bench(
        KEPT,
        Settings {
            resume_events: 3,
            ..Settings::default()
        },
    );
    bench.append("abababab");
    bench.subscribe(1, A, all(), bench.at(0));
    assert_eq!(
        vec!["at A:0+8", "gap A:0 A:2 limit", "3", "5", "7"],
        bench.taken(1)
    );
    bench.subscribe(1, A, all(), bench.at(0));
    assert_eq!(vec![("0 2 limit".into(), Value::from(1))], bench.gaps(1));
    bench.subscribe(1, A, all(), bench.at(1));
    assert_eq!(vec!["at A:1+7", "3", "5", "7"], bench.taken(1));
    bench.subscribe(1, NONE, all(), bench.at(0));
    assert_eq!(vec!["at A:0+8"], bench.taken(1));
    bench.subscribe(1, "", all(), bench.at(0));
    assert_eq!(vec![("0 5 limit".into(), Value::from(5))], bench.gaps(1));
}

/// M25, M48: of what has left the log only what was judged before can be counted; where nothing of it was owed, nothing is
/// missing.
#[test]
fn what_has_left_the_log_is_counted_if_it_was_judged() {
    let short = Retention {
        max_entries: 3,
        ..KEPT
    };
    let mut bench = bench(short, Settings::default());
    bench.append("aaaaab");
    bench.subscribe(1, A, all(), bench.at(0));
    assert_eq!(vec![("0 3 retention".into(), Value::Null)], bench.gaps(1));
    // From here on it is judged.
    for name in ["a", "b", "a", "b", "b"] {
        bench.append(name);
        bench.taken(1);
    }
    bench.rig.connect(2, 1 << 20, Encoding::Json);
    bench.subscribe(2, A, all(), bench.at(6));
    assert_eq!(
        vec![("6 8 retention".into(), Value::from(1))],
        bench.gaps(2)
    );
    bench.subscribe(2, A, all(), bench.at(7));
    assert_eq!(vec!["at A:7+4", "9"], bench.taken(2), "8 did not pass");
}

/// S9: who could not be written to while the log let go is overrun only by what it was owed; and the gap counts that.
#[test]
fn only_what_is_owed_overruns() {
    let short = Retention {
        max_entries: 4,
        ..KEPT
    };
    for on_slow in [OnSlow::Gap, OnSlow::Close] {
        let mut bench = bench(short, Settings::default());
        let asked = Options {
            ack: Some(1),
            on_slow,
            ..all()
        };
        bench.subscribe(1, A, asked, Start::New);
        bench.append("a");
        assert_eq!(vec!["at A:0+0", "1"], bench.taken(1));
        // The window is shut.
        for number in 0..10 {
            bench.append("b");
            bench.rig.wait(Duration::from_secs(1));
            assert_eq!(None, bench.rig.closed(1), "{on_slow:?} {number}");
        }
        bench.taken(1);
        for _ in 0..3 {
            bench.append("abb");
            bench.rig.wait(Duration::from_millis(5));
        }
        bench.rig.wait(Duration::from_secs(1));
        if on_slow == OnSlow::Close {
            bench.rig.take_all(1);
            bench.rig.wait(Duration::from_secs(3));
            assert_eq!(Some(4213), bench.rig.closed(1));
            continue;
        }
        let gaps = bench.gaps(1);
        assert_eq!(1, gaps.len(), "{gaps:?}");
        let (place, missed) = &gaps[0];
        let from: u64 = place.split(' ').next().unwrap().parse().unwrap();
        assert!(
            (1..=11).contains(&from) && place.ends_with(" 16 slow"),
            "{place}"
        );
        assert_eq!(&Value::from(2), missed);
        let log = bench.log;
        let epoch = bench.rig.epoch(log);
        bench.rig.acknowledge(1, log, &epoch, 16);
        assert_eq!(vec!["18"], bench.taken(1));
    }
}

/// S3, S5: under `latest` a newer entry counts whether it passes or not; a snapshot is of each key the newest, if it passes.
#[test]
fn latest_is_of_the_newest_if_it_passes() {
    for retention in [KEPT, KEYS] {
        let mut bench = bench(retention, Settings::default());
        let high = r#"{"data":{"gte":5}}"#;
        let latest = options(Delivery::Latest);
        let log = bench.log;
        bench.rig.append(
            log,
            vec![
                keyed("a", "9"),
                keyed("b", "9"),
                keyed("a", "1"),
                keyed("c", "7"),
                keyed("d", "null"),
            ],
        );
        bench.subscribe(1, high, latest, Start::Snapshot);
        assert_eq!(vec!["at A:0+5", "2", "4"], bench.taken(1), "{retention:?}");
        bench
            .rig
            .append(log, vec![keyed("a", "8"), keyed("b", "0"), keyed("c", "9")]);
        assert_eq!(vec!["6", "8"], bench.taken(1));
        for _ in 0..4 {
            bench.rig.wait(Duration::from_secs(1));
        }
        assert!(
            bench.taken(1).is_empty(),
            "the last entry tells where it stands"
        );
        bench.rig.append(log, vec![keyed("c", "0")]);
        for _ in 0..4 {
            bench.rig.wait(Duration::from_secs(1));
        }
        assert_eq!(vec!["ack logs=A:9"], bench.taken(1));
    }
}

/// S7: the rate counts what is sent.
#[test]
fn a_rate_counts_what_passes() {
    let mut bench = bench(KEYS, Settings::default());
    let paced = Options {
        max_rate: Some(10.0),
        ..options(Delivery::Latest)
    };
    let log = bench.log;
    let many = (0..50).map(|number| keyed(&format!("k{number}"), &number.to_string()));
    bench.rig.append(log, many.collect());
    bench.subscribe(1, r#"{"data":{"gte":48}}"#, paced, Start::Snapshot);
    bench.rig.take(1, usize::MAX);
    bench.rig.wait(Duration::from_millis(5));
    bench.rig.take(1, usize::MAX);
    let epoch = bench.rig.epoch(log);
    assert_eq!(vec!["at A:0+50", "49"], brief(&mut bench.rig, 1, &[&epoch]));
    bench.rig.wait(Duration::from_millis(110));
    bench.rig.take(1, usize::MAX);
    assert_eq!(vec!["50"], brief(&mut bench.rig, 1, &[&epoch]));
}

/// N4, P12: in another history nothing is known of what was judged in the former one.
#[test]
fn another_history_is_judged_anew() {
    let mut bench = kept();
    bench.subscribe(1, A, all(), Start::New);
    bench.append("ab");
    bench.taken(1);
    let former = bench.rig.epoch(bench.log);
    bench.rig.rotate(bench.log);
    bench.append("ba");
    bench.rig.wait(Duration::from_millis(5));
    bench.rig.take_all(1);
    let epoch = bench.rig.epoch(bench.log);
    let told = brief(&mut bench.rig, 1, &[&former, &epoch]);
    assert_eq!(vec!["gap A:2 B:0 epoch", "2"], told);
}

/// R17: a long log is looked through in slices, and everybody else has his turn in between.
#[test]
fn a_long_log_is_looked_through_in_slices() {
    let mut bench = bench(
        KEPT,
        Settings {
            resume_events: 50_000,
            ..Settings::default()
        },
    );
    let log = bench.log;
    let many = (0..20_000).map(|_| keyed("b", "1"));
    bench.rig.append(log, many.collect());
    bench.append("a");
    // Judged when it comes to it, as after a change of filter.
    let shut = Options {
        ack: Some(1),
        ..all()
    };
    bench.subscribe(1, "", shut, bench.at(0));
    assert_eq!(vec!["at A:0+20001", "1"], bench.taken(1));
    bench.rig.run();
    bench.keep(1, A, all());
    bench.rig.shard.run(bench.rig.now);
    let judged = bench.totals.judged.get();
    assert!((1..20_000).contains(&judged), "{judged}");
    assert_eq!(vec!["at A:1+20000", "20001"], bench.taken(1));
    assert_eq!(20_000, bench.totals.judged.get());
}
