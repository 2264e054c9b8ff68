//! Filters beside compression and media: what passes does not depend on how it is written, and is judged once for all forms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::command::Command;
use crate::content::{Accepts, Content, ContentEncoding, OwnContent};
use crate::cursor::Delivery;
use crate::entry::{Encoding, NewEntry};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::filters::{Bench, KEYS, all, bench, kept};
use crate::shard::forms::messages;
use crate::shard::rig::{KEPT, entry, options};
use crate::start::Start;

/// Entries whose `data.a` is 1.
const ONE: &str = r#"{"data.a":1}"#;
/// Those without `data`.
const NO_DATA: &str = r#"{"data":{"exists":false}}"#;

fn of(data: &[u8], media_type: &str, encoding: Option<ContentEncoding>) -> NewEntry {
    NewEntry {
        event: "e".into(),
        data: data.into(),
        content: Some(Box::new(OwnContent::from(Content {
            media_type,
            encoding,
            meta: None,
        }))),
        ..NewEntry::default()
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn encoded(text: &str) -> NewEntry {
    of(&gzip(text), "application/json", Some(ContentEncoding::Gzip))
}

/// One of each kind, of which the first and the third have `data.a` of 1.
fn kinds() -> Vec<NewEntry> {
    let spaces = " ".repeat(600);
    vec![
        encoded(&format!("{{\"a\":1{spaces}}}")),
        encoded("{\"a\":2}"),
        entry("e", &format!("{{\"a\":1.0{spaces}}}")),
        of(b"{\"a\":1}", "text/plain", None),
        of(&gzip("{\"a\":1}"), "text/csv", Some(ContentEncoding::Gzip)),
    ]
}

fn keyed(key: &str, new: NewEntry) -> NewEntry {
    NewEntry {
        key: Some(key.into()),
        ..new
    }
}

/// Offsets of the entries that came, whatever they came as, and how many came compressed.
fn came(bench: &mut Bench, conn: u64) -> (Vec<u64>, usize) {
    bench.rig.wait(Duration::from_millis(5));
    bench.rig.take_all(conn);
    let all = messages(&bench.rig.bytes(conn));
    let compressed = all.iter().filter(|(compressed, _)| *compressed).count();
    let offsets = all.iter().filter_map(|(_, message)| offset(message));
    (offsets.collect(), compressed)
}

/// Of JSON, of a media frame, or of msgpack as long as it is small.
fn offset(message: &[u8]) -> Option<u64> {
    let (json, packed) = (&b"\"offset\":"[..], &b"\xa6offset"[..]);
    let after = |name: &[u8]| {
        let at = message.windows(name.len()).position(|one| one == name)?;
        message.get(at + name.len()..)
    };
    if let Some(rest) = after(json) {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        return Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
    }
    after(packed).map(|rest| u64::from(rest[0]))
}

/// Peers of four forms: plain, compressed, msgpack, and one that decodes gzip itself.
fn four(retention: Retention) -> Bench {
    let mut bench = bench(retention, Settings::default());
    bench.rig.connect_as(2, 1 << 20, Encoding::Json, true);
    bench.rig.connect(3, 1 << 20, Encoding::Msgpack);
    bench.rig.connect(4, 1 << 20, Encoding::Json);
    let gzip = Accepts::default().with(ContentEncoding::Gzip);
    bench.rig.command(Command::Accept(4, gzip));
    bench
}

/// F10, B3, B9: encoded JSON is filtered as if it were not encoded, other content has no `data`; each entry is judged once for
/// all forms of a filter, and decoded once for all filters and for those who are sent it.
#[test]
fn what_passes_is_the_same_in_every_form() {
    let mut bench = four(KEPT);
    bench.rig.connect(5, 1 << 20, Encoding::Json);
    for conn in 1..=4 {
        bench.subscribe(conn, ONE, all(), Start::New);
        came(&mut bench, conn);
    }
    bench.subscribe(5, NO_DATA, all(), Start::New);
    came(&mut bench, 5);
    assert_eq!(5, bench.rig.shard.views.all.len());
    let log = bench.log;
    bench.rig.append(log, kinds());
    let compressed = [0, 2, 0, 0];
    for (conn, compressed) in (1..=4).zip(compressed) {
        assert_eq!((vec![1, 3], compressed), came(&mut bench, conn), "{conn}");
    }
    assert_eq!((vec![4, 5], 0), came(&mut bench, 5));
    assert_eq!((2, 10), (bench.totals.count(), bench.totals.judged.get()));
    let channel = bench.rig.logs.find(log).unwrap();
    let log = channel.log();
    let held = |offset| {
        let decoded = log.get(offset).unwrap().decoded();
        decoded.as_ref().map_or(0, Arc::strong_count)
    };
    assert_eq!([2, 2, 0, 0, 0], [1, 2, 3, 4, 5].map(held));
}

/// R8, S5, F10: replays and snapshots go through filters in every form too.
#[test]
fn replays_and_snapshots_are_the_same_in_every_form() {
    let mut bench = four(KEYS);
    let log = bench.log;
    bench.rig.append(log, kinds());
    let changes = vec![
        keyed("k", encoded("{\"a\":1}")),
        keyed("l", encoded("{\"a\":1}")),
        keyed("k", encoded("{\"a\":3}")),
    ];
    bench.rig.append(log, changes);
    for conn in 1..=4 {
        let from = bench.at(0);
        bench.subscribe(conn, ONE, all(), from);
        assert_eq!(vec![1, 3, 6, 7], came(&mut bench, conn).0, "{conn}");
        bench.subscribe(conn, ONE, all(), Start::Last(2));
        assert_eq!(vec![6, 7], came(&mut bench, conn).0, "{conn}");
        bench.subscribe(conn, ONE, options(Delivery::Latest), Start::Snapshot);
        assert_eq!(vec![7], came(&mut bench, conn).0, "{conn}");
    }
    assert_eq!(8, bench.totals.judged.get());
}

/// M21, F11: what a client accepts changes while it follows through a filter: nothing is lost, nothing comes twice.
#[test]
fn what_is_accepted_changes_behind_a_filter() {
    let mut bench = kept();
    let gzip = Accepts::default().with(ContentEncoding::Gzip);
    bench.subscribe(1, ONE, all(), Start::New);
    came(&mut bench, 1);
    let log = bench.log;
    let mut expected = 1;
    for accepts in [gzip, Accepts::NONE, gzip] {
        bench
            .rig
            .append(log, vec![encoded("{\"a\":1}"), encoded("{\"a\":2}")]);
        bench.rig.command(Command::Accept(1, accepts));
        bench
            .rig
            .append(log, vec![encoded("{\"a\":2}"), encoded("{\"a\":1}")]);
        assert_eq!(vec![expected, expected + 3], came(&mut bench, 1).0);
        expected += 4;
        assert_eq!(1, bench.rig.shard.views.all.len());
    }
    assert_eq!(12, bench.totals.judged.get());
}

/// S9, M48, G13: the story of a subscriber that misses something tells of what its filter would have let through.
#[test]
fn a_story_counts_what_was_owed_through_the_filter() {
    let short = Retention {
        max_entries: 4,
        ..KEPT
    };
    let mut bench = bench(short, Settings::default());
    bench.rig.connect(2, 1_000, Encoding::Json);
    let slot = bench.rig.shard.slots[&2];
    let figures = Arc::clone(&bench.rig.shard.connections[slot].figures);
    figures.story.attached(4_096, true);
    bench.subscribe(2, ONE, all(), Start::New);
    let log = bench.log;
    let padded = |a: u32| encoded(&format!("{{\"a\":{a},\"b\":\"{}\"}}", "x".repeat(10_000)));
    for _ in 0..40 {
        bench.rig.append(log, vec![padded(1), padded(2)]);
        bench.rig.wait(Duration::from_millis(100));
    }
    bench.rig.take_all(2);
    let messages = bench.rig.messages(2);
    let gap = messages.iter().find(|one| one["type"] == "gap").unwrap();
    let missed = gap["missed"].as_u64().unwrap();
    let events = messages.iter().filter(|one| one["type"] == "event");
    assert_eq!(40, missed + events.count() as u64);
    let told = figures.story.read().records;
    let told = told.iter().find(|one| one.kind.name() == "gap").unwrap();
    let expected = format!("{missed} entries missed (slow)");
    assert!(told.text.contains(&expected), "{} {expected}", told.text);
}

/// F8: what has to be decoded is worth more than one entry where the filter looks at it, and nothing once it is judged.
#[test]
fn decoding_counts_before_it_is_done() {
    let mut bench = kept();
    let log = bench.log;
    bench.rig.append(log, kinds());
    let channel = bench.rig.logs.find(log).unwrap();
    let hidden = |offset: u64| channel.log().get(offset).unwrap().hidden() as u64;
    let more = (hidden(1) + hidden(2)) / 16;
    let (deep, shallow) = (bench.sieve(ONE), bench.sieve(r#"{"key":"a"}"#));
    let cost = |sieve: &crate::filter::Sieve| sieve.cost(&channel.log(), 0, 5);
    assert!(more > 0);
    assert_eq!((5 + more, 5), (cost(&deep), cost(&shallow)));
    crate::filter::judge_past(&channel, &deep, &Start::Last(9));
    assert_eq!(0, cost(&deep));
}
