//! Publishes that are taken without Python: exactly those that it has allowed, and none before its turn.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use crate::allowance::SharedBucket;
use crate::bucket::Rate;
use crate::command::{Command, Spec};
use crate::cursor::Delivery;
use crate::entry::Encoding;
use crate::filter::{Bounds, Filter, Limits, Totals};
use crate::inbound::Grant;
use crate::settings::Settings;
use crate::shard::rig::{KEPT, Rig, Told, options};
use crate::start::Start;

const TRACE: &str = r#","traceparent":"00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01""#;

fn publish(channel: &str, more: &str) -> String {
    format!(r#"{{"type":"publish","channel":"{channel}","event":"e"{more}}}"#)
}

/// A publisher with a grant for `rooms`, and a reader of it.
struct Case {
    rig: Rig,
    log: u64,
    own: Arc<SharedBucket>,
    subjects: Arc<SharedBucket>,
}

impl Case {
    fn new() -> Self {
        let mut rig = Rig::new(Settings::default());
        let now = rig.shared.clock.seconds(rig.now);
        let bucket = || Arc::new(SharedBucket::new(Rate::new(5.0, 1e-9), now));
        let (own, subjects) = (bucket(), bucket());
        let log = rig.open("rooms", KEPT);
        rig.connect(1, 1 << 20, Encoding::Json);
        rig.connect(2, 1 << 20, Encoding::Json);
        rig.subscribe(2, log, options(Delivery::All), Start::New, false);
        let mut case = Self {
            rig,
            log,
            own,
            subjects,
        };
        case.grant();
        case.rig.take_all(2);
        case.rig.messages(2);
        case
    }

    fn grant(&mut self) {
        let grant = Grant {
            channel: self.rig.logs.find(self.log).unwrap(),
            largest: 300,
            takes_traces: false,
            own: Arc::clone(&self.own),
            shared: Some(Arc::clone(&self.subjects)),
        };
        self.rig.command(Command::Grant(1, Box::new(grant)));
    }

    fn handled(&mut self, count: u64) {
        self.rig.command(Command::Handled(vec![(1, count)]));
    }

    /// Say something: what Python hears of it, the offsets that are acknowledged, and those that the reader gets.
    fn say(&mut self, texts: &[&str]) -> (Vec<String>, Vec<u64>, Vec<u64>) {
        for text in texts {
            self.rig.feed(1, text);
        }
        self.rig.run();
        let heard = self
            .rig
            .events()
            .into_iter()
            .filter_map(|(conn, told)| match told {
                Told::Text(text) if conn == 1 => Some(text),
                Told::Unreadable(slug) => Some(slug.to_owned()),
                _ => None,
            });
        let heard = heard.collect();
        self.rig.take_all(1);
        self.rig.take_all(2);
        let acks = self.rig.messages(1).into_iter().map(|ack| {
            let position = ack["positions"]["rooms"].as_str().unwrap().to_owned();
            position.rsplit_once(':').unwrap().1.parse().unwrap()
        });
        let acks = acks.collect();
        let events = self.rig.messages(2).into_iter();
        (
            heard,
            acks,
            events
                .filter_map(|event| event["offset"].as_u64())
                .collect(),
        )
    }

    fn heard(&mut self, text: &str) -> Vec<String> {
        self.say(&[text]).0
    }
}

/// M30, M5: what is granted is stored, answered and delivered, and Python hears nothing of it.
#[test]
fn a_granted_publish_needs_no_python() {
    let mut case = Case::new();
    let (first, second) = (publish("rooms", r#","id":7"#), publish("rooms", ""));
    let nothing = Vec::<String>::new();
    assert_eq!((nothing, vec![1], vec![1, 2]), case.say(&[&first, &second]));
    let figures = &case.rig.shared.figures;
    assert_eq!(
        (2, 1),
        (figures.direct_publishes.get(), figures.direct_acks.get())
    );
    let channel = case.rig.logs.find(case.log).unwrap();
    assert_eq!(2, channel.figures().appended.get());
}

/// F11: the turn that took a publish writes it, also where all who follow the channel do so through filters.
#[test]
fn a_granted_publish_is_written_at_once_through_filters() {
    let mut case = Case::new();
    case.rig.unsubscribe(2, case.log);
    let totals = Arc::new(Totals::new(Bounds {
        all: 1,
        of_channel: 1,
        bytes: 1 << 20,
    }));
    let filter = Filter::parse(br#"{"event":"e"}"#, Limits::default()).unwrap();
    let channel = case.rig.logs.find(case.log).unwrap();
    let spec = Spec {
        sieve: Some(channel.roster(&totals).take(filter, false).unwrap()),
        ..case.rig.spec(case.log, options(Delivery::All), Start::New)
    };
    case.rig.subscribe_by(2, spec);
    case.rig.run();
    case.rig.feed(1, &publish("rooms", ""));
    case.rig.shard.run(case.rig.now);
    assert!(case.rig.shard.flush_at().is_some());
    case.rig.shard.flush_published();
    assert_eq!(None, case.rig.shard.flush_at());
    case.rig.take_all(2);
    let messages = case.rig.messages(2);
    assert_eq!(1, messages.last().unwrap()["offset"]);
}

/// C14: nothing overtakes what Python has yet to handle, and everything is taken again once it has.
#[test]
fn nothing_overtakes_what_python_has_not_handled() {
    let mut case = Case::new();
    let (ping, one) = (r#"{"type":"ping"}"#, publish("rooms", r#","id":1"#));
    let (heard, acks, events) = case.say(&[&one, ping, &one, &one]);
    assert_eq!(vec![ping.to_owned(), one.clone(), one.clone()], heard);
    assert_eq!((vec![1], vec![1]), (acks, events));
    case.handled(2);
    assert_eq!(
        vec![one.clone()],
        case.heard(&one),
        "one is still on its way"
    );
    case.handled(4);
    assert_eq!((Vec::new(), vec![2], vec![2]), case.say(&[&one]));
    assert_eq!(vec!["bad_json".to_owned()], case.heard("{"));
    assert_eq!(vec![one.clone()], case.heard(&one));
}

/// C14: a stream that never pauses is made to wait for Python, and is taken here again from then on; not for long, if Python
/// is not done.
#[test]
fn a_stream_without_a_pause_comes_back() {
    let mut case = Case::new();
    let (ping, one) = (r#"{"type":"ping"}"#, publish("rooms", ""));
    let stream = [vec![ping], vec![one.as_str(); 300]].concat();
    assert_eq!(256, case.say(&stream).0.len());
    assert_eq!(Vec::<String>::new(), case.heard(&one));
    case.handled(255);
    assert_eq!(Vec::<String>::new(), case.heard(&one), "one is on its way");
    case.handled(256);
    let (heard, _, events) = case.say(&[]);
    assert_eq!(
        (42, vec![1, 2, 3, 4, 5]),
        (heard.len(), events),
        "what its bucket holds"
    );

    let mut case = Case::new();
    assert_eq!(256, case.say(&stream).0.len());
    case.rig.wait(Duration::from_millis(21));
    assert_eq!(45, case.say(&[]).0.len());

    let mut case = Case::new();
    assert_eq!(256, case.say(&stream).0.len());
    case.rig.shard.port.withdraw(1);
    case.rig.command(Command::Withdraw(1));
    assert_eq!(45, case.say(&[]).0.len());
}

/// What a grant does not cover goes to Python, and so does what follows it.
#[test]
fn whatever_is_not_granted_goes_to_python() {
    let long = "x".repeat(300);
    for other in [
        publish("elsewhere", ""),
        publish("rooms", r#","mid":"m""#),
        publish("rooms", r#","id":-1"#),
        publish("rooms", TRACE),
        publish("rooms", &format!(r#","data":"{long}""#)),
    ] {
        let mut case = Case::new();
        let one = publish("rooms", "");
        assert_eq!(
            vec![other.clone(), one.clone()],
            case.say(&[&other, &one]).0
        );
        case.handled(2);
        assert_eq!((Vec::new(), Vec::new(), vec![1]), case.say(&[&one]));
    }
}

/// L22, L24: what the buckets do not pay for goes to Python, which says so.
#[test]
fn what_is_not_paid_for_goes_to_python() {
    let mut case = Case::new();
    let one = publish("rooms", "");
    let now = case.rig.shared.clock.seconds(case.rig.now);
    case.subjects.pay(3.0, now);
    assert_eq!(
        (vec![one.clone()], Vec::new(), vec![1, 2]),
        case.say(&[&one, &one, &one])
    );
    assert_eq!("3", format!("{:.0}", case.own.level(now)));
    case.handled(1);
    assert_eq!(vec![one.clone()], case.heard(&one));
}

/// C17: from the moment on at which grants are taken back Python hears everything, though the thread has not heard of it yet.
#[test]
fn a_grant_that_is_taken_back_counts_no_longer() {
    let mut case = Case::new();
    let one = publish("rooms", "");
    assert_eq!(Vec::<String>::new(), case.heard(&one));
    let port = Arc::clone(&case.rig.shard.port);
    port.withdraw(1);
    assert_eq!(vec![one.clone()], case.heard(&one));
    let mut commands = Vec::new();
    port.take(&mut commands);
    for command in commands {
        case.rig.command(command);
    }
    case.handled(1);
    assert!(port.may_grant());
    assert_eq!(vec![one.clone()], case.heard(&one));
    case.grant();
    case.handled(2);
    assert_eq!((Vec::new(), Vec::new(), vec![2]), case.say(&[&one]));
}

/// C23: a log that was closed takes nothing more, nobody has paid for what it did not take, and Python hears of it.
#[test]
fn what_comes_for_a_closed_log_goes_to_python() {
    let mut case = Case::new();
    let one = publish("rooms", "");
    case.rig.logs.close(case.log).unwrap();
    assert_eq!(vec![one.clone()], case.heard(&one));
    let now = case.rig.shared.clock.seconds(case.rig.now);
    let levels = [&case.own, &case.subjects].map(|one| format!("{:.0}", one.level(now)));
    assert_eq!(["5", "5"], levels);
}

/// M30: a log is not closed over what was taken for it; once nothing is on its way, it is closed if it is empty.
#[test]
fn a_log_waits_for_what_was_taken_for_it() {
    let mut case = Case::new();
    let one = publish("rooms", "");
    let now = case.rig.shared.clock.seconds(case.rig.now);
    let slot = case.rig.shard.slots[&1];
    let connection = case.rig.shard.connections.get_mut(slot).unwrap();
    let grants = connection.grants.as_deref_mut().unwrap();
    assert!(case.rig.shard.direct.take(grants, one.as_bytes(), 1, now));
    assert!(!case.rig.logs.close_if_empty(case.log).unwrap());
    case.rig.shard.publish(slot, case.rig.now);
    assert_eq!(1, case.rig.head(case.log));
    assert!(!case.rig.logs.close_if_empty(case.log).unwrap());
    let channel = case.rig.logs.find(case.log).unwrap();
    assert!(channel.hold().is_some());
    case.rig.logs.sweep(1e18);
    assert!(case.rig.logs.close_if_empty(case.log).unwrap());
    assert!(channel.is_closed() && channel.hold().is_none());
    assert_eq!(0, case.rig.logs.bytes());
}

/// A panic within a turn drops what was gathered, and holds no log open.
#[test]
fn what_a_panic_leaves_holds_nothing() {
    let mut case = Case::new();
    let now = case.rig.shared.clock.seconds(case.rig.now);
    let slot = case.rig.shard.slots[&1];
    let connection = case.rig.shard.connections.get_mut(slot).unwrap();
    let grants = connection.grants.as_deref_mut().unwrap();
    assert!(
        case.rig
            .shard
            .direct
            .take(grants, publish("rooms", "").as_bytes(), 1, now)
    );
    case.rig.shard.panicked(slot, case.rig.now);
    assert!(case.rig.shard.direct.is_empty());
    assert!(case.rig.logs.close_if_empty(case.log).unwrap());
}
