//! One channel in several forms: with compression and without, encoded and decoded (B2, B3, B9).

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::command::Command;
use crate::content::{Accepts, Content, ContentEncoding, OwnContent};
use crate::cursor::Delivery;
use crate::deflate::{Inflated, Inflater};
use crate::entry::{Encoding, NewEntry};
use crate::frame::ServerFrames;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, entry, options};
use crate::start::Start;

const JSON: Encoding = Encoding::Json;
/// gzip of `{"a":1}`.
const GZIP: &[u8] = &[
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32, 0xac, 0x05, 0, 0xaf,
    0xac, 0x1b, 0x56, 7, 0, 0, 0,
];

fn rig() -> (Rig, u64) {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("logs", KEPT);
    (rig, log)
}

fn follow(rig: &mut Rig, conn: u64, log: u64, start: Start) {
    rig.subscribe(conn, log, options(Delivery::All), start, false);
    rig.run();
}

fn large(number: usize) -> NewEntry {
    entry("e", &format!("\"{number}{}\"", "abcdefgh".repeat(200)))
}

/// Whole messages, each with whether it came compressed.
pub(super) fn messages(bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut inflater = Inflater::default();
    let mut all = Vec::new();
    for frame in ServerFrames::new(bytes) {
        let payload = &bytes[frame.payload.clone()];
        let head = frame.payload.start - if payload.len() < 126 { 2 } else { 4 };
        let is_compressed = bytes[head] & 0x40 != 0;
        let message = if is_compressed {
            match inflater.inflate(payload, 1 << 20) {
                Inflated::Whole(message) => message.to_vec(),
                other => panic!("{other:?}"),
            }
        } else {
            payload.to_vec()
        };
        all.push((is_compressed, message));
    }
    all
}

fn received(rig: &mut Rig, conn: u64) -> Vec<u8> {
    rig.take_all(conn);
    rig.bytes(conn)
}

/// B3: an event is compressed once for all who negotiated it, and goes to the others as it is.
#[test]
fn an_event_is_compressed_once_for_its_view() {
    let (mut rig, log) = rig();
    for conn in 1..=4 {
        rig.connect_as(conn, 1 << 20, JSON, conn <= 3);
        follow(&mut rig, conn, log, Start::New);
        received(&mut rig, conn);
    }
    assert_eq!(2, rig.shard.views.all.len());
    rig.append(log, vec![large(1), entry("e", "\"short\""), large(2)]);
    let all: Vec<Vec<u8>> = (1..=4).map(|conn| received(&mut rig, conn)).collect();
    assert!(all[0] == all[1] && all[1] == all[2]);
    let (deflated, plain) = (messages(&all[0]), messages(&all[3]));
    let compressed: Vec<bool> = deflated.iter().map(|one| one.0).collect();
    assert_eq!(vec![true, false, true], compressed);
    assert!(plain.iter().all(|one| !one.0));
    let text = |all: &[(bool, Vec<u8>)]| all.iter().map(|one| one.1.clone()).collect::<Vec<_>>();
    assert_eq!(text(&plain), text(&deflated));
    assert!(all[0].len() * 4 < all[3].len());
    rig.shard.report();
    assert_eq!(2, rig.shared.figures.deflated.get());
}

/// B3: a replay and an answer are compressed like events; R8: nothing is lost between replay and view.
#[test]
fn replays_and_answers_are_compressed_as_well() {
    let (mut rig, log) = rig();
    rig.append(log, (0..50).map(large).collect());
    rig.connect_as(1, 2_000, JSON, true);
    follow(&mut rig, 1, log, Start::Last(50));
    rig.append(log, (50..60).map(large).collect());
    rig.send(1, &format!("[\"{}\"]", "abc".repeat(400)));
    let all = messages(&received(&mut rig, 1));
    let events: Vec<u64> = all
        .iter()
        .filter_map(|(compressed, message)| {
            let message: serde_json::Value = serde_json::from_slice(message).unwrap();
            assert_eq!(message["type"] != "subscribed", *compressed);
            message["offset"].as_u64()
        })
        .collect();
    assert_eq!((1..=60).collect::<Vec<u64>>(), events);
    assert_eq!(62, all.len());
}

/// B9, M21: what a client accepts may change while it follows; no entry is lost, none comes twice.
#[test]
fn what_is_accepted_changes_in_the_middle() {
    let (mut rig, log) = rig();
    let encoded = || NewEntry {
        event: "e".into(),
        data: GZIP.into(),
        content: Some(Box::new(OwnContent::from(Content {
            media_type: "application/json",
            encoding: Some(ContentEncoding::Gzip),
            meta: None,
        }))),
        ..NewEntry::default()
    };
    for conn in [1, 2] {
        rig.connect(conn, 1 << 20, JSON);
        follow(&mut rig, conn, log, Start::New);
        received(&mut rig, conn);
    }
    let gzip = Accepts::default().with(ContentEncoding::Gzip);
    let mut kinds = Vec::new();
    for accepts in [None, Some(gzip), Some(gzip), Some(Accepts::default())] {
        if let Some(accepts) = accepts {
            rig.command(Command::Accept(1, accepts));
        }
        let before = rig.head(log);
        rig.append(log, vec![encoded(), encoded()]);
        let (mine, others) = (
            messages(&received(&mut rig, 1)),
            messages(&received(&mut rig, 2)),
        );
        assert_eq!((2, 2), (mine.len(), others.len()));
        for (number, (_, message)) in mine.iter().enumerate() {
            let offset = format!("\"offset\":{}", before + 1 + number as u64);
            assert!(String::from_utf8_lossy(message).contains(&offset));
        }
        kinds.push(mine.iter().all(|(_, message)| message[0] == 1));
        assert!(
            others
                .iter()
                .all(|(_, message)| message.ends_with(b"\"data\":{\"a\":1}}"))
        );
    }
    assert_eq!(vec![false, true, true, false], kinds);
    assert_eq!(1, rig.shard.views.all.len());
    let channel = rig.logs.find(log).unwrap();
    assert_eq!(2, channel.cursors());
}
