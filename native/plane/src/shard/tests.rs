#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::cursor::{Delivery, Options};
use crate::entry::{Encoding, NewEntry};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::model::{Cursor, History, Reader};
use crate::shard::rig::{KEPT, Rig, keyed, options};
use crate::start::Start;

const CONNS: u64 = 3;
const CHANNELS: usize = 2;

/// What may happen in any order.
#[derive(Clone, Debug)]
enum Op {
    Append {
        channel: usize,
        sizes: Vec<usize>,
        key: u8,
    },
    Take {
        conn: u64,
        bytes: usize,
    },
    Subscribe {
        conn: u64,
        channel: usize,
        start: Start,
        keep: bool,
        latest: bool,
        paced: bool,
    },
    Unsubscribe {
        conn: u64,
        channel: usize,
    },
    Send {
        conn: u64,
    },
    Wait {
        ms: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let conn = || 1..=CONNS;
    let channel = || 0..CHANNELS;
    let size = prop_oneof![8 => 0_usize..200, 1 => Just(5_000_usize), 1 => 60_000_usize..150_000];
    let start = prop_oneof![
        Just(Start::New),
        (0_u64..20).prop_map(Start::Last),
        Just(Start::Since(0.0)),
    ];
    prop_oneof![
        4 => (channel(), prop::collection::vec(size, 1..6), 0_u8..4).prop_map(|(channel, sizes, key)| Op::Append { channel, sizes, key }),
        6 => (conn(), prop_oneof![0_usize..40, 0_usize..3_000, Just(usize::MAX)]).prop_map(|(conn, bytes)| Op::Take { conn, bytes }),
        3 => (conn(), channel(), start, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(conn, channel, start, keep, latest, paced)| Op::Subscribe { conn, channel, start, keep, latest, paced }),
        1 => (conn(), channel()).prop_map(|(conn, channel)| Op::Unsubscribe { conn, channel }),
        2 => conn().prop_map(|conn| Op::Send { conn }),
        2 => (0_u64..50).prop_map(|ms| Op::Wait { ms }),
    ]
}

struct World {
    rig: Rig,
    logs: Vec<u64>,
    history: History,
    readers: HashMap<u64, Reader>,
    answers: HashMap<u64, u64>,
}

impl World {
    fn new(retention: Retention, capacity: usize) -> Self {
        let settings = Settings {
            view_memory: 1,
            turn_write: 3_000,
            resume_events: 7,
            ..Settings::default()
        };
        let mut rig = Rig::new(settings);
        let logs: Vec<u64> = (1..=CHANNELS)
            .map(|number| rig.open(&format!("c{number}"), retention))
            .collect();
        for conn in 1..=CONNS {
            rig.connect(conn, capacity, Encoding::Json);
        }
        Self {
            history: logs.iter().map(|log| (*log, Vec::new())).collect(),
            readers: (1..=CONNS).map(|conn| (conn, Reader::default())).collect(),
            answers: HashMap::new(),
            rig,
            logs,
        }
    }

    fn apply(&mut self, op: &Op, allow_latest: bool) {
        match op {
            Op::Append {
                channel,
                sizes,
                key,
            } => self.append(self.logs[*channel], sizes, *key),
            Op::Take { conn, bytes } => {
                self.rig.take(*conn, *bytes);
                self.rig.run();
            }
            Op::Subscribe {
                conn,
                channel,
                start,
                keep,
                latest,
                paced,
            } => {
                let latest = *latest && allow_latest;
                let delivery = if latest {
                    Delivery::Latest
                } else {
                    Delivery::All
                };
                let max_rate = (latest && *paced).then_some(100.0);
                let options = Options {
                    max_rate,
                    ..options(delivery)
                };
                self.subscribe(*conn, self.logs[*channel], options, start.clone(), *keep);
            }
            Op::Unsubscribe { conn, channel } => self.rig.unsubscribe(*conn, self.logs[*channel]),
            Op::Send { conn } => {
                let number = self.answers.entry(*conn).or_default();
                let text = format!(r#"{{"type":"answer","n":{number}}}"#);
                *number += 1;
                self.rig.send(*conn, &text);
            }
            Op::Wait { ms } => self.rig.wait(Duration::from_millis(*ms)),
        }
    }

    fn append(&mut self, log: u64, sizes: &[usize], key: u8) {
        let history = self.history.get_mut(&log).unwrap();
        let mut entries: Vec<NewEntry> = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let data = format!("\"{}{}\"", history.len(), "x".repeat(*size));
            let key = format!("k{}", (usize::from(key) + number) % 4);
            entries.push(keyed(&key, &data));
            history.push((key, serde_json::from_str(&data).unwrap()));
        }
        self.rig.append(log, entries);
    }

    fn subscribe(&mut self, conn: u64, log: u64, options: Options, start: Start, keep: bool) {
        use crate::command::{Command, Spec, Subscribe};
        let latest = options.delivery == Delivery::Latest;
        let begin = format!(r#"{{"type":"subscribed","log":{log},"latest":{latest},"#);
        let spec = Spec::new(self.rig.logs.find(log).unwrap(), options, start, keep);
        let reply = vec![begin.as_bytes().into(), b"}"[..].into()];
        self.rig.command(Command::Subscribe(Box::new(Subscribe {
            conn,
            specs: vec![spec],
            reply,
        })));
    }

    /// Everybody takes everything; then nobody may owe anything to anybody.
    fn finish(&mut self) {
        for _ in 0..30 {
            for conn in 1..=CONNS {
                self.rig.take_all(conn);
            }
            self.rig.wait(Duration::from_secs(1));
        }
        for conn in 1..=CONNS {
            self.rig.take_all(conn);
            let mut reader = self.readers.remove(&conn).unwrap();
            for message in self.rig.messages(conn) {
                reader.read(&message, &self.history);
            }
            assert_eq!(
                self.answers.get(&conn).copied().unwrap_or(0),
                reader.answers,
                "every answer comes once"
            );
            for (log, cursor) in &reader.cursors {
                self.check_end(*log, cursor);
            }
        }
    }

    fn check_end(&self, log: u64, cursor: &Cursor) {
        let history = &self.history[&log];
        let head = self.rig.head(log);
        assert!(
            cursor.latest || cursor.at == head,
            "all of it came: {} of {head}",
            cursor.at
        );
        // S3: what was passed over has a newer entry of its key, and the newest of all was not passed over.
        let passed = cursor.skipped.iter().copied().chain(cursor.at + 1..=head);
        for offset in passed {
            let (key, _) = &history[usize::try_from(offset).unwrap() - 1];
            let newer = &history[usize::try_from(offset).unwrap()..];
            assert!(
                newer.iter().any(|(other, _)| other == key),
                "{offset} was the newest of {key}"
            );
        }
    }
}

fn play(ops: &[Op], retention: Retention, capacity: usize, latest: bool) {
    let mut world = World::new(retention, capacity);
    for op in ops {
        world.apply(op, latest);
    }
    world.finish();
}

/// A case is a whole history: a quarter of the usual number of them, which `PROPTEST_CASES` raises.
fn histories() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / 4,
        ..usual
    }
}

proptest! {
    #![proptest_config(histories())]

    /// P3, M9, M26, S2: whatever is appended, taken in whatever pieces, asked and given up, a subscriber of `all` receives
    /// exactly the entries after its start, in order; answers stand between messages.
    #[test]
    fn all_delivers_every_entry_once_and_in_order(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000) {
        play(&ops, KEPT, capacity, false);
    }

    /// S9, M48: the same where the log is short: what was overrun is covered by one gap, exactly.
    #[test]
    fn all_delivers_every_entry_or_a_gap(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, ..KEPT }, capacity, false);
    }

    /// S3, S4, S7: `latest` passes over nothing that has no newer entry of its key.
    #[test]
    fn latest_never_passes_over_the_newest(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000) {
        play(&ops, KEPT, capacity, true);
    }

    /// S13: on a channel that keeps the last entry per key, `latest` misses nothing however short the log is.
    #[test]
    fn latest_cannot_be_overrun_where_keys_are_kept(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, last_per_key: Some(100), ..KEPT }, capacity, true);
    }

    /// S9: `latest` on any other channel can, and says so.
    #[test]
    fn latest_on_a_short_log_is_told_of_what_it_missed(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, ..KEPT }, capacity, true);
    }
}
