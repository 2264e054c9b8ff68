//! Logs whose entries get their places elsewhere, and those who follow them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use crate::cursor::{Delivery, OnSlow, Options};
use crate::entry::{Encoding, NewEntry};
use crate::epoch::Epoch;
use crate::log::Retention;
use crate::packed::Packed;
use crate::settings::Settings;
use crate::shard::brief::brief;
use crate::shard::rig::{KEPT, Rig, entry, keyed, keys, options};
use crate::start::Start;

/// The wall clock.
const NOW: f64 = 10.0;

impl Rig {
    /// Stand elsewhere; the I/O thread is told of it by `tell`.
    pub fn begin(&mut self, log: u64, epoch: &str, offset: u64) {
        let channel = self.logs.find(log).unwrap();
        let position = Epoch::named(epoch).position(offset);
        self.logs.begin(&channel, &position, NOW).unwrap();
    }

    /// Take what follows the head; the I/O thread is told of it by `tell`.
    pub fn apply(&mut self, log: u64, entries: &[NewEntry], ts: f64) {
        let channel = self.logs.find(log).unwrap();
        let first = Epoch::named(&self.epoch(log)).position(self.head(log) + 1);
        let packed: Vec<Packed<'_>> = entries.iter().map(|one| packed(one, ts)).collect();
        self.logs.apply(&channel, &first, &packed, NOW).unwrap();
    }

    /// Take up newest entries of keys; the I/O thread is told of it by `tell`.
    pub fn restore(&mut self, log: u64, newest: &[(u64, NewEntry)]) {
        let channel = self.logs.find(log).unwrap();
        let placed = newest
            .iter()
            .map(|(offset, one)| (*offset, packed(one, 1.0)));
        let placed: Vec<(u64, Packed<'_>)> = placed.collect();
        self.logs.restore_newest(&channel, &placed).unwrap();
    }
}

fn packed(one: &NewEntry, ts: f64) -> Packed<'_> {
    Packed {
        ts,
        members: one.members(),
    }
}

const KEYS: Retention = Retention {
    last_per_key: Some(10),
    ..KEPT
};

/// A log at `epochA:2`, and a peer of it that takes everything.
fn rig(retention: Retention, options: Options, capacity: usize) -> (Rig, u64) {
    let mut rig = Rig::new(Settings::default());
    let log = rig.open("logs", retention);
    rig.begin(log, "epochA", 0);
    rig.connect(1, capacity, Encoding::Json);
    rig.subscribe(1, log, options, Start::New, false);
    rig.take_all(1);
    rig.apply(log, &keys("ab"), 1.0);
    rig.tell(log);
    (rig, log)
}

/// Everything is taken; what came.
fn taken(rig: &mut Rig, log: u64) -> Vec<String> {
    rig.tell(log);
    rig.wait(Duration::from_millis(5));
    rig.take_all(1);
    brief(rig, 1, &["epochA", "epochB", "epochC"])
}

fn large(name: &str) -> NewEntry {
    keyed(name, &format!("\"{}\"", "x".repeat(5_000)))
}

/// N8, P12: another history, from wherever each stands to wherever the log does; histories in between are told to nobody.
#[test]
fn another_history_begins_where_the_log_stands() {
    for delivery in [Delivery::All, Delivery::Latest] {
        let (mut rig, log) = rig(KEPT, options(delivery), 1 << 20);
        assert_eq!(vec!["at A:0+0", "1", "2"], taken(&mut rig, log));
        rig.begin(log, "epochB", 7);
        rig.apply(log, &keys("a"), 1.0);
        rig.begin(log, "epochC", 612);
        assert_eq!(vec!["gap A:2 C:612 epoch"], taken(&mut rig, log));
        rig.apply(log, &keys("ab"), 1.0);
        assert_eq!(vec!["613", "614"], taken(&mut rig, log));
        assert_eq!(vec![(log, "epochC:614".into())], rig.positions(1));
    }
}

/// N8, M48: a hole in this history, whatever the subscriber wanted to be done if it was too slow: it was not.
#[test]
fn a_hole_is_one_gap_of_reason_retention() {
    for on_slow in [OnSlow::Gap, OnSlow::Close] {
        for delivery in [Delivery::All, Delivery::Latest] {
            let options = Options {
                on_slow,
                ..options(delivery)
            };
            let (mut rig, log) = rig(KEPT, options, 1 << 20);
            rig.take_all(1);
            rig.begin(log, "epochA", 40);
            // S3: nothing is conflated that its socket takes.
            rig.apply(log, &keys("aa"), 1.0);
            let expected = vec!["at A:0+0", "1", "2", "gap A:2 A:40 retention", "41", "42"];
            assert_eq!(expected, taken(&mut rig, log));
            assert_eq!(None, rig.closed(1));
        }
    }
}

/// N8: what was handed over and not begun is in the gap, what was begun is ended; nothing is left between.
#[test]
fn what_was_composed_and_not_sent_is_in_the_gap() {
    for (epoch, reason) in [("epochA", "retention"), ("epochB", "epoch")] {
        let (mut rig, log) = rig(KEPT, options(Delivery::All), 100);
        taken(&mut rig, log);
        rig.apply(log, &["a", "b", "c"].map(large), 1.0);
        rig.tell(log);
        rig.wait(Duration::from_millis(5));
        rig.begin(log, epoch, 40);
        rig.apply(log, &keys("a"), 1.0);
        let to = if reason == "epoch" { "B" } else { "A" };
        let expected = vec![
            "3".to_owned(),
            format!("gap A:3 {to}:40 {reason}"),
            "41".to_owned(),
        ];
        assert_eq!(expected, taken(&mut rig, log));
        assert_eq!(0, rig.shard.views.bytes);
    }
}

/// N8: who can be written to only when entries behind the hole have left the log as well gets one gap over all of it.
#[test]
fn one_gap_covers_what_has_left_the_log_since() {
    for (epoch, reason) in [("epochA", "retention"), ("epochB", "epoch")] {
        let short = Retention {
            max_entries: 2,
            ..KEPT
        };
        let options = Options {
            on_slow: OnSlow::Close,
            ..options(Delivery::All)
        };
        let (mut rig, log) = rig(short, options, 1 << 20);
        taken(&mut rig, log);
        rig.begin(log, epoch, 40);
        rig.apply(log, &keys("abcde"), 1.0);
        let to = if reason == "epoch" { "B" } else { "A" };
        let expected = vec![
            format!("gap A:2 {to}:43 {reason}"),
            "44".to_owned(),
            "45".to_owned(),
        ];
        assert_eq!(expected, taken(&mut rig, log));
    }
}

/// P12, S13, P7: who gets the newest entry of each key goes back for all of them, by the one gap.
#[test]
fn latest_goes_back_for_the_newest_of_each_key() {
    for (epoch, reason) in [("epochA", "retention"), ("epochB", "epoch")] {
        let (mut rig, log) = rig(KEYS, options(Delivery::Latest), 1 << 20);
        assert_eq!(vec!["at A:0+0", "1", "2"], taken(&mut rig, log));
        rig.begin(log, epoch, 40);
        rig.restore(
            log,
            &[
                (7, keyed("a", "1")),
                (9, keyed("b", "null")),
                (30, keyed("c", "1")),
            ],
        );
        rig.apply(log, &keys("dc"), 1.0);
        let to = if reason == "epoch" { "B" } else { "A" };
        let gap = format!("gap A:2 {to}:0 {reason}");
        assert_eq!(vec![&gap, "7", "41", "42"], taken(&mut rig, log));
        rig.apply(log, &keys("a"), 1.0);
        assert_eq!(vec!["43"], taken(&mut rig, log));
    }
}

/// N13: newest entries that come too late for a snapshot make another one, for those alone who want it.
#[test]
fn newest_entries_that_come_late_are_told_as_well() {
    for delivery in [Delivery::All, Delivery::Latest] {
        let (mut rig, log) = rig(KEYS, options(delivery), 1 << 20);
        taken(&mut rig, log);
        rig.begin(log, "epochB", 40);
        rig.apply(log, &keys("d"), 1.0);
        let to = if delivery == Delivery::All { 40 } else { 0 };
        assert_eq!(
            vec![format!("gap A:2 B:{to} epoch"), "41".into()],
            taken(&mut rig, log)
        );
        rig.restore(log, &[(7, keyed("a", "1")), (30, keyed("d", "1"))]);
        let expected = match delivery {
            Delivery::All => vec![],
            Delivery::Latest => vec!["gap B:41 B:0 retention", "7", "41"],
        };
        assert_eq!(expected, taken(&mut rig, log));
        // Nothing is new.
        rig.restore(log, &[(7, keyed("a", "1")), (30, keyed("d", "1"))]);
        rig.apply(log, &keys("e"), 1.0);
        assert_eq!(vec!["42"], taken(&mut rig, log));
    }
}

/// S10: a shut window holds up no gap; in another history it is open, behind a hole what is under way stays counted.
#[test]
fn a_shut_window_is_crossed() {
    let window = Options {
        ack: Some(1),
        ..options(Delivery::All)
    };
    for (epoch, to, reason) in [("epochA", "A", "retention"), ("epochB", "B", "epoch")] {
        let (mut rig, log) = rig(KEPT, window, 1 << 20);
        assert_eq!(vec!["at A:0+0", "1"], taken(&mut rig, log));
        rig.begin(log, epoch, 40);
        rig.apply(log, &keys("ab"), 1.0);
        let gap = format!("gap A:1 {to}:40 {reason}");
        if epoch == "epochA" {
            assert_eq!(vec![gap], taken(&mut rig, log));
            rig.acknowledge(1, log, epoch, 40);
            assert_eq!(vec!["41"], taken(&mut rig, log));
        } else {
            assert_eq!(vec![gap, "41".into()], taken(&mut rig, log));
        }
        rig.acknowledge(1, log, epoch, 41);
        assert_eq!(vec!["42"], taken(&mut rig, log));
    }
}

/// C14, N8: who asked before the log stood elsewhere, and is served after it.
#[test]
fn a_wish_from_before_starts_where_it_can() {
    for (epoch, expected) in [
        ("epochA", vec!["at A:2+0", "gap A:2 A:40 retention", "41"]),
        ("epochB", vec!["at B:40+0", "41"]),
    ] {
        let (mut rig, log) = rig(KEPT, options(Delivery::All), 1 << 20);
        taken(&mut rig, log);
        rig.unsubscribe(1, log);
        let spec = rig.spec(log, options(Delivery::All), Start::New);
        rig.take_all(1);
        rig.messages(1);
        rig.begin(log, epoch, 40);
        rig.apply(log, &[entry("e", "1")], 1.0);
        rig.subscribe_by(1, spec);
        assert_eq!(expected, taken(&mut rig, log));
    }
}

/// P1: a history that comes again, which nobody should let happen, is crossed as another one; no entry is passed over in silence.
#[test]
fn a_history_that_comes_again_is_told_as_another() {
    let (mut rig, log) = rig(KEPT, options(Delivery::All), 1 << 20);
    rig.apply(log, &keys("abcdef"), 1.0);
    taken(&mut rig, log);
    rig.begin(log, "epochB", 3);
    rig.begin(log, "epochA", 5);
    rig.apply(log, &keys("abcd"), 1.0);
    let expected = vec!["gap A:8 A:5 epoch", "6", "7", "8", "9"];
    assert_eq!(expected, taken(&mut rig, log));
}

/// M25: a position from before the hole, and a time from before what the log holds.
#[test]
fn starts_know_what_was_never_here() {
    let (mut rig, log) = rig(KEPT, options(Delivery::All), 1 << 20);
    taken(&mut rig, log);
    rig.begin(log, "epochB", 40);
    rig.apply(log, &keys("a"), 5.0);
    rig.apply(log, &keys("b"), 6.0);
    taken(&mut rig, log);
    let at = Start::At {
        epoch: "epochB".into(),
        offset: 7,
    };
    for (start, expected) in [
        (at, vec!["at B:7+35", "gap B:7 B:40 retention", "41", "42"]),
        (
            Start::Since(4.0),
            vec!["at B:0+42", "gap B:0 B:40 retention", "41", "42"],
        ),
        (Start::Since(6.0), vec!["at B:41+1", "42"]),
        (Start::Since(7.0), vec!["at B:42+0"]),
        (Start::Last(9), vec!["at B:40+2", "41", "42"]),
    ] {
        rig.subscribe(1, log, options(Delivery::All), start, false);
        assert_eq!(expected, taken(&mut rig, log));
    }
    rig.begin(log, "epochB", 50);
    taken(&mut rig, log);
    rig.subscribe(1, log, options(Delivery::All), Start::Since(9.0), false);
    assert_eq!(
        vec!["at B:0+50", "gap B:0 B:50 retention"],
        taken(&mut rig, log)
    );
}
