//! Subscribers of part of a channel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod replays;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Command, Spec, Subscribe};
use crate::cursor::{Delivery, Options};
use crate::entry::{Encoding, NewEntry};
use crate::filter::{Bounds, Filter, Limits, Sieve, Totals};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, entry, keyed, keys, options};
use crate::start::Start;

/// Entries whose key is `a`.
const A: &str = r#"{"key":"a"}"#;
/// None.
const NONE: &str = r#"{"key":"nobody's"}"#;

pub(super) const KEYS: Retention = Retention {
    last_per_key: Some(100),
    ..KEPT
};

/// A rig, the log, and what is counted of filters.
pub(super) struct Bench {
    pub(super) rig: Rig,
    pub(super) log: u64,
    pub(super) totals: Arc<Totals>,
}

pub(super) fn bench(retention: Retention, settings: Settings) -> Bench {
    let mut rig = Rig::new(settings);
    let log = rig.open("logs", retention);
    rig.connect(1, 1 << 20, Encoding::Json);
    Bench {
        rig,
        log,
        totals: Arc::new(Totals::new(Bounds {
            all: 100,
            of_channel: 100,
            bytes: 1 << 20,
        })),
    }
}

impl Bench {
    pub(super) fn sieve(&self, text: &str) -> Arc<Sieve> {
        let filter = Filter::parse(text.as_bytes(), Limits::default()).unwrap();
        let channel = self.rig.logs.find(self.log).unwrap();
        channel.roster(&self.totals).take(filter, false).unwrap()
    }

    fn spec(&self, filter: &str, options: Options, start: Start) -> Spec {
        Spec {
            sieve: (!filter.is_empty()).then(|| self.sieve(filter)),
            ..self.rig.spec(self.log, options, start)
        }
    }

    pub(super) fn subscribe(&mut self, conn: u64, filter: &str, options: Options, start: Start) {
        let spec = self.spec(filter, options, start);
        self.rig.subscribe_by(conn, spec);
    }

    fn keep(&mut self, conn: u64, filter: &str, options: Options) {
        let spec = Spec {
            keep: true,
            ..self.spec(filter, options, Start::New)
        };
        self.rig.subscribe_by(conn, spec);
    }

    /// The same without a word to the client.
    fn keep_silently(&mut self, conn: u64, filter: &str, options: Options) {
        let spec = Spec {
            keep: true,
            ..self.spec(filter, options, Start::New)
        };
        self.rig.command(Command::Subscribe(Box::new(Subscribe {
            conn,
            specs: vec![spec],
            reply: None,
        })));
    }

    fn append(&mut self, names: &str) {
        self.rig.append(self.log, keys(names));
    }

    pub(super) fn at(&self, offset: u64) -> Start {
        Start::At {
            epoch: self.rig.epoch(self.log),
            offset,
        }
    }

    /// What is there by now is taken; what came.
    fn taken(&mut self, conn: u64) -> Vec<String> {
        self.rig.wait(Duration::from_millis(5));
        self.rig.take_all(conn);
        let epoch = self.rig.epoch(self.log);
        brief(&mut self.rig, conn, &[&epoch])
    }

    /// The gaps among what came, with their numbers.
    fn gaps(&mut self, conn: u64) -> Vec<(String, Value)> {
        self.rig.wait(Duration::from_millis(5));
        self.rig.take_all(conn);
        let messages = self.rig.messages(conn);
        let gaps = messages.iter().filter(|message| message["type"] == "gap");
        let gap = |message: &Value| {
            let text = |name: &str| {
                message[name]
                    .as_str()
                    .unwrap()
                    .rsplit_once(':')
                    .unwrap()
                    .1
                    .to_owned()
            };
            (
                format!(
                    "{} {} {}",
                    text("from"),
                    text("to"),
                    message["reason"].as_str().unwrap()
                ),
                message["missed"].clone(),
            )
        };
        gaps.map(gap).collect()
    }

    fn stand(&mut self) -> String {
        let epoch = self.rig.epoch(self.log);
        let told = self.rig.positions(1);
        told[0].1.replace(&epoch, "A")
    }
}

pub(super) fn all() -> Options {
    options(Delivery::All)
}

pub(super) fn kept() -> Bench {
    bench(KEPT, Settings::default())
}

/// P3, F3: live, a replay and the newest of it: exactly what passes, in its order.
#[test]
fn only_what_passes_comes() {
    let mut bench = kept();
    bench.append("abcab");
    for (start, expected) in [
        (bench.at(0), vec!["at A:0+5", "1", "4"]),
        (bench.at(1), vec!["at A:1+4", "4"]),
        (Start::Last(1), vec!["at A:3+2", "4"]),
        (Start::Last(2), vec!["at A:0+5", "1", "4"]),
        (Start::Last(9), vec!["at A:0+5", "1", "4"]),
        (Start::Since(0.5), vec!["at A:0+5", "1", "4"]),
        (Start::New, vec!["at A:5+0"]),
    ] {
        bench.subscribe(1, A, all(), start.clone());
        assert_eq!(expected, bench.taken(1), "{start:?}");
    }
    bench.append("babca");
    assert_eq!(vec!["7", "10"], bench.taken(1));
}

/// Equal filters are one view, whose bytes everybody is sent; the same entries in the other encoding are judged no more.
#[test]
fn equal_filters_are_judged_and_written_once() {
    let mut bench = kept();
    for conn in 1..=20 {
        let encoding = if conn % 2 == 0 {
            Encoding::Json
        } else {
            Encoding::Msgpack
        };
        if conn > 1 {
            bench.rig.connect(conn, 1 << 20, encoding);
        }
        let text = if conn % 4 == 0 {
            A
        } else {
            "{ \"key\" : {\"eq\":\"\\u0061\"} }"
        };
        bench.subscribe(conn, text, all(), Start::New);
    }
    bench.taken(2);
    assert_eq!(
        (1, 2),
        (bench.totals.count(), bench.rig.shard.views.all.len())
    );
    for _ in 0..10 {
        bench.append("abcdef");
        bench.rig.wait(Duration::from_millis(2));
    }
    assert_eq!(60, bench.totals.judged.get());
    assert_eq!(11, bench.taken(20).len());
    // Coming back is no reason to judge again.
    bench.subscribe(2, A, all(), bench.at(0));
    assert_eq!(21, bench.taken(2).len());
    assert_eq!(60, bench.totals.judged.get());
    for conn in 1..=20 {
        let log = bench.log;
        bench.rig.unsubscribe(conn, log);
    }
    assert_eq!(
        (0, 0),
        (bench.totals.count(), bench.rig.shard.views.all.len())
    );
}

/// P3: who comes while the thread has yet to read what it was told of gets what is appended from then on, by whatever view.
#[test]
fn a_view_that_comes_late_misses_nothing() {
    for (encoding, filter) in [(Encoding::Msgpack, ""), (Encoding::Json, A)] {
        let mut bench = kept();
        bench.subscribe(1, "", all(), Start::New);
        bench.append("b");
        bench.rig.connect(2, 1 << 20, encoding);
        bench.subscribe(2, filter, all(), Start::New);
        bench.append("a");
        assert_eq!(3, bench.taken(1).len());
        bench.rig.take_all(2);
        assert_eq!(3, bench.rig.shared.figures.deliveries.get(), "{encoding:?}");
    }
}

/// What passes nobody's filter wakes nobody and writes nothing.
#[test]
fn what_does_not_pass_costs_those_who_follow_nothing() {
    let mut bench = kept();
    bench.subscribe(1, A, all(), Start::New);
    bench.taken(1);
    bench.append("a");
    bench.taken(1);
    bench.rig.run();
    let written = bench.rig.shared.figures.bytes_out.get();
    for _ in 0..50 {
        bench.append("b");
        bench
            .rig
            .shard
            .flush(bench.rig.now + Duration::from_millis(5));
        assert!(bench.rig.shard.ready.is_empty(), "nobody has a turn");
    }
    assert_eq!(written, bench.rig.shared.figures.bytes_out.get());
    assert_eq!(1, bench.rig.shared.figures.deliveries.get());
}

/// P9: after a second on which nothing else told it, or after a thousand entries, the client is told where it stands: a
/// follower, and one with a window.
#[test]
fn a_watermark_tells_what_was_passed_over() {
    for ack in [None, Some(10)] {
        let mut bench = kept();
        let asked = Options { ack, ..all() };
        bench.subscribe(1, A, asked, Start::New);
        assert_eq!(vec!["at A:0+0"], bench.taken(1));
        bench.append("bb");
        assert!(bench.taken(1).is_empty());
        for _ in 0..4 {
            bench.rig.wait(Duration::from_secs(1));
        }
        assert_eq!(vec!["ack logs=A:2"], bench.taken(1), "{ack:?}");
        for _ in 0..4 {
            bench.rig.wait(Duration::from_secs(1));
        }
        assert!(bench.taken(1).is_empty(), "nothing is new");
        bench.append("ab");
        assert_eq!(vec!["3"], bench.taken(1));
        for _ in 0..3 {
            bench
                .rig
                .append(bench.log, (0..400).map(|_| keyed("b", "1")).collect());
            bench.rig.wait(Duration::from_millis(5));
        }
        let told = bench.taken(1);
        assert_eq!(1, told.len(), "{told:?}");
        let told: u64 = told[0].rsplit_once(':').unwrap().1.parse().unwrap();
        assert!((1_003..=1_204).contains(&told), "{told}");
        bench.append("a");
        assert_eq!(vec!["1205"], bench.taken(1));
        let log = bench.log;
        if ack.is_some() {
            let epoch = bench.rig.epoch(log);
            bench.rig.acknowledge(1, log, &epoch, 1_205);
        }
        assert_eq!("A:1205", bench.stand());
    }
}

/// P9: all subscriptions of a connection are told together, once a second at most.
#[test]
fn subscriptions_are_told_together() {
    let mut bench = kept();
    let other = bench.rig.open("metrics", KEPT);
    bench.subscribe(1, A, all(), Start::New);
    let channel = bench.rig.logs.find(other).unwrap();
    let filter = Filter::parse(A.as_bytes(), Limits::default()).unwrap();
    let sieve = channel.roster(&bench.totals).take(filter, false).unwrap();
    let spec = Spec {
        sieve: Some(sieve),
        ..bench.rig.spec(other, all(), Start::New)
    };
    bench.rig.subscribe_by(1, spec);
    bench.taken(1);
    bench.append("b");
    bench.rig.append(other, keys("cc"));
    for _ in 0..3 {
        bench.rig.wait(Duration::from_secs(1));
    }
    bench.rig.take_all(1);
    let messages = bench.rig.messages(1);
    assert_eq!(1, messages.len());
    assert_eq!(2, messages[0]["positions"].as_object().unwrap().len());
}

/// R8, M47: a position covers what was passed over, whether or not the client was told.
#[test]
fn positions_move_over_what_does_not_pass() {
    let mut bench = kept();
    bench.append("ab");
    bench.subscribe(1, A, all(), bench.at(0));
    bench.taken(1);
    assert_eq!("A:2", bench.stand());
    bench.append("bbb");
    bench.taken(1);
    assert_eq!("A:5", bench.stand());
    bench.append("ab");
    bench.taken(1);
    assert_eq!("A:7", bench.stand());
}

/// A filter that looks into large and strange entries changes nothing of them.
#[test]
fn entries_pass_as_they_are() {
    let mut bench = kept();
    bench.subscribe(
        1,
        r#"{"data.n":{"gt":9007199254740992}}"#,
        all(),
        Start::New,
    );
    let data = format!(r#"{{"x":"{}","n":9007199254740993}}"#, "y".repeat(100_000));
    let log = bench.log;
    let new: Vec<NewEntry> = vec![entry("e", r#"{"n":9007199254740992}"#), entry("e", &data)];
    bench.rig.append(log, new);
    bench.rig.wait(Duration::from_millis(5));
    bench.rig.take_all(1);
    let messages = bench.rig.messages(1);
    let expected: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((2, &expected), (messages.len(), &messages[1]["data"]));
}
