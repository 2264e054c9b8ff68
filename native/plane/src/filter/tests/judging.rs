//! The filters of one channel: equal ones are one, bounded, and each entry is judged once.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::filter::tests::{bounds, filter};
use crate::filter::{Roster, Scratch, Sieve, Totals, judge_past, unjudged};
use crate::log::{Log, Retention};
use crate::start::Start;

fn channel(entries: u64) -> Channel {
    let retention = Retention {
        seconds: 1e9,
        max_bytes: 1 << 30,
        max_entries: 1_000_000,
        last_per_key: None,
    };
    let mut log = Log::new("logs", Epoch::named("epochA"), retention);
    let new = |number: u64| NewEntry {
        event: "e".into(),
        data: number.to_string().as_bytes().into(),
        ..NewEntry::default()
    };
    log.append((1..=entries).map(new).collect(), 1.0);
    Channel::new(1, "logs", log, None, 1)
}

fn take(channel: &Channel, totals: &Arc<Totals>, text: &str) -> Arc<Sieve> {
    channel.roster(totals).take(filter(text), false).unwrap()
}

/// Equal filters are one sieve; when the last who holds it goes, it is gone.
#[test]
fn equal_filters_are_one_sieve() {
    let (channel, totals) = (channel(0), Arc::new(Totals::new(bounds(10, 10))));
    let one = take(&channel, &totals, r#"{"key":"a","data.b":1}"#);
    let same = take(&channel, &totals, r#"{"data.b":1.0, "key":"a"}"#);
    assert!(Arc::ptr_eq(&one, &same));
    assert_eq!(1, totals.count());
    let id = one.id;
    drop((one, same));
    assert_eq!(0, totals.count());
    assert_ne!(
        id,
        take(&channel, &totals, r#"{"key":"a","data.b":1}"#).id,
        "a number is never used again"
    );
}

/// `max_filters`, `max_channel_filters`: beyond them others are refused and counted, equal ones and what must be are not.
#[test]
fn their_number_is_bounded() {
    let totals = Arc::new(Totals::new(bounds(3, 2)));
    let channels = [channel(0), channel(0)];
    let text = |number: u32| format!(r#"{{"data.n":{number}}}"#);
    let mut held = vec![
        take(&channels[0], &totals, &text(1)),
        take(&channels[0], &totals, &text(2)),
    ];
    let refused = |channel: &Channel, number: u32| {
        let taken = channel.roster(&totals).take(filter(&text(number)), false);
        taken.unwrap_err().to_string()
    };
    assert_eq!(
        "there are 2 distinct filters of the channel already",
        refused(&channels[0], 3)
    );
    held.push(take(&channels[0], &totals, &text(2)));
    held.push(take(&channels[1], &totals, &text(1)));
    assert_eq!(
        "there are 3 distinct filters of all channels already",
        refused(&channels[1], 2)
    );
    assert_eq!((3, 2), (totals.count(), totals.refused.get()));
    held.push(
        channels[1]
            .roster(&totals)
            .take(filter(&text(9)), true)
            .unwrap(),
    );
    assert_eq!(4, totals.count());
    held.clear();
    assert_eq!(0, totals.count());
    take(&channels[0], &totals, &text(3));
}

/// Each entry is judged once for each filter: by whoever comes first, for all; and once more by nobody.
#[test]
fn every_entry_is_judged_once() {
    let (channel, totals) = (channel(100), Arc::new(Totals::new(bounds(10, 10))));
    let entries: Vec<_> = channel.log().after(0).map(Arc::clone).collect();
    let sieves = [r#"{"data":{"lte":10}}"#, r#"{"data":{"gt":90}}"#]
        .map(|text| take(&channel, &totals, text));
    let (mut scratch, mut passes) = (Scratch::default(), Vec::new());
    for _ in 0..3 {
        for sieve in &sieves {
            sieve.judge(0, &entries, &mut scratch, &mut passes);
            assert_eq!(10, passes.iter().filter(|passes| **passes).count());
            assert!(
                entries
                    .iter()
                    .zip(&passes)
                    .all(|(entry, passes)| sieve.passes(0, entry, &mut scratch) == *passes)
            );
            judge_past(&channel, sieve, &Start::Last(1_000));
        }
    }
    assert_eq!(200, totals.judged.get());
    assert_eq!(
        (Some(10), Some(0)),
        (sieves[0].owed(0, 0, 100), sieves[1].owed(0, 0, 50))
    );
    // Who comes later judges the past for itself alone.
    let late = take(&channel, &totals, r#"{"data":{"in":[1,100]}}"#);
    late.judge(0, &entries, &mut scratch, &mut passes);
    assert_eq!(
        (true, 300),
        (passes[0] && passes[99] && !passes[50], totals.judged.get())
    );
}

/// R9: only what a start needs is judged before it: of the newest, as many as are wanted.
#[test]
fn a_start_judges_what_it_needs() {
    let (channel, totals) = (channel(5_000), Arc::new(Totals::new(bounds(10, 10))));
    let at = |offset| Start::At {
        epoch: "epochA".into(),
        offset,
    };
    for (start, needed, judged) in [
        (Start::New, 0, 0),
        (Start::Snapshot, 0, 0),
        (at(4_000), 1_000, 1_000),
        (at(9_000), 0, 0),
        (Start::Since(0.5), 5_000, 5_000),
        (Start::Since(2.0), 0, 0),
        (
            Start::At {
                epoch: "other".into(),
                offset: 3,
            },
            5_000,
            5_000,
        ),
        (Start::Last(10_000), 5_000, 5_000),
    ] {
        let sieve = take(&channel, &totals, r#"{"data":{"gt":2500}}"#);
        assert_eq!(needed, unjudged(&channel, &sieve, &start), "{start:?}");
        let before = totals.judged.get();
        judge_past(&channel, &sieve, &start);
        assert_eq!(judged, totals.judged.get() - before, "{start:?}");
        assert_eq!(0, unjudged(&channel, &sieve, &start), "{start:?}");
    }
    let sieve = take(&channel, &totals, r#"{"data":{"lt":4900}}"#);
    let before = totals.judged.get();
    judge_past(&channel, &sieve, &Start::Last(10));
    assert_eq!(111, totals.judged.get() - before);
}

/// F12: in another history the same offsets are other entries, and who still reads the former one is not told of this.
#[test]
fn histories_are_not_mixed() {
    let (channel, totals) = (channel(2), Arc::new(Totals::new(bounds(10, 10))));
    let former: Vec<_> = channel.log().after(0).map(Arc::clone).collect();
    let sieve = take(&channel, &totals, r#"{"data":1}"#);
    let (mut scratch, mut passes) = (Scratch::default(), Vec::new());
    sieve.judge(0, &former, &mut scratch, &mut passes);
    assert_eq!(vec![true, false], passes);
    channel.log().rotate(Epoch::named("epochB"));
    let new = |data: &str| NewEntry {
        event: "e".into(),
        data: data.as_bytes().into(),
        ..NewEntry::default()
    };
    channel.log().append(vec![new("7"), new("1")], 1.0);
    let (history, entries) = {
        let log = channel.log();
        (
            log.history(),
            log.after(0).map(Arc::clone).collect::<Vec<_>>(),
        )
    };
    sieve.judge(history, &entries, &mut scratch, &mut passes);
    assert_eq!(vec![false, true], passes);
    sieve.judge(0, &former, &mut scratch, &mut passes);
    assert_eq!(vec![true, false], passes);
    sieve.judge(history, &entries, &mut scratch, &mut passes);
    assert_eq!(vec![false, true], passes);
    assert_eq!(
        (Some(1), None),
        (sieve.owed(history, 0, 2), sieve.owed(0, 0, 2))
    );
}

/// A sieve may go at any time, also while others are judged; the paths that were its are forgotten.
#[test]
fn sieves_come_and_go() {
    let (channel, totals) = (channel(50), Arc::new(Totals::new(bounds(1_000, 1_000))));
    let entries: Vec<_> = channel.log().after(0).map(Arc::clone).collect();
    let (mut scratch, mut passes) = (Scratch::default(), Vec::new());
    let stays = take(&channel, &totals, r#"{"data":{"gt":40}}"#);
    for (number, entry) in entries.iter().enumerate() {
        let other = take(&channel, &totals, &format!(r#"{{"data.f{number}":1}}"#));
        stays.judge(0, std::slice::from_ref(entry), &mut scratch, &mut passes);
        assert_eq!(number >= 40, passes[0]);
        drop(other);
    }
    assert_eq!(1, totals.count());
    let _: &Arc<Roster> = channel.roster(&totals);
}
