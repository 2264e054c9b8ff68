//! From the emit to the consumer (signals.md §7, §8; §11, 11).
#![allow(missing_docs, clippy::unwrap_used)]
// Small numbers that tests made themselves; floats are compared for the same bits.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use proptest::prelude::*;
use serde_json::{Value, json};
use signal::{
    Config, Extra, MAX_WAITING_BYTES, MEMBERS, Neighbors, Overflow, Publish, Signal, SignalError,
    SignalSystem, TokenUpdate,
};
use support::{SMALL, emit, signal_of, small, token_of};

fn system(change: impl FnOnce(&mut Config)) -> SignalSystem {
    let mut config = small();
    change(&mut config);
    SignalSystem::new(config).unwrap()
}

/// A system whose consumer polls.
fn polled(change: impl FnOnce(&mut Config)) -> SignalSystem {
    let system = system(change);
    assert!(system.take_batch(1).unwrap().is_none());
    system
}

fn try_emit(system: &SignalSystem, signal: Signal) -> Result<u64, SignalError> {
    let mut token_id = 0;
    system.emit(0, "test", signal, &mut |outcome, _| {
        token_id = outcome.token_id;
    })?;
    Ok(token_id)
}

/// All that waits: (event, data) each.
fn drained(system: &SignalSystem) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Some(batch) = system.take_batch(100).unwrap() {
        assert_eq!(batch.len(), batch.entries().count());
        for entry in batch.entries() {
            events.push((
                entry.event.to_string(),
                serde_json::from_slice(&entry.data).unwrap(),
            ));
        }
    }
    events
}

fn ids(events: &[(String, Value)]) -> Vec<u64> {
    let signals = events.iter().filter(|(event, _)| event == "test");
    signals
        .map(|(_, data)| data["token_id"].as_u64().unwrap())
        .collect()
}

#[test]
fn nothing_is_queued_while_nobody_takes_it() {
    let system = system(|_| ());
    assert!(!emit(&system, 0, [0.5; 8]).0.published);
    assert!(system.take_batch(10).unwrap().is_none());
    assert!(emit(&system, 0, [0.5; 8]).0.published);
    assert_eq!(vec![2], ids(&drained(&system)));
}

/// signals.md §7, M44: the members and their order.
#[test]
fn an_emit_is_one_event_with_everything_the_system_said() {
    let system = polled(|config| {
        config.node = "n\"1".into();
        config.event_neighbors = 1;
        (config.neighbor_radius, config.novelty_radius) = (0.25, 0.25);
    });
    let vector = [0.5, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
    emit(&system, 0, vector);
    emit(&system, 0, vector);
    let near = [0.625, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
    let extra = Extra {
        key: Some("k".into()),
        tags: Some(Arc::from(&br#"{"chat":"c-1"}"#[..])),
        payload: Some(Arc::from(&br#"{"text":"hello"}"#[..])),
        traceparent: Some("00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01".into()),
        tracestate: None,
    };
    let signal = Signal {
        priority: 200,
        extra: extra.shared(),
        ..signal_of(near)
    };
    try_emit(&system, signal).unwrap();
    let batch = system.take_batch(10).unwrap().unwrap();
    let texts: Vec<String> = batch
        .to_json()
        .into_iter()
        .map(|text| String::from_utf8(text).unwrap())
        .collect();
    assert_eq!(
        concat!(
            r#"{"event":"test","data":{"token_id":1,"vector":[0.5,0.2,0.3,0.4,0.5,0.6,0.7,0.8],"priority":128,"#,
            r#""is_novel":true,"nearest_dist":null,"anomaly_score":1.0,"neighbors":[],"node":"n\"1"}}"#
        ),
        texts[0]
    );
    assert_eq!(
        concat!(
            r#"{"event":"test","key":"k","tags":{"chat":"c-1"},"#,
            r#""traceparent":"00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01","#,
            r#""data":{"token_id":3,"vector":[0.625,0.2,0.3,0.4,0.5,0.6,0.7,0.8],"priority":200,"is_novel":false,"#,
            r#""nearest_dist":0.125,"anomaly_score":0.5,"neighbors":[{"token_id":2,"distance":0.125}],"node":"n\"1","#,
            r#""payload":{"text":"hello"}}}"#
        ),
        texts[2].replace("{\"token_id\":1,", "{\"token_id\":2,")
    );
    assert_eq!((Some(1), None), (batch.index_of(2), batch.index_of(4)));
    for entry in batch.entries() {
        let data: Value = serde_json::from_slice(&entry.data).unwrap();
        let (marks, vector) = entry.marks.unwrap();
        let read: [f32; 8] = serde_json::from_value(data["vector"].clone()).unwrap();
        assert_eq!(vector, read);
        for (name, (start, end)) in MEMBERS.iter().zip(marks) {
            let marked = &entry.data[usize::from(start)..usize::from(end)];
            let marked: Value = serde_json::from_slice(marked).unwrap();
            assert_eq!(data[*name], marked, "{name}");
        }
    }
}

/// signals.md §7: tokens by the API are told one by one, many at once as a sum.
#[test]
fn changes_of_tokens_are_events() {
    let system = polled(|config| config.node = "n1".into());
    let now = 1_767_225_600_120_000;
    let id = system.create_token(now, token_of([0.5; 8])).unwrap();
    system
        .update_token(
            id,
            TokenUpdate {
                weight: Some(0.25),
                ..TokenUpdate::default()
            },
        )
        .unwrap();
    system.delete_token(id).unwrap();
    system
        .create_tokens(now, vec![token_of([0.5; 8]); 3].into_iter(), true)
        .unwrap();
    system.clear_tokens().unwrap();
    assert_eq!(Ok(false), system.update_token(id, TokenUpdate::default()));
    let token = |weight: f64| {
        json!({"token_id": 1, "vector": [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], "event_type": "", "priority": 128,
               "weight": weight, "created": 1_767_225_600.12, "node": "n1"})
    };
    let expected = [
        ("token.created", token(1.0)),
        ("token.updated", token(0.25)),
        ("token.deleted", token(0.25)),
        (
            "token.created",
            json!({"reason": "batch", "count": 3, "up_to": 4, "node": "n1"}),
        ),
        (
            "token.deleted",
            json!({"reason": "cleared", "count": 3, "up_to": 4, "node": "n1"}),
        ),
    ];
    assert_eq!(
        expected
            .map(|(event, data)| (event.to_owned(), data))
            .to_vec(),
        drained(&system)
    );
}

/// signals.md §1: evictions are told in sums, at most one a second.
#[test]
fn evictions_are_told_in_sums() {
    let system = polled(|_| ());
    system
        .warm(0, vec![token_of([0.5; 8]); SMALL as usize].into_iter())
        .unwrap();
    let second = 1_000_000;
    for now in [second, second + 1, second + 2, 2 * second, 2 * second + 1] {
        emit(&system, now, [0.5; 8]);
    }
    let events = drained(&system);
    let sums: Vec<Value> = events
        .iter()
        .filter(|(event, _)| event == "token.deleted")
        .map(|(_, data)| data.clone())
        .collect();
    let sum = |count: u64, up_to: u64| json!({"reason": "evicted", "count": count, "up_to": up_to, "node": ""});
    assert_eq!(vec![sum(1, 1), sum(3, 4)], sums);
    assert_eq!(5, system.stats().counts.evicted);
}

/// Tokens made at once leave behind what the same tokens made one by one leave behind.
#[test]
fn evictions_by_many_tokens_are_told_as_by_single_ones() {
    let made = |at_once: bool| {
        let system = polled(|config| config.neighbors = Neighbors::Off);
        for (now, count) in [
            (1, 1_000),
            (2_000_000, 1_500),
            (2_000_001, 3),
            (4_000_000, 2),
        ] {
            let new = vec![token_of([0.5; 8]); count].into_iter();
            if at_once {
                system.create_tokens(now, new, true).unwrap();
            } else {
                for new in new {
                    system.create_token(now, new).unwrap();
                }
            }
        }
        let told: Vec<Value> = drained(&system)
            .into_iter()
            .filter_map(|(event, data)| (event == "token.deleted").then_some(data))
            .collect();
        let tokens = system.list_tokens(SMALL as usize, None).unwrap();
        let stats = system.stats();
        (told, tokens, stats.counts, stats.tokens)
    };
    let (told, tokens, counts, live) = made(true);
    assert_eq!(2, told.len(), "{told:?}");
    assert_eq!((1_481, SMALL), (counts.evicted, live));
    assert_eq!((told, tokens, counts, live), made(false));
}

#[test]
fn an_emit_tells_of_its_token_only_where_that_is_asked_for() {
    let system = polled(|config| config.token_events = true);
    emit(&system, 0, [0.5; 8]);
    let events: Vec<String> = drained(&system)
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    assert_eq!(vec!["token.created", "test"], events);
}

#[test]
fn what_is_published_follows_the_setting_and_the_emit() {
    for (publish, expected) in [
        (Publish::All, vec![true, true, true, false]),
        (Publish::Novel, vec![true, false, true, false]),
        (Publish::None, vec![false, false, true, false]),
    ] {
        let system = polled(|config| config.publish = publish);
        let mut seen = Vec::new();
        for asked in [None, None, Some(true), Some(false)] {
            let signal = Signal {
                publish: asked,
                ..signal_of([0.5; 8])
            };
            system
                .emit(0, "test", signal, &mut |outcome, _| {
                    seen.push(outcome.published);
                })
                .unwrap();
        }
        assert_eq!(expected, seen, "{publish:?}");
        let events = drained(&system).len();
        assert_eq!(
            expected.into_iter().filter(|published| *published).count(),
            events
        );
    }
}

/// M34: refused before it is processed; never dropped after it.
#[test]
fn a_full_queue_refuses_before_anything_is_processed() {
    let system = polled(|config| config.queue_size = 64);
    for _ in 0..64 {
        emit(&system, 0, [0.5; 8]);
    }
    let full = SignalError::Overloaded { waiting: 64 };
    assert_eq!(Err(full.clone()), try_emit(&system, signal_of([0.5; 8])));
    assert_eq!(
        Err(full.clone()),
        system.create_token(0, token_of([0.5; 8]))
    );
    assert_eq!(Ok(64), system.count_tokens());
    assert_eq!(2, system.stats().counts.refused);
    let unpublished = Signal {
        publish: Some(false),
        ..signal_of([0.5; 8])
    };
    assert_eq!(Ok(65), try_emit(&system, unpublished));
    assert_eq!((1..=64).collect::<Vec<_>>(), ids(&drained(&system)));
    assert_eq!(Ok(66), try_emit(&system, signal_of([0.5; 8])));
}

#[test]
fn a_batch_that_does_not_fit_is_refused_as_a_whole() {
    let system = polled(|config| config.queue_size = 64);
    let mut ignore = |_, _: &[_]| ();
    let batch = |n| vec![signal_of([0.5; 8]); n];
    assert!(
        system
            .emit_batch(0, &batch(65), &mut ignore, &mut || true)
            .is_err()
    );
    assert_eq!(Ok(0), system.count_tokens());
    assert_eq!(
        Ok(()),
        system.emit_batch(0, &batch(64), &mut ignore, &mut || true)
    );
    assert_eq!(64, drained(&system).len());
    // The room that was kept is free again.
    assert_eq!(
        Ok(()),
        system.emit_batch(0, &batch(64), &mut ignore, &mut || true)
    );
}

/// What travels with events is bounded in bytes too.
#[test]
fn payloads_fill_the_queue_by_their_bytes() {
    let system = polled(|_| ());
    let payload: Arc<[u8]> = Arc::from(vec![b'1'; 65_536]);
    let extra = Extra {
        payload: Some(payload),
        ..Extra::default()
    }
    .shared();
    let signal = Signal {
        extra,
        ..signal_of([0.5; 8])
    };
    for _ in 0..MAX_WAITING_BYTES / 65_536 {
        try_emit(&system, signal.clone()).unwrap();
    }
    assert!(try_emit(&system, signal.clone()).is_err());
    assert_eq!(1, system.take_batch(1).unwrap().unwrap().len());
    assert!(try_emit(&system, signal).is_ok());
}

/// signals.md §8: the oldest segment goes, and an event says so in its place.
#[test]
fn drop_oldest_says_what_was_lost_in_its_place() {
    let system =
        polled(|config| (config.queue_size, config.overflow) = (128, Overflow::DropOldest));
    for _ in 0..133 {
        emit(&system, 0, [0.5; 8]);
    }
    let batch = system.take_batch(3).unwrap().unwrap();
    let dropped = batch.dropped().unwrap();
    assert_eq!(
        (6, 1, 6),
        (dropped.count, dropped.first_token_id, dropped.last_token_id)
    );
    let first = batch.entries().next().unwrap();
    assert_eq!("signal.dropped", &*first.event);
    let expected = json!({"count": 6, "first_token_id": 1, "last_token_id": 6, "node": ""});
    assert_eq!(
        expected,
        serde_json::from_slice::<Value>(&first.data).unwrap()
    );
    assert_eq!(Some(1), batch.index_of(7));
    assert_eq!((10..=133).collect::<Vec<_>>(), ids(&drained(&system)));
    assert_eq!(6, system.stats().counts.dropped);
}

/// signals.md §8: the wake-up comes on empty → non-empty, and again if something is left.
#[test]
fn the_consumer_is_woken_once_per_batch() {
    let system = system(|_| ());
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    assert_eq!(Ok(true), system.attach(Box::new(count)));
    for _ in 0..5 {
        emit(&system, 0, [0.5; 8]);
    }
    assert_eq!(1, wakes.load(Ordering::Relaxed));
    system.take_batch(2).unwrap();
    assert_eq!(2, wakes.load(Ordering::Relaxed));
    system.take_batch(100).unwrap();
    assert_eq!(2, wakes.load(Ordering::Relaxed));
    emit(&system, 0, [0.5; 8]);
    assert_eq!(3, wakes.load(Ordering::Relaxed));
}

#[test]
fn a_blocked_emitter_goes_on_when_there_is_room_again() {
    let system = polled(|config| (config.queue_size, config.overflow) = (64, Overflow::Block));
    let signals = vec![signal_of([0.5; 8]); 500];
    thread::scope(|scope| {
        let emitter = scope.spawn(|| system.emit_batch(0, &signals, &mut |_, _| (), &mut || true));
        let mut seen = 0;
        while seen < 500 {
            match system.take_batch(10).unwrap() {
                Some(batch) => seen += batch.len(),
                None => thread::yield_now(),
            }
        }
        assert_eq!(Ok(()), emitter.join().unwrap());
    });
}

#[test]
fn the_consumers_own_thread_is_refused_instead_of_waiting_for_itself() {
    let system = polled(|config| (config.queue_size, config.overflow) = (64, Overflow::Block));
    let mut ignore = |_, _: &[_]| ();
    let mut emit =
        |n| system.emit_batch(0, &vec![signal_of([0.5; 8]); n], &mut ignore, &mut || true);
    assert_eq!(Err(SignalError::Overloaded { waiting: 0 }), emit(65));
    assert_eq!(Ok(()), emit(64));
    assert_eq!(Err(SignalError::Overloaded { waiting: 64 }), emit(1));
    assert_eq!(Ok(64), system.count_tokens());
}

#[test]
fn closing_ends_every_wait_and_leaves_what_was_processed() {
    let system = polled(|config| (config.queue_size, config.overflow) = (64, Overflow::Block));
    let signals = vec![signal_of([0.5; 8]); 100];
    let asked = Barrier::new(2);
    thread::scope(|scope| {
        let mut first = true;
        let asked = &asked;
        let mut go_on = move || {
            if std::mem::take(&mut first) {
                asked.wait();
            }
            true
        };
        let system = &system;
        let signals = &signals;
        let emitter =
            scope.spawn(move || system.emit_batch(0, signals, &mut |_, _| (), &mut go_on));
        asked.wait();
        system.close().unwrap();
        assert_eq!(Err(SignalError::Closed), emitter.join().unwrap());
    });
    assert_eq!(
        Err(SignalError::Closed),
        try_emit(&system, signal_of([0.5; 8]))
    );
    assert_eq!(64, drained(&system).len());
}

#[test]
fn a_wait_that_is_called_off_processes_nothing_more() {
    let system = polled(|config| (config.queue_size, config.overflow) = (64, Overflow::Block));
    let signals = vec![signal_of([0.5; 8]); 100];
    let emitter = thread::scope(|scope| {
        let run = || system.emit_batch(0, &signals, &mut |_, _| (), &mut || false);
        scope.spawn(run).join().unwrap()
    });
    assert_eq!(Err(SignalError::Interrupted), emitter);
    assert_eq!(Ok(64), system.count_tokens());
}

/// signals.md §11, 11: every published emit is in a batch exactly once, order kept per producer, no wake-up lost.
#[test]
fn every_published_emit_arrives_once_and_in_order() {
    const PRODUCERS: usize = 3;
    const EACH: usize = 4_000;
    let system = system(|config| {
        config.neighbors = Neighbors::Off;
        (config.queue_size, config.overflow) = (256, Overflow::Block);
    });
    let (wake, woken) = mpsc::channel();
    system
        .attach(Box::new(move || wake.send(()).unwrap()))
        .unwrap();
    let mut seen: Vec<Vec<u64>> = vec![Vec::new(); PRODUCERS];
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let system = &system;
            scope.spawn(move || {
                for chunk in 0..EACH / 10 {
                    let mark = |i: usize| Signal {
                        priority: producer as u8,
                        ..signal_of([(chunk * 10 + i) as f32; 8])
                    };
                    let signals: Vec<Signal> = (0..10).map(mark).collect();
                    system
                        .emit_batch(0, &signals, &mut |_, _| (), &mut || true)
                        .unwrap();
                }
            });
        }
        // Only wake-ups make this consumer look: a lost one would be a hang.
        while seen.iter().map(Vec::len).sum::<usize>() < PRODUCERS * EACH {
            woken.recv().unwrap();
            if let Some(batch) = system.take_batch(100).unwrap() {
                for entry in batch.entries() {
                    let data: Value = serde_json::from_slice(&entry.data).unwrap();
                    let producer = data["priority"].as_u64().unwrap() as usize;
                    seen[producer].push(data["vector"][0].as_f64().unwrap() as u64);
                }
            }
        }
    });
    let expected: Vec<u64> = (0..EACH as u64).collect();
    assert_eq!(vec![expected; PRODUCERS], seen);
}

#[derive(Debug, Clone)]
enum Step {
    Emit(usize),
    Take(usize),
}

proptest! {
    /// signals.md §11, 11: also under `drop_oldest`, where what is missing is counted.
    #[test]
    fn nothing_is_lost_without_being_counted(
        steps in prop::collection::vec(
            prop_oneof![(1_usize..40).prop_map(Step::Emit), (0_usize..60).prop_map(Step::Take)], 1..120),
        queue_size in 64_usize..400,
    ) {
        let system = polled(|config| {
            config.neighbors = Neighbors::Off;
            (config.queue_size, config.overflow) = (queue_size, Overflow::DropOldest);
        });
        let (mut emitted, mut next) = (0, 1);
        let mut look = |max| -> Result<bool, TestCaseError> {
            let Some(batch) = system.take_batch(max).unwrap() else { return Ok(false) };
            if let Some(dropped) = batch.dropped() {
                prop_assert_eq!(next, dropped.first_token_id);
                prop_assert_eq!(dropped.count, dropped.last_token_id - dropped.first_token_id + 1);
                next = dropped.last_token_id + 1;
            }
            for entry in batch.entries().skip(usize::from(batch.dropped().is_some())) {
                let data: Value = serde_json::from_slice(&entry.data).unwrap();
                prop_assert_eq!(Some(next), data["token_id"].as_u64());
                next += 1;
            }
            Ok(true)
        };
        for step in steps {
            match step {
                Step::Emit(n) => {
                    support::emit_batch(&system, 0, &vec![[0.5; 8]; n]);
                    emitted += n as u64;
                }
                Step::Take(max) => {
                    look(max)?;
                }
            }
        }
        while look(1_000)? {}
        prop_assert_eq!(emitted + 1, next);
    }
}
