//! A shard between scripted peers: they take any number of bytes at any time, and time is what the test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Poll, Token, Waker};
use serde_json::Value;

use crate::allowance::Clock;
use crate::appending::Appending;
use crate::batch::Event;
use crate::closing::Verdict;
use crate::command::{Attach, Command, Port, Spec, Subscribe, Via};
use crate::connection::Connection;
use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::{Encoding, NewEntry};
use crate::epoch::Epoch;
use crate::figures::Figures;
use crate::frame::{Opcode, ServerFrame, ServerFrames};
use crate::inbox::Inbox;
use crate::log::Retention;
use crate::logs::Logs;
use crate::newest::Newest;
use crate::peer::Service;
use crate::pipe::{Fed, Pipe};
use crate::settings::Settings;
use crate::shard::{Registrar, Shard, Shared};
use crate::start::Start;
use crate::transport::Transport;

pub struct Rig {
    pub shard: Shard,
    pub shared: Shared,
    pub logs: Arc<Logs>,
    pub now: Instant,
    pipes: BTreeMap<u64, Arc<Pipe>>,
    received: BTreeMap<u64, Vec<u8>>,
    _poll: Poll,
}

/// Everything for one cursor; what a test does not say is the usual.
pub fn options(delivery: Delivery) -> Options {
    Options {
        delivery,
        on_slow: OnSlow::Gap,
        max_rate: None,
        ack: None,
    }
}

pub fn entry(event: &str, data: &str) -> NewEntry {
    NewEntry {
        event: event.into(),
        data: data.as_bytes().into(),
        ..NewEntry::default()
    }
}

pub fn keyed(key: &str, data: &str) -> NewEntry {
    NewEntry {
        key: Some(key.into()),
        ..entry("e", data)
    }
}

pub const KEPT: Retention = Retention {
    seconds: 1e9,
    max_bytes: 1 << 30,
    max_entries: 1_000_000,
    last_per_key: None,
};

impl Rig {
    pub fn new(settings: Settings) -> Self {
        let poll = Poll::new().unwrap();
        let port = Arc::new(Port::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        let shared = Shared {
            figures: Arc::new(Figures::default()),
            inbox: Arc::new(Inbox::new(settings.inbox_messages, settings.inbox_bytes).unwrap()),
            directory: Arc::default(),
            appending: Appending {
                logs: Arc::new(Logs::new(1, settings.log_memory)),
                ports: Arc::default(),
            },
            clock: Clock::new(),
            settings: Arc::new(settings),
        };
        let now = Instant::now();
        Self {
            shard: Shard::new(0, shared.clone(), port, now),
            logs: Arc::clone(&shared.appending.logs),
            shared,
            now,
            pipes: BTreeMap::new(),
            received: BTreeMap::new(),
            _poll: poll,
        }
    }

    pub fn command(&mut self, command: Command) {
        self.shard.apply(command, &Registrar(None), self.now);
    }

    /// A peer whose side holds `capacity` bytes that it has not taken yet.
    pub fn connect(&mut self, conn: u64, capacity: usize, encoding: Encoding) {
        self.connect_as(conn, capacity, encoding, false);
    }

    /// The same, with permessage-deflate or without.
    pub fn connect_as(&mut self, conn: u64, capacity: usize, encoding: Encoding, deflate: bool) {
        let pipe = Arc::new(Pipe::with_capacity(capacity));
        self.pipes.insert(conn, Arc::clone(&pipe));
        self.received.insert(conn, Vec::new());
        self.command(Command::Attach(Box::new(Attach {
            conn,
            via: Via::Virtual(pipe),
            service: Service::Hub(encoding),
            deflate,
            head: Box::default(),
            tail: Vec::new(),
            max_message: self.shared.settings.max_message,
            figures: Arc::default(),
        })));
    }

    /// A peer whose transport takes everything so many times, and then panics.
    pub fn connect_faulty(&mut self, conn: u64, writes: u32) {
        let settings = &self.shared.settings;
        let service = Service::Hub(Encoding::Json);
        let connection = Connection::new(
            conn,
            Transport::Faulty(writes),
            service,
            false,
            settings,
            self.now,
        );
        let slot = self.shard.connections.insert(connection);
        self.shard.slots.insert(conn, slot);
    }

    pub fn open(&mut self, channel: &str, retention: Retention) -> u64 {
        self.logs.open(channel, retention).unwrap()
    }

    pub fn append(&mut self, log: u64, entries: Vec<NewEntry>) {
        self.append_at(log, entries, 1.0);
    }

    pub fn append_at(&mut self, log: u64, entries: Vec<NewEntry>, ts: f64) {
        let channel = self.logs.find(log).unwrap();
        self.logs.append(&channel, entries, ts);
        self.tell(log);
    }

    /// Begin another history; the I/O thread is told of it by `tell`.
    pub fn rotate(&mut self, log: u64) {
        self.logs
            .rotate(&self.logs.find(log).unwrap(), Epoch::random().unwrap());
    }

    /// Who follows is told of what was done to a log.
    pub fn tell(&mut self, log: u64) {
        let channel = self.logs.find(log).unwrap();
        for _ in channel.to_tell().collect::<Vec<_>>() {
            self.command(Command::Appended(Arc::clone(&channel), self.now));
        }
    }

    pub fn head(&self, log: u64) -> u64 {
        self.logs.find(log).unwrap().log().head()
    }

    pub fn epoch(&self, log: u64) -> String {
        let channel = self.logs.find(log).unwrap();
        channel.log().epoch().as_str().to_owned()
    }

    /// Neither the ring has an entry any more, nor what is kept per key.
    pub fn is_gone(&self, log: u64, offset: u64) -> bool {
        let channel = self.logs.find(log).unwrap();
        let log = channel.log();
        let kept = |newest: &Newest| newest.between(offset - 1, offset, false).next().is_some();
        log.get(offset).is_none() && !log.newest().is_some_and(kept)
    }

    /// Where Python is told that the subscriptions of a connection stand.
    pub fn positions(&mut self, conn: u64) -> Vec<(u64, String)> {
        self.command(Command::Positions(conn));
        self.run();
        let told = self
            .events()
            .into_iter()
            .filter_map(|(of, told)| match told {
                Told::Positions(positions) if of == conn => Some(positions),
                _ => None,
            });
        told.flatten().collect()
    }

    /// The close code a connection was ended with, if it was.
    pub fn closed(&mut self, conn: u64) -> Option<u16> {
        self.events().into_iter().find_map(|(of, told)| match told {
            Told::Closed(verdict) if of == conn => Some(verdict.code),
            _ => None,
        })
    }

    /// Say where the cursors of a connection stand.
    pub fn affirm(&mut self, conn: u64, logs: &[u64]) {
        self.command(Command::Watermark(conn, logs.to_vec()));
    }

    pub fn acknowledge(&mut self, conn: u64, log: u64, epoch: &str, offset: u64) {
        self.command(Command::Ack(conn, vec![(log, epoch.to_owned(), offset)]));
    }

    /// Subscribe; the answer is `{"type":"subscribed","log":…,"position":…,"behind":…}`.
    pub fn subscribe(&mut self, conn: u64, log: u64, options: Options, start: Start, keep: bool) {
        let spec = Spec {
            keep,
            ..self.spec(log, options, start)
        };
        self.subscribe_by(conn, spec);
    }

    /// What is asked for at this moment.
    pub fn spec(&self, log: u64, options: Options, start: Start) -> Spec {
        Spec::new(self.logs.find(log).unwrap(), options, None, start, false)
    }

    pub fn subscribe_by(&mut self, conn: u64, spec: Spec) {
        let log = spec.channel.id;
        let begin = format!(r#"{{"type":"subscribed","log":{log},"#);
        self.command(Command::Subscribe(Box::new(Subscribe {
            conn,
            specs: vec![spec],
            reply: Some(vec![begin.as_bytes().into(), b"}"[..].into()]),
        })));
    }

    pub fn unsubscribe(&mut self, conn: u64, log: u64) {
        let reply = format!(r#"{{"type":"unsubscribed","log":{log}}}"#);
        let reply = Some(reply.as_bytes().into());
        self.command(Command::Unsubscribe {
            conn,
            channels: vec![log],
            reply,
        });
    }

    pub fn send(&mut self, conn: u64, text: &str) {
        self.command(Command::Send(conn, text.as_bytes().into()));
    }

    pub fn feed(&mut self, conn: u64, text: &str) -> bool {
        let goes_on = self.pipes[&conn].feed(Fed::Text(text.as_bytes().into()));
        self.command(Command::Input(conn));
        goes_on
    }

    /// Flushes, turns and deadlines until nothing is left to do at this moment.
    pub fn run(&mut self) {
        loop {
            self.shard.flush(self.now);
            self.shard.run(self.now);
            self.shard.tick(self.now);
            if self.shard.wakes_at(self.now).is_some() {
                return;
            }
            // The clock of the flush is the real one.
            self.now = self.now.max(Instant::now());
        }
    }

    pub fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.run();
    }

    /// The peer takes up to `max` bytes.
    pub fn take(&mut self, conn: u64, max: usize) -> usize {
        let bytes = self.pipes[&conn].take_bytes(max);
        self.received
            .get_mut(&conn)
            .unwrap()
            .extend_from_slice(&bytes);
        self.command(Command::Room(conn));
        bytes.len()
    }

    /// The peer takes everything there is and comes.
    pub fn take_all(&mut self, conn: u64) {
        loop {
            self.run();
            let idle_until = self.now + Duration::from_secs(1);
            if self.take(conn, usize::MAX) == 0 && self.pending(idle_until).is_none() {
                return;
            }
        }
    }

    /// Go to the next deadline before `end`, if there is one.
    fn pending(&mut self, end: Instant) -> Option<()> {
        let at = self.shard.flush_at().filter(|at| *at < end)?;
        self.now = self.now.max(at);
        Some(())
    }

    /// Whole messages among the bytes taken up to now; they are not told again.
    pub fn messages(&mut self, conn: u64) -> Vec<Value> {
        let bytes = self.received.get_mut(&conn).unwrap();
        let mut frames = ServerFrames::new(bytes);
        let (mut messages, mut joined, mut consumed) = (Vec::new(), Vec::new(), 0);
        while let Some(ServerFrame {
            fin,
            opcode,
            payload,
        }) = frames.next()
        {
            if opcode.is_control() {
                continue;
            }
            assert_eq!(
                opcode == Opcode::Continuation,
                !joined.is_empty(),
                "fragments of one message follow one another"
            );
            joined.extend_from_slice(&bytes[payload]);
            if fin {
                consumed = frames.consumed();
                messages.push(
                    serde_json::from_slice(&std::mem::take(&mut joined)).expect("a whole message"),
                );
            }
        }
        bytes.drain(..consumed);
        messages
    }

    /// Raw bytes taken up to now.
    pub fn bytes(&mut self, conn: u64) -> Vec<u8> {
        std::mem::take(self.received.get_mut(&conn).unwrap())
    }

    /// What Python would drain: (connection, what).
    pub fn events(&mut self) -> Vec<(u64, Told)> {
        self.shard.report();
        let taken = self.shared.inbox.take(usize::MAX);
        let mut told = Vec::new();
        for (batch, range) in &taken {
            for (conn, event) in batch.events(range.clone()) {
                let text = |range: &Range<usize>| {
                    String::from_utf8(batch.payload(range.clone()).to_vec()).unwrap()
                };
                if let Event::Publishes(range) = event {
                    let run = batch.run(range.clone());
                    let texts = run
                        .frames()
                        .map(|text| String::from_utf8(text.to_vec()).unwrap());
                    told.extend(texts.map(|text| (*conn, Told::Text(text))));
                    continue;
                }
                told.push((
                    *conn,
                    match event {
                        Event::Text(range) => Told::Text(text(range)),
                        Event::Binary(range) => Told::Binary(batch.payload(range.clone()).len()),
                        Event::Unreadable(slug, _) => Told::Unreadable(slug),
                        Event::Closed(verdict) => Told::Closed(verdict.clone()),
                        Event::Output => Told::Output,
                        Event::Feed => Told::Feed,
                        Event::Positions(positions) => Told::Positions(
                            positions
                                .iter()
                                .map(|(log, position)| (*log, position.to_string()))
                                .collect(),
                        ),
                        Event::Publishes(_)
                        | Event::Fatal(_)
                        | Event::Stored { .. }
                        | Event::StoreFailed { .. }
                        | Event::RetainFailed { .. } => {
                            panic!("no thread runs")
                        }
                    },
                ));
            }
        }
        self.shared.inbox.give_back(taken);
        told
    }
}

/// An event, as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Text(String),
    Binary(usize),
    Unreadable(&'static str),
    Closed(Verdict),
    Output,
    Feed,
    Positions(Vec<(u64, String)>),
}

pub fn offset_of(position: &Value) -> u64 {
    let position = position.as_str().unwrap();
    position.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// One entry per letter, with the letter as its key.
pub fn keys(names: &str) -> Vec<NewEntry> {
    names
        .chars()
        .map(|name| keyed(&name.to_string(), "1"))
        .collect()
}

/// Offsets of the events received since the last time.
pub fn offsets(rig: &mut Rig, conn: u64) -> Vec<u64> {
    let messages = rig.messages(conn);
    let events = messages.iter().filter(|message| message["type"] == "event");
    events
        .map(|message| message["offset"].as_u64().unwrap())
        .collect()
}
