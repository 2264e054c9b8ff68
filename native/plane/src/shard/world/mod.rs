//! Channels and their subscribers in random histories, and what must hold in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod elsewhere;
mod ending;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Command, Spec, Subscribe};
use crate::cursor::{Delivery, Options};
use crate::entry::{Encoding, NewEntry};
use crate::filter::{Bounds, Filter, Limits, Totals};
use crate::log::Retention;
use crate::settings::Settings;
use crate::shard::model::{History, Reader, position};
use crate::shard::ops::{CHANNELS, CONNS, FILTERS, From, Handled, Op};
use crate::shard::rig::{Rig, Told, keyed, options};
use crate::start::Start;

pub struct World {
    rig: Rig,
    logs: Vec<u64>,
    /// The histories of each log, the present one last.
    epochs: HashMap<u64, Vec<String>>,
    history: History,
    /// Histories of which the log never had the beginning.
    began: HashSet<(u64, String)>,
    readers: HashMap<u64, Reader>,
    answers: HashMap<u64, u64>,
    filters: Arc<Totals>,
    /// Subscriptions asked for, by connection.
    asked: HashMap<u64, u64>,
    entries: u64,
    marks: u64,
    /// A log that was rotated, which the I/O thread hears of after the next thing that happens.
    unheard: Option<u64>,
    /// A log whose newest entries are taken up after the next thing that happens.
    unrestored: Option<u64>,
}

impl World {
    pub fn new(retention: Retention, capacity: usize) -> Self {
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
        let reader = || Reader {
            keeps_keys: retention.last_per_key.is_some(),
            ..Reader::default()
        };
        let mut world = Self {
            epochs: HashMap::new(),
            history: History::new(),
            began: HashSet::new(),
            readers: (1..=CONNS).map(|conn| (conn, reader())).collect(),
            answers: HashMap::new(),
            filters: Arc::new(Totals::new(Bounds {
                all: 100,
                of_channel: 100,
                bytes: 1 << 20,
            })),
            asked: HashMap::new(),
            entries: 0,
            marks: 0,
            unheard: None,
            unrestored: None,
            rig,
            logs,
        };
        for log in world.logs.clone() {
            world.begin_history(log);
        }
        world
    }

    fn begin_history(&mut self, log: u64) {
        let epoch = self.rig.epoch(log);
        self.epochs.entry(log).or_default().push(epoch.clone());
        self.history.insert((log, epoch), Vec::new());
    }

    pub fn apply(&mut self, op: &Op, allow_latest: bool) {
        let (unheard, unrestored) = (self.unheard.take(), self.unrestored.take());
        match op {
            Op::Append {
                channel,
                sizes,
                key,
            } => self.append(self.logs[*channel], sizes, *key),
            Op::Rotate { channel } => {
                let log = self.logs[*channel];
                self.rig.rotate(log);
                self.begin_history(log);
                self.unheard = Some(log);
            }
            Op::Begin {
                channel,
                elsewhere,
                missing,
                restore,
            } => self.begin(self.logs[*channel], *elsewhere, *missing, *restore),
            Op::Take { conn, bytes } => {
                self.rig.take(*conn, *bytes);
                self.rig.run();
                self.read(*conn);
            }
            Op::Subscribe {
                conn,
                channel,
                start,
                keep,
                latest,
                paced,
                window,
                filter,
                rotated,
            } => {
                let latest = *latest && allow_latest;
                let delivery = if latest {
                    Delivery::Latest
                } else {
                    Delivery::All
                };
                let options = Options {
                    max_rate: (latest && *paced).then_some(100.0),
                    ack: *window,
                    ..options(delivery)
                };
                let spec = (self.logs[*channel], options, *filter);
                self.subscribe(*conn, spec, start, *keep, *rotated);
            }
            Op::Unsubscribe { conn, channel } => self.rig.unsubscribe(*conn, self.logs[*channel]),
            Op::Ack {
                conn,
                channel,
                handled,
            } => self.acknowledge(*conn, self.logs[*channel], *handled),
            Op::Positions { conn } => self.positions(*conn),
            Op::Affirm { conn } => {
                self.readers.get_mut(conn).unwrap().affirmed = true;
                self.rig.affirm(*conn, &self.logs);
            }
            Op::Send { conn } => {
                let number = self.answers.entry(*conn).or_default();
                let text = format!(r#"{{"type":"answer","n":{number}}}"#);
                *number += 1;
                self.rig.send(*conn, &text);
            }
            Op::Wait { ms } => self.rig.wait(Duration::from_millis(*ms)),
        }
        if let Some(log) = unrestored {
            self.restore(log);
        }
        if let Some(log) = unheard {
            self.rig.tell(log);
        }
        self.hear();
    }

    fn append(&mut self, log: u64, sizes: &[usize], key: u8) {
        let entries = self.make(log, sizes, key);
        // The wall clock goes on, and now and then back (M45).
        let ts = f64::from(u32::try_from(self.entries % 5).unwrap());
        if self.entries.is_multiple_of(2) {
            self.rig.apply(log, &entries, ts);
            self.rig.tell(log);
        } else {
            self.rig.append_at(log, entries, ts);
        }
    }

    /// Entries that follow in the present history, wherever they are kept.
    fn make(&mut self, log: u64, sizes: &[usize], key: u8) -> Vec<NewEntry> {
        let epoch = self.epochs[&log].last().unwrap().clone();
        let history = self.history.get_mut(&(log, epoch)).unwrap();
        let mut entries: Vec<NewEntry> = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            self.entries += 1;
            let key = format!("k{}", (usize::from(key) + number) % 4);
            // A third of the small ones remove their keys (S6).
            let data = match size {
                0..66 => "null".to_owned(),
                size => format!("\"{}{}\"", self.entries, "x".repeat(*size)),
            };
            entries.push(keyed(&key, &data));
            history.push((key, serde_json::from_str(&data).unwrap()));
        }
        entries
    }

    fn start(&self, log: u64, start: &From, latest: bool) -> Start {
        let epochs = &self.epochs[&log];
        let head = self.rig.head(log);
        match start {
            From::Snapshot if latest => Start::Snapshot,
            From::New | From::Snapshot => Start::New,
            From::Last(count) => Start::Last(*count),
            From::Since(ts) => Start::Since(*ts),
            From::Here(from_head) => Start::At {
                epoch: epochs.last().unwrap().clone(),
                offset: head.saturating_add_signed(*from_head),
            },
            From::Elsewhere(former, offset) => {
                let former = epochs.iter().rev().nth(1).filter(|_| *former);
                Start::At {
                    epoch: former.map_or("elsewhere".to_owned(), Clone::clone),
                    offset: *offset,
                }
            }
        }
    }

    fn subscribe(
        &mut self,
        conn: u64,
        (log, options, filter): (u64, Options, Option<usize>),
        from: &From,
        keep: bool,
        rotated: bool,
    ) {
        let latest = options.delivery == Delivery::Latest;
        let start = self.start(log, from, latest);
        let whole = latest && !matches!(from, From::New | From::Last(_));
        let window = options.ack.map_or("null".to_owned(), |ack| ack.to_string());
        let channel = self.rig.logs.find(log).unwrap();
        let sieve = filter.map(|number| {
            let filter = Filter::parse(FILTERS[number].as_bytes(), Limits::default()).unwrap();
            channel.roster(&self.filters).take(filter, false).unwrap()
        });
        let spec = Spec::new(channel, options, sieve, start, keep);
        let filter = filter.map_or("null".to_owned(), |number| number.to_string());
        if rotated {
            self.rig.rotate(log);
            self.begin_history(log);
        }
        let head = format!("{}:{}", self.rig.epoch(log), self.rig.head(log));
        let begin = format!(
            r#"{{"type":"subscribed","log":{log},"latest":{latest},"snapshot":{whole},"keep":{keep},"window":{window},"filter":{filter},"head":"{head}","#
        );
        *self.asked.entry(conn).or_default() += 1;
        let reply = vec![begin.as_bytes().into(), b"}"[..].into()];
        self.rig.command(Command::Subscribe(Box::new(Subscribe {
            conn,
            specs: vec![spec],
            reply: Some(reply),
        })));
        if rotated {
            self.rig.tell(log);
        }
    }

    fn acknowledge(&mut self, conn: u64, log: u64, handled: Handled) {
        let reader = self.readers.get_mut(&conn).unwrap();
        if self
            .asked
            .get(&conn)
            .is_some_and(|asked| *asked > reader.subscribed)
        {
            // Of which of its subscriptions it speaks, the other side could not know.
            return;
        }
        let Some(cursor) = reader.cursors.get_mut(&log) else {
            self.rig.acknowledge(conn, log, "nowhere", 0);
            return;
        };
        if cursor.untouched {
            // Nothing was handled; and a start beyond the head would name entries that are yet to come.
            return;
        }
        let sent = self.history[&(log, cursor.epoch.clone())].len() as u64;
        let offset = match handled {
            Handled::All | Handled::Elsewhere => cursor.at,
            Handled::Less(less) => cursor.at.saturating_sub(less),
            Handled::Unsent(more) => sent + more,
        };
        if matches!(handled, Handled::Elsewhere) {
            self.rig.acknowledge(conn, log, "elsewhere1", offset);
            return;
        }
        let epoch = cursor.epoch.clone();
        if !matches!(handled, Handled::Unsent(_)) {
            cursor.acknowledge(offset);
        }
        self.rig.acknowledge(conn, log, &epoch, offset);
    }

    fn positions(&mut self, conn: u64) {
        self.rig.command(Command::Positions(conn));
        self.readers.get_mut(&conn).unwrap().untold += 1;
    }

    /// R16: behind everything that was written when positions are told, and before everything else, stands a mark; and none
    /// of them is beyond the head (N4).
    fn hear(&mut self) {
        for (conn, told) in self.rig.events() {
            let Told::Positions(positions) = told else {
                continue;
            };
            for (log, told) in &positions {
                let (epoch, offset) = position(&Value::from(told.as_str()));
                assert!(epoch != self.rig.epoch(*log) || offset <= self.rig.head(*log));
            }
            self.marks += 1;
            let reader = self.readers.get_mut(&conn).unwrap();
            reader.untold -= 1;
            reader.told.insert(self.marks, positions);
            let mark = format!(r#"{{"type":"mark","n":{}}}"#, self.marks);
            self.rig.send(conn, &mark);
        }
    }

    fn read(&mut self, conn: u64) -> bool {
        let messages: Vec<Value> = self.rig.messages(conn);
        let reader = self.readers.get_mut(&conn).unwrap();
        for message in &messages {
            reader.read(message, &self.history);
        }
        !messages.is_empty()
    }
}
